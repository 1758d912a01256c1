"""How servers of the Assistants API differ in spelling one and the same request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from worker.providers.profile import ProfileConnection

QueryPairs: TypeAlias = tuple[tuple[str, str], ...]
"""Query parameters in the order in which they are sent; a name can repeat."""


class Dialect(Protocol):
    """Spell the headers and the query of a request; paths are the same everywhere, bodies but for one member."""

    resources_of_thread: bool
    """Tool resources belong to a thread; a run has none of its own."""

    def headers(self, connection: ProfileConnection) -> dict[str, str]:
        """Give the headers that let a request in."""

    def query(self, connection: ProfileConnection) -> Mapping[str, str]:
        """Give the query parameters of every request."""

    def include(self, names: Iterable[str]) -> QueryPairs:
        """Ask for additional members of run steps."""


class OpenAIDialect:
    """Speak as OpenAI's API does, and the self-hosted servers compatible with it."""

    resources_of_thread = True

    def headers(self, connection: ProfileConnection) -> dict[str, str]:
        """Give the key and the header that asks for version 2, as OpenAI's published client sends them."""
        headers = {"openai-beta": "assistants=v2", **key_header(connection)}
        if connection.organization is not None:
            headers["openai-organization"] = connection.organization
        if connection.project is not None:
            headers["openai-project"] = connection.project
        return headers

    def query(self, connection: ProfileConnection) -> Mapping[str, str]:
        """Give the profile's own."""
        return connection.extra_query

    def include(self, names: Iterable[str]) -> QueryPairs:
        """Repeat `include[]` for each name."""
        return tuple(("include[]", name) for name in names)


class AzureAgentsDialect:
    """Speak as Azure AI Foundry's agent service does (azure-ai-agents' published client)."""

    resources_of_thread = False

    def headers(self, connection: ProfileConnection) -> dict[str, str]:
        """Give the key, for a gateway that takes one; the service itself wants an Entra token."""
        return key_header(connection)

    def query(self, connection: ProfileConnection) -> Mapping[str, str]:
        """Name the API's version, `v1` unless the profile's query names another."""
        return {"api-version": AZURE_API_VERSION, **connection.extra_query}

    def include(self, names: Iterable[str]) -> QueryPairs:
        """Join all names by commas in one `include[]`."""
        joined = ",".join(names)
        return (("include[]", joined),) if joined else ()


AZURE_API_VERSION = "v1"
"""The generally available version; MCP tools and computer use want `2025-05-15-preview`."""

DIALECTS: Mapping[str, type[Dialect]] = {"openai": OpenAIDialect, "azure_agents": AzureAgentsDialect}
"""By the name that a profile gives."""


def key_header(connection: ProfileConnection) -> dict[str, str]:
    """Give the header that carries the profile's key, if it has one."""
    if connection.api_key is None:
        return {}
    key = connection.api_key.get_secret_value()
    bearer = connection.api_key_header == "authorization"
    return {connection.api_key_header: f"Bearer {key}" if bearer else key}
