"""How servers of the Assistants API differ in spelling one and the same request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from worker.providers.profile import ProfileConnection

QueryPairs: TypeAlias = tuple[tuple[str, str], ...]
"""Query parameters in the order in which they are sent; a name can repeat."""


class Dialect(Protocol):
    """Spell the headers and the query of a request; paths and bodies are the same everywhere."""

    def headers(self, connection: ProfileConnection) -> dict[str, str]:
        """Give the headers that let a request in."""

    def include(self, names: Iterable[str]) -> QueryPairs:
        """Ask for additional members of run steps."""


class OpenAIDialect:
    """Speak as OpenAI's API does, and the self-hosted servers compatible with it."""

    def headers(self, connection: ProfileConnection) -> dict[str, str]:
        """Give the key and the header that asks for version 2, as OpenAI's published client sends them."""
        headers = {"openai-beta": "assistants=v2"}
        if connection.api_key is not None:
            key = connection.api_key.get_secret_value()
            bearer = connection.api_key_header == "authorization"
            headers[connection.api_key_header] = f"Bearer {key}" if bearer else key
        if connection.organization is not None:
            headers["openai-organization"] = connection.organization
        if connection.project is not None:
            headers["openai-project"] = connection.project
        return headers

    def include(self, names: Iterable[str]) -> QueryPairs:
        """Repeat `include[]` for each name."""
        return tuple(("include[]", name) for name in names)
