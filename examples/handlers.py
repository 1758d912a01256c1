"""Tools as a shop's support desk would have them; `examples/demo.py` lets runs call them.

A worker imports this module because THREADRUN_TOOLS__MODULES names it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from threadrun import ToolContext, ToolError, tool

WEATHER = {"Oslo": -3, "Lima": 19, "Pune": 31}
ORDERS = {"A-17": "shipped", "A-18": "packed"}


class Parcel(BaseModel):
    """What is to be picked up."""

    order: str
    weight_kg: Annotated[float, Field(gt=0, le=30)]
    fragile: bool = False


class Address(BaseModel):
    """Where it goes."""

    city: str
    country: Literal["NO", "PE", "IN"]


@tool
def weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Tell the temperature in a city.

    Args:
        city: The city's English name.
        unit: The unit to tell it in.
    """
    celsius = WEATHER[city]
    return f"{celsius} °C" if unit == "celsius" else f"{celsius * 9 / 5 + 32:.0f} °F"


@tool
async def exchange_rate(currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]) -> float:
    """Tell what one euro costs in a currency."""
    await asyncio.sleep(0.05)  # a request to a bank
    return {"NOK": 11.8, "PEN": 4.1}[currency]


@tool(timeout_seconds=10)
def book_courier(context: ToolContext, parcels: list[Parcel], to: Address) -> dict[str, object]:
    """Book a courier for some parcels."""
    context.log.info("courier.booked", parcels=len(parcels))
    return {
        "booking": f"{to.country}-{len(parcels)}",
        "weight_kg": sum(parcel.weight_kg for parcel in parcels),
    }


@tool
def cancel_order(order: str) -> str:
    """Cancel an order that was not shipped yet."""
    if ORDERS.get(order) == "shipped":
        raise ToolError(f"Order {order} has left the house; offer a return instead.")
    return "cancelled"


@tool
def stock(article: str) -> int:
    """Tell how many of an article are in stock."""
    raise LookupError(f"the warehouse has no table for {article}")  # the model is told a reference, not this


@tool(idempotent=True, retries=1)
def track(context: ToolContext, order: str) -> str:
    """Tell where an order is."""
    if context.attempt == 1:
        raise ConnectionError("the carrier did not answer")
    return f"{order} is {ORDERS[order]}"


@tool(timeout_seconds=1)
def yearly_report() -> str:
    """Add up a year of orders, which takes longer than a run should wait."""
    time.sleep(30)
    return "done"


@tool(idempotent=True)
def charge(context: ToolContext, amount_cents: Annotated[int, Field(gt=0)]) -> str:
    """Charge the customer's card.

    The payment service is given the idempotency key, so that a call which is run again after a crash charges
    only once.
    """
    return f"charged {amount_cents} under {context.idempotency_key} for {context.metadata['customer']}"
