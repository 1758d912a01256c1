"""What a row shows, and what it demands of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Size: TypeAlias = Literal["small", "full"]
"""Small for `make test`, full for `make chaos`."""

Value: TypeAlias = int | float | str


@dataclass(slots=True)
class Figures:
    """Collect a row's figures; a demand that is not met fails the row."""

    load: str
    """What was carried."""
    nemesis: str
    """What was done to it."""
    shown: dict[str, Value] = field(default_factory=dict)
    """The figures, by name, in the order of their showing."""
    failures: list[str] = field(default_factory=list)
    """What was demanded and not met."""

    @property
    def passed(self) -> bool:
        """Tell whether every demand was met."""
        return not self.failures

    def show(self, name: str, value: Value) -> None:
        """Show a figure."""
        self.shown[name] = round(value, 3) if isinstance(value, float) else value

    def demand(
        self,
        name: str,
        value: float,
        *,
        exactly: float | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Show a figure and demand a value of it."""
        self.show(name, value)
        if exactly is not None and value != exactly:
            self.fail(f"{name} is {value:g}, not {exactly:g}")
        if at_least is not None and value < at_least:
            self.fail(f"{name} is {value:g}, less than {at_least:g}")
        if at_most is not None and value > at_most:
            self.fail(f"{name} is {value:g}, more than {at_most:g}")

    def fail(self, reason: str) -> None:
        """Fail the row for a reason that is no number."""
        self.failures.append(reason)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of the values does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
