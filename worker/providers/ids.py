"""Which ids of a provider's replies are read: they come to stand in paths, keys, logs and pages.

A caller's own thread id may look like anything (worker/providers/urls.py encodes it); an id that a server hands out
and that no server would make is a reason to believe nothing of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from threadrun.models import Page, Run

# No known server's id has other characters, or a fifth of the length.
_PLAIN_ID = re.compile(r"[A-Za-z0-9._~:@=+-]{1,256}")

MAX_CALL_ID_CHARACTERS = 512
"""A tool call's id only goes back where it came from, so it may hold anything, or be empty."""


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)


def is_plain_id(text: str) -> bool:
    """Tell whether a server's id is of the characters and the length that servers make ids of."""
    return _PLAIN_ID.fullmatch(text) is not None and text.strip(".") != ""


def read_run(body: bytes) -> Run:
    """Read a run whose ids can be used.

    Raises:
        ValueError: It is no run, or one of its ids is not to be touched.
    """
    run = Run.from_wire(body)
    if not is_plain_id(run.id):
        raise ValueError("no run with an id")
    if any(len(call.id) > MAX_CALL_ID_CHARACTERS for call in run.required_calls):
        raise ValueError("a tool call with an id that is too long")
    return run


def reading_page(read: Callable[[bytes], Page[T]]) -> Callable[[bytes], Page[T]]:
    """Read a page whose entries and cursor have ids that can be used."""

    def parse(body: bytes) -> Page[T]:
        page = read(body)
        ids = [entry.id for entry in page.data] + ([page.last_id] if page.last_id else [])
        if not all(map(is_plain_id, ids)):
            raise ValueError("a page with an id that cannot be used")
        return page

    return parse
