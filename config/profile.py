"""A profile: one provider, named and configured; requests name it and never carry a URL or a key."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from threadrun.mcp_approvals import NEVER, McpApprovals

PROFILE_NAME = re.compile(r"[a-z0-9_-]{1,64}")
"""Which profile names are accepted; a request's `profile` follows the same rule."""

SECTION = ConfigDict(
    extra="forbid",
    frozen=True,
    hide_input_in_errors=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
)
"""The model configuration of every part of the settings; input is hidden because it may be a secret."""

Seconds = Annotated[float, Field(gt=0, le=30 * 86_400)]
"""A length of time."""


def _header_text(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces; it is sent as an HTTP header")
    return value


def _header_secret(value: SecretStr) -> SecretStr:
    # A newline at the end is what a secret read from a file brings along.
    return SecretStr(_header_text(value.get_secret_value().strip()))


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port  # parsed on access
    except ValueError:
        raise ValueError("is not a URL; write it as https://host/v1") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL with a host, such as https://api.openai.com/v1")
    if "@" in parts.netloc:
        raise ValueError("must not carry a login; put the key into the profile's API_KEY")
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or fragment; put query parameters into the profile's QUERY")
    return value.rstrip("/")


def _query(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('is not valid JSON; write {"name": "value"} or name=value&name=value') from None
    pairs = parse_qsl(value, keep_blank_values=True)
    if not pairs:
        raise ValueError("must be name=value&name=value, or a JSON object of strings")
    return dict(pairs)


HeaderText = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_header_text)]
HeaderSecret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_header_secret)]


class PollSettings(BaseModel):
    """Say how often a run that is well is looked at."""

    model_config = SECTION

    policy: Literal["gentle", "fixed"] = "gentle"
    """gentle: the interval grows with the run's age; fixed: it does not."""
    first_seconds: Seconds = 1.2
    """gentle: how long after a run has begun to work, or has got its tools' outputs, it is first looked at."""
    shortest_seconds: Seconds = 0.7
    """gentle: the shortest interval after that; where the first is shorter, that one."""
    share: float = Field(default=0.1, gt=0, le=1)
    """gentle: the interval as a share of the run's age, so that an end is seen late by no more than that."""
    cap_seconds: Seconds = 5.0
    """gentle: the longest interval."""
    fixed_seconds: Seconds = 1.0
    """fixed: the interval."""
    jitter: float = Field(default=0.1, ge=0, lt=1)
    """How far, as a share of the interval, a look is moved at random, so that runs do not march in step."""


class Profile(BaseModel):
    """Hold one provider: where it is, how to enter, and what it may cost."""

    model_config = SECTION

    base_url: Annotated[str, AfterValidator(_base_url)]
    """The URL to which `/threads/…` is appended, such as https://api.openai.com/v1."""
    dialect: Literal["openai", "azure_agents"] = "openai"
    """Which spelling of the Assistants API the server speaks; `azure_agents`: a Foundry project's endpoint."""
    credential: Literal["api_key", "entra"] = "api_key"
    """What lets a request in: the key, or a Microsoft Entra token, got and renewed by azure-identity."""
    entra_scope: Annotated[str, Field(min_length=1, max_length=256)] = "https://ai.azure.com/.default"
    """What an Entra token is asked for."""
    api_key: HeaderSecret | None = None
    """The key; none: no key is sent."""
    api_key_header: Literal["authorization", "api-key"] = "authorization"
    """Where the key goes: `Authorization: Bearer …`, or `api-key: …` (Azure)."""
    organization: HeaderText | None = None
    """Sent as `OpenAI-Organization`."""
    project: HeaderText | None = None
    """Sent as `OpenAI-Project`."""
    query: Annotated[dict[str, str], BeforeValidator(_query)] = Field(default_factory=dict)
    """Query parameters of every request: `api-version=2025-05-01`, or a JSON object of strings."""
    metadata_echoed: bool = True
    """Whether the server gives a run's metadata back. If not, a create whose outcome is unknown is never sent twice."""
    max_requests: int = Field(default=20, ge=1, le=200)
    """How many requests of one worker process may be under way, and so how many connections it holds."""
    gets_per_second: float | None = Field(default=None, ge=0.1, le=10_000)
    """How many GETs a second all workers may send together; none: as many as there are."""
    posts_per_second: float | None = Field(default=None, ge=0.1, le=10_000)
    """The same for POSTs, which most providers count apart."""
    burst: int = Field(default=10, ge=1, le=1000)
    """How many requests may go at once after a lull, where a rate is set."""
    breaker_failures: int = Field(default=10, ge=1, le=1000)
    """After how many 5xx, lost or refused connections and timeouts in a row all workers leave the provider alone."""
    request_deadline_seconds: Seconds = 15.0
    """How long one request may take from its first byte sent to its last byte read."""
    max_reply_bytes: int = Field(default=8 * 1024 * 1024, ge=64 * 1024, le=256 * 1024 * 1024)
    """The longest reply, after decompression, that is read."""
    expiry_margin_seconds: Seconds = 15.0
    """How long before a run expires at the provider its unfinished tool calls get an error output."""
    mcp_approvals: McpApprovals = Field(default_factory=lambda: {"*": NEVER})
    """Who approves MCP tools: `always`, `never`, a tool that approves, or JSON of labels and `label/tool` to these."""
    poll: PollSettings = Field(default_factory=PollSettings)
    """How often a run is looked at."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.credential == "entra" and self.api_key is not None:
            raise ValueError("has an API_KEY, but its CREDENTIAL is entra; give one of them")
        return self
