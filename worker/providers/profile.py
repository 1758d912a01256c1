"""How to reach one configured provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from worker.transport import DEFAULT_MAX_REPLY_BYTES


@dataclass(frozen=True, slots=True)
class ProfileConnection:
    """Hold what a provider needs of a profile, already validated by the settings."""

    name: str
    """The profile's name."""
    base_url: str
    """The URL to which `/threads/…` is appended."""
    api_key: SecretStr | None = None
    """The key; none: no key is sent."""
    api_key_header: Literal["authorization", "api-key"] = "authorization"
    """Where the key goes: `Authorization: Bearer …`, or `api-key: …`."""
    organization: str | None = None
    """Sent as `OpenAI-Organization`."""
    project: str | None = None
    """Sent as `OpenAI-Project`."""
    extra_query: Mapping[str, str] = field(default_factory=dict)
    """Query parameters of every request, such as `api-version`."""
    request_deadline_seconds: float = 15.0
    """How long one request may take, in all."""
    max_connections: int = 20
    """How many connections the pool holds at most."""
    max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES
    """The longest reply, decoded, that is read."""
