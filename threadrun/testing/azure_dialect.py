"""How Azure AI Foundry's agent service speaks, as its recorded replies and its published client show."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from threadrun.testing import shapes
from threadrun.testing.dialect import Dialect
from threadrun.testing.objects import JsonObject, Run
from threadrun.testing.refusals import (
    RefusedError,
    foreign_header,
    missing_api_version,
    repeated_include,
    unauthorized,
    unsupported_api_version,
)

API_VERSIONS = frozenset({"v1", "2025-05-01", "2025-05-15-preview"})
"""The versions of azure-ai-agents 1.1 and 1.2."""


class AzureAgentsDialect(Dialect):
    """Speak as a Foundry project's endpoint: Entra bearer, api-version, no queue, MCP approvals."""

    name = "azure_agents"
    prefix = "/api/projects/demo"
    queues = False
    life_seconds = 1_800.0
    approval_life_seconds = 36_000.0
    run_body = staticmethod(shapes.AZURE_RUN)
    assistant_body = staticmethod(shapes.AZURE_ASSISTANT)

    def authorize(self, headers: Mapping[bytes, bytes], query: str, api_key: str | None) -> None:
        """Check the headers and the query of a request.

        Raises:
            RefusedError: the token, the version or the form of the query is missing or wrong.
        """
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip() or b"api-key" in headers:
            raise unauthorized()
        if api_key is not None and not hmac.compare_digest(token.strip(), api_key.encode()):
            raise unauthorized()
        if b"openai-beta" in headers:
            raise foreign_header("OpenAI-Beta")
        names = parse_qsl(query)
        versions = [value for name, value in names if name == "api-version"]
        if not versions:
            raise missing_api_version()
        if versions[0] not in API_VERSIONS:
            raise unsupported_api_version()
        if sum(name == "include[]" for name, _ in names) > 1:
            raise repeated_include()

    def error(self, refusal: RefusedError) -> JsonObject:
        """Render a refusal; the code is text or a status as text."""
        return {"error": {"code": refusal.code or "invalid_request_error", "message": refusal.message}}

    def run(self, run: Run) -> JsonObject:
        """Render a run; recorded runs have no `reasoning_effort`."""
        body = super().run(run)
        del body["reasoning_effort"]
        return body


DIALECTS: Mapping[str, type[Dialect]] = {"openai": Dialect, "azure_agents": AzureAgentsDialect}
"""By the name that a profile gives."""
