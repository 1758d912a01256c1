"""Find the runs that Celery's messages and results name, where the broker is this Redis."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

OUR_TASKS = frozenset({"runs.enqueue", "tools.execute"})
"""Our tasks whose messages name a run; all others carry a profile at most."""


def named_in_message(text: str) -> Iterator[str]:
    """Give the run keys that a queued message, one in a worker's hands, or a stored result names."""
    try:
        value = json.loads(text)
    except ValueError:
        return
    if isinstance(value, list) and value:  # in hand: message, exchange, routing key
        value = value[0]
    if not isinstance(value, dict):
        return
    if "body" in value:
        yield from _in_body(value)
    elif "status" in value:
        yield from _in_result(value.get("result"))


def is_ours(text: str) -> bool:
    """Tell whether a queued message is of a task of ours that names a run."""
    return _task(json.loads(text)) in OUR_TASKS


def _task(message: Any) -> str:
    try:
        return str(message["headers"]["task"])
    except (LookupError, TypeError):
        return ""


def _in_body(message: dict[str, Any]) -> Iterator[str]:
    try:
        body = message["body"]
        if message["properties"]["body_encoding"] == "base64":
            body = base64.b64decode(body)
        args, kwargs, *_ = json.loads(body)
        if _task(message) in OUR_TASKS:
            yield _key_of(args[0] if args else kwargs["request"])
        yield str(kwargs.get("run_key"))  # as the caller's on_done task gets it
    except (ValueError, TypeError, AttributeError, LookupError):
        return  # somebody else's


def _key_of(argument: Any) -> str:
    return str(argument["idempotency_key"] if isinstance(argument, dict) else argument)


def _in_result(result: Any) -> Iterator[str]:
    if isinstance(result, str):
        yield result
    elif isinstance(result, dict):  # a refusal, which quotes the key
        for text in result.get("exc_message", ()) or ():
            yield from str(text).split("'")[1::2]
