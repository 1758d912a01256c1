"""The URLs of a provider, built from ids that strangers chose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from worker.providers.dialects import QueryPairs

MAX_ID_CHARACTERS = 512
"""No known server's id is a tenth as long."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,512}")


class UnusableIdError(ValueError):
    """Report an id that cannot stand in a URL's path; its text does not repeat the id."""


class Urls:
    """Build the URLs below one base URL."""

    def __init__(self, base_url: str, extra_query: Mapping[str, str]) -> None:
        self._base_url = base_url.rstrip("/")
        self._extra_query = tuple(extra_query.items())
        self._plain_suffix = _suffix(self._extra_query)

    def of(self, path: tuple[str, ...], query: QueryPairs = ()) -> str:
        """Join path segments, each encoded as a whole, and the query.

        Raises:
            UnusableIdError: a segment is empty, too long, only dots, or holds control characters.
        """
        suffix = _suffix(self._extra_query + query) if query else self._plain_suffix
        return "/".join((self._base_url, *map(_segment, path))) + suffix


def _suffix(query: QueryPairs) -> str:
    return f"?{urlencode(query)}" if query else ""


def _segment(text: str) -> str:
    if _PLAIN_ID.fullmatch(text):
        return text
    if not is_usable_id(text):
        raise UnusableIdError(
            "an id that is empty, too long, or of unprintable characters cannot be asked for"
        )
    return quote(text, safe="")


def is_usable_id(text: str) -> bool:
    """Tell whether a URL's path can carry an id, whatever else it looks like."""
    # URL parsers resolve "." and ".." even when they are percent-encoded.
    return 0 < len(text) <= MAX_ID_CHARACTERS and text.isprintable() and text.strip(".") != ""
