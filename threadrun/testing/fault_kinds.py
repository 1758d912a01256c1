"""The faults that a run server can be told to have, and what each can be combined with."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Name what a run server does wrong.

    A fault `before` the effect prevents it; one `after` it lets it happen and spoils the answer alone.
    """

    CONNECTION_CLOSED = "connection_closed"
    """Close the connection without an answer, before or after: after, the answer is lost."""
    SILENCE = "silence"
    """Never answer and keep the connection open, before or after."""
    RATE_LIMITED = "rate_limited"
    """429, before; `retry_after` chooses the form of the hint, `seconds` its value."""
    SERVER_ERROR = "server_error"
    """An error of 500 and above with OpenAI's body, before or after; `status` chooses it."""
    HTML = "html"
    """A web page, before or after; `status` is 200 or an error, as proxies on the way send it."""
    CUT_BODY = "cut_body"
    """Close the connection in the middle of the body."""
    TRUNCATED_JSON = "truncated_json"
    """Send half of the JSON as if it were all."""
    WRONG_JSON = "wrong_json"
    """Send an empty array where an object belongs."""
    WRONG_TYPES = "wrong_types"
    """Send the object with every member of another type."""
    WRONG_ID = "wrong_id"
    """Send the object, or those of a list, under another id."""
    METADATA_NOT_ECHOED = "metadata_not_echoed"
    """Send the object, or those of a list, with empty metadata."""
    UNKNOWN_STATUS = "unknown_status"
    """Send the run, or the runs or steps of a list, with a status that no schema knows."""
    STALE_READ = "stale_read"
    """Show everything as it was `seconds` ago, as a replica that lags does; what is younger is not found."""
    STALE_REQUIRED_ACTION = "stale_required_action"
    """Show a run as it was before it left `requires_action`, until that is `seconds` ago."""
    REGRESSION = "regression"
    """Go on with a cancelled run `seconds` after its end, as one self-hosted server was seen to do: cancelled,
    then requires_action, then completed."""
    GZIP_BOMB = "gzip_bomb"
    """Send the answer, compressed, behind `size_bytes` of blanks (64 MiB): valid JSON, if one can hold it."""
    ENDLESS_BODY = "endless_body"
    """Send blanks without an end, as fast as they are taken; after `size_bytes` (1 GiB) it is over anyway."""
    DRIP = "drip"
    """Send the answer at `bytes_per_second`."""
    BIG_HEADERS = "big_headers"
    """Send the answer with a header field of `size_bytes` (64 KiB)."""


class Moment(StrEnum):
    """Say on which side of its effect a request meets its fault."""

    BEFORE = "before"
    """The request has no effect."""
    AFTER = "after"
    """It has its effect."""


class RetryAfter(StrEnum):
    """Name the forms in which servers say when to come again."""

    SECONDS = "seconds"
    """`Retry-After: 2`."""
    HTTP_DATE = "http_date"
    """`Retry-After: Fri, 20 Nov 2026 14:00:00 GMT`."""
    RETRY_AFTER_MS = "retry_after_ms"
    """`retry-after-ms: 2000`."""
    X_MS_RETRY_AFTER_MS = "x_ms_retry_after_ms"
    """`x-ms-retry-after-ms: 2000`."""
    TEXT = "text"
    """The body alone: `Try again in 2 seconds.`, as Azure's gateway was recorded."""
    NONE = "none"
    """Not at all."""


OPERATIONS = {
    "create_thread": "create_thread",
    "create_run": "create_run",
    "read_run": "get_run",
    "list_runs": "list_runs",
    "submit_tool_outputs": "submit",
    "cancel_run": "cancel",
    "list_steps": "steps",
    "list_messages": "messages",
    "create_thread_and_run": "create_thread_and_run",
    "create_message": "create_message",
}
"""The server's functions that can meet a fault, and what a rule calls them."""

OPERATION_NAMES = frozenset(OPERATIONS.values())
"""What a rule can name."""

EITHER_SIDE = frozenset({Fault.CONNECTION_CLOSED, Fault.SILENCE, Fault.SERVER_ERROR, Fault.HTML})
"""Faults that can come before the effect or after it; unless told, they come after."""

BEFORE_ONLY = frozenset({Fault.RATE_LIMITED})
"""Faults that always come before."""

READS_AND_LISTS = frozenset({"get_run", "list_runs", "steps", "messages"})

ONLY_ON = {
    Fault.STALE_READ: READS_AND_LISTS,
    Fault.STALE_REQUIRED_ACTION: frozenset({"get_run", "list_runs"}),
    Fault.REGRESSION: frozenset({"cancel"}),
    Fault.UNKNOWN_STATUS: OPERATION_NAMES - {"create_thread", "create_message", "messages"},
}
"""Faults that mean something on these operations alone."""

SHOWN_BY_THE_WORLD = frozenset({Fault.STALE_READ, Fault.STALE_REQUIRED_ACTION, Fault.REGRESSION})
"""Faults of what the server knows; their answers are sound."""
