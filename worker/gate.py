"""Judge a message before Celery makes anything of it: whoever can write to the broker can write nonsense too.

A message of ours says *look again* or names one call, and a caller's brings one request. Whatever else Celery's
protocol can say (later, until, then, with a shorter limit) is refused: a forged message can at worst cause a look.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from threadrun.request import RUN_KEY_PATTERN

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A caller's request with the wire's longest texts is about 1 MB."""

MAX_HEADER_CHARACTERS = 2048
"""Longer values of headers are left out; Celery's short forms of arguments have half of it."""

TOLD = frozenset({"too_large", "time", "time_limit", "callbacks", "arguments"})
"""The refusals that a caller who waits for its run key is told."""

ENQUEUE, EXECUTE = "runs.enqueue", "tools.execute"

_PROFILE = re.compile(r"[a-z0-9_-]{1,64}")
_TASK_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_OUR_ID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
_IDS = ("root_id", "parent_id", "group")
_THEN = ("callbacks", "errbacks", "chain", "chord")
_STEERING = frozenset(
    {"eta", "expires", "timelimit", "shadow", "stamps", "stamped_headers", "replaced_task_nesting", "retries"}
    | {"argsrepr", "kwargsrepr"}
)
"""Headers by which a message steers Celery, or says what Flower is to show of it; they are judged and left out."""


def refusal(message: Any, tasks: Collection[str]) -> str:
    """Say in a word why a message is not served; empty: it is what it should be.

    Args:
        message: As the broker's library has received it; it is decoded here.
        tasks: The names of this worker's tasks.
    """
    headers = message.headers
    if message.errors or not isinstance(headers, dict) or not isinstance(headers.get("task"), str):
        return "unreadable"
    if headers["task"] not in tasks:
        return "unknown_task"
    if len(message.body or b"") > MAX_BODY_BYTES:
        return "too_large"
    return _header_refusal(headers) or _body_refusal(headers["task"], message)


def kept_headers(headers: dict[str, Any], task: str) -> dict[str, Any]:
    """Leave out what steers Celery and what is not plain; the hard limit of a handler stays."""
    kept = {name: value for name, value in headers.items() if name not in _STEERING and _is_plain(value)}
    if task == EXECUTE:
        kept["timelimit"] = headers.get("timelimit") or (None, None)
    if task != ENQUEUE:
        kept["ignore_result"] = True
    return kept


def _header_refusal(headers: dict[str, Any]) -> str:
    # Ids are shown in log and Flower: those that a caller may choose are its own affair, ours are uuids.
    form = _TASK_ID if headers["task"] == ENQUEUE else _OUR_ID
    ids = [headers.get("id"), *filter(None, map(headers.get, _IDS))]
    if not all(isinstance(one, str) and form.fullmatch(one) for one in ids):
        return "id"
    if headers.get("eta") is not None or headers.get("expires") is not None:
        return "time"
    hard, soft = _limits(headers.get("timelimit"))
    if soft is not None or (hard is not None and headers["task"] != EXECUTE):
        return "time_limit"
    return "" if hard is None or (_is_number(hard) and hard > 0) else "time_limit"


def _limits(limits: Any) -> tuple[Any, Any]:
    if not limits:
        return None, None
    return tuple(limits) if isinstance(limits, list | tuple) and len(limits) == 2 else (0, 0)


def _body_refusal(task: str, message: Any) -> str:
    try:
        payload = message.payload
    except Exception:  # whatever a decoder raises
        return "unreadable"
    if not isinstance(payload, list | tuple) or len(payload) != 3:
        return "protocol"
    args, kwargs, embed = payload
    if embed and (not isinstance(embed, dict) or set(embed) - set(_THEN) or any(embed.values())):
        return "callbacks"
    fits = isinstance(args, list) and isinstance(kwargs, dict) and _fits(task, args, kwargs)
    return "" if fits else "arguments"


def _fits(task: str, args: list[Any], kwargs: dict[str, Any]) -> bool:
    match args, kwargs:
        case [dict()], {} if task == ENQUEUE and not kwargs:
            return True
        case [], {"request": dict()} if task == ENQUEUE and len(kwargs) == 1:
            return True
        case [str() as run_key, int() as round_, int() as index], {} if task == EXECUTE and not kwargs:
            return _is_call(run_key, round_, index)
        case [str() as profile], {} if task not in {ENQUEUE, EXECUTE} and not kwargs:
            return _PROFILE.fullmatch(profile) is not None
    return False


def _is_call(run_key: str, round_: int, index: int) -> bool:
    plain = not isinstance(round_, bool) and not isinstance(index, bool)
    return (
        plain and RUN_KEY_PATTERN.fullmatch(run_key) is not None and 0 < round_ < 10**6 and 0 <= index < 10**6
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_HEADER_CHARACTERS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float) or _is_text(value)
