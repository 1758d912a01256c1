"""The demo's runs: what each one asks, and what its record must be in the end.

The messages are scripts for the run server's little model (see `threadrun.testing.script`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadrun import Outcome, RunStatus

OK = ("ok", 1)
"""A call that gave its value at the first attempt."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Hold one run of the demo."""

    key: str
    """Its run key."""
    script: str
    """What the model is told to do."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else is enqueued."""
    outcome: Outcome = Outcome.COMPLETED
    """How it must end."""
    status: RunStatus | None = RunStatus.COMPLETED
    """The provider's last status; none: it was never created there."""
    calls: tuple[tuple[str, int], ...] = ()
    """Its tool calls in order: how each ends, and after how many attempts."""
    text: str = ""
    """A pattern for the whole text of its reply."""
    steps: int = 1
    """How many run steps there are."""
    http_status: int = 200
    """What the provider answered last."""
    code: str | None = None
    """`last_error.code`, or the reason why it is incomplete."""
    on_thread_of: str | None = None
    """It is enqueued, once this other run has ended, on the same thread."""
    prepared_thread: bool = False
    """Its thread was made before, with the script on it, and is run as it is."""
    cancel: bool = False
    """It is cancelled, as soon as the model works or it waits for its thread."""


def error_text(kind: str, message: str = ".*") -> str:
    """Give the pattern of the output that stands for a failed call."""
    return rf'\{{"error": \{{"kind": "{kind}", "message": "{message}".*\}}\}}'


CASES = (
    Case(key="no-tool", script="Good morning!", text="You said: Good morning!"),
    Case(
        key="one-tool",
        script='call weather {"city": "Oslo"}\nsay It is $1 in Oslo.',
        options={"tools": ["weather"]},
        calls=(OK,),
        text="It is -3 °C in Oslo.",
        steps=2,
    ),
    Case(
        key="three-in-parallel",
        script='call weather {"city": "Lima", "unit": "fahrenheit"} and weather {"city": "Pune"}'
        ' and exchange_rate {"currency": "PEN"}\nsay $1, $2, $3',
        options={"tools": ["weather", "exchange_rate"]},
        calls=(OK, OK, OK),
        text="66 °F, 31 °C, 4.1",
        steps=2,
    ),
    Case(
        key="two-rounds",
        script='call exchange_rate {"currency": "NOK"}\nthen call book_courier {"parcels": [{"order": "A-18", '
        '"weight_kg": 2.5}, {"order": "A-19", "weight_kg": 1, "fragile": true}], '
        '"to": {"city": "Oslo", "country": "NO"}}\nsay $1',
        options={"tools": ["exchange_rate", "book_courier"]},
        calls=(OK, OK),
        text=re.escape('{"booking":"NO-2","weight_kg":3.5}'),
        steps=3,
    ),
    Case(
        key="idempotent-tool",
        script='call charge {"amount_cents": 990}\nsay $1',
        options={"tools": ["charge"], "metadata": {"customer": "ada"}},
        calls=(OK,),
        text="charged 990 under idempotent-tool:1:0 for ada",
        steps=2,
    ),
    Case(
        key="retried-tool",
        script='call track {"order": "A-17"}\nsay $1',
        options={"tools": ["track"]},
        calls=(("ok", 2),),
        text="A-17 is shipped",
        steps=2,
    ),
    Case(
        key="failing-tool",
        script='call cancel_order {"order": "A-17"}\nsay $1',
        options={"tools": ["cancel_order"]},
        calls=(("tool_error", 1),),
        text=error_text("tool_error", "Order A-17 has left the house; offer a return instead."),
        steps=2,
    ),
    Case(
        key="tool-with-a-bug",
        script='call stock {"article": "lamp"}\nsay $1',
        options={"tools": ["stock"]},
        calls=(("exception", 1),),
        text=error_text("exception", "The tool failed; reference [0-9a-f]{8}"),
        steps=2,
    ),
    Case(
        key="invalid-arguments",
        script='call weather {"town": 5} and weather "{broken"\nsay $1',
        options={"tools": ["weather"]},
        calls=(("invalid_arguments", 1), ("invalid_arguments", 1)),
        text=error_text("invalid_arguments"),
        steps=2,
    ),
    Case(
        key="tool-not-offered",
        script='call weather {"city": "Oslo"}\nsay $1',
        options={"tools": ["exchange_rate"]},
        calls=(("missing_tool", 0),),
        text=error_text("missing_tool"),
        steps=2,
    ),
    Case(
        key="tool-times-out",
        script="call yearly_report\nsay $1",
        options={"tools": ["yearly_report"]},
        calls=(("timeout", 1),),
        text=error_text("timeout", "The tool did not finish within its time limit."),
        steps=2,
    ),
    Case(
        key="cancelled",
        script="think 60\nsay never",
        outcome=Outcome.CANCELLED,
        status=RunStatus.CANCELLED,
        steps=0,
        cancel=True,
    ),
    Case(
        key="cancelled-too-late",
        script="ignore cancel; think 2; say done anyway",
        text="done anyway",
        cancel=True,
    ),
    Case(
        key="deadline-passed",
        script="think 60\nsay never",
        options={"deadline_seconds": 2},
        outcome=Outcome.TIMED_OUT,
        status=RunStatus.CANCELLED,
        steps=0,
    ),
    Case(
        key="expired",
        script="say half a thought\nend expired",
        outcome=Outcome.EXPIRED,
        status=RunStatus.EXPIRED,
        text="half a thought",
    ),
    Case(
        key="incomplete",
        script="say as far as it\nend incomplete max_completion_tokens",
        outcome=Outcome.INCOMPLETE,
        status=RunStatus.INCOMPLETE,
        text="as far as it",
        code="max_completion_tokens",
    ),
    Case(
        key="failed",
        script="end failed rate_limit_exceeded Try again in 60 seconds.",
        outcome=Outcome.FAILED,
        status=RunStatus.FAILED,
        steps=0,
        code="rate_limit_exceeded",
    ),
    Case(
        key="rejected",
        script="say never",
        options={"assistant_id": "asst_nobody"},
        outcome=Outcome.REJECTED,
        status=None,
        steps=0,
        http_status=404,
    ),
    Case(key="thread-as-it-is", script="say found it", text="found it", prepared_thread=True),
    Case(key="same-thread-first", script="think 1; say first", text="first", on_thread_of="no-tool"),
    Case(key="same-thread-second", script="say second", text="second", on_thread_of="no-tool"),
    Case(
        key="cancelled-waiting",
        script="say never",
        outcome=Outcome.CANCELLED,
        status=None,
        steps=0,
        on_thread_of="no-tool",
        cancel=True,
    ),
)
"""Every run of the demo, in the order they are enqueued."""
