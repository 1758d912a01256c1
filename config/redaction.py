"""Take secrets out of whatever is about to be logged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
"""What stands in place of a secret."""

MAX_DEPTH = 10
"""How deep nested values are followed; what lies deeper is left out."""

MIN_SECRET_LENGTH = 6
"""Configured secrets shorter than this are not searched for in texts; they would hit ordinary words."""

# `tokens` is a count of the model's; `token` is a secret.
_SECRET_KEY = re.compile(
    r"api[_-]?key|authorization|secret|passw(or)?d|passphrase|cookie|credential|private[_-]?key|token(?!s|_count)",
    re.IGNORECASE,
)
_SECRET_TEXTS = (
    # redis://user:password@host
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,256}:)[^\s@/]{1,512}(?=@)", re.IGNORECASE),
    # Authorization: Basic dXNlcjpwYXNz
    re.compile(r"(?P<keep>\bauthorization[\"']?\s*[:=]\s*[\"']?([a-z]+\s+)?)[^\s\"',;]{3,}", re.IGNORECASE),
    re.compile(r"(?P<keep>\bbearer\s+)[a-z0-9._~+/=-]{8,}", re.IGNORECASE),
    # The keys of OpenAI and of those who imitate it
    re.compile(r"(?P<keep>)\b(sk|pk|rk)-[A-Za-z0-9_-]{8,}"),
    # api-key: …, ?access_token=…, "client_secret": "…", and the signature of a shared-access URL
    re.compile(
        r"(?P<keep>(\b(api[_-]?key|(access_|refresh_|id_)?token|(client_)?secret|password|passwd)|[?&]sig)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;})\]]{6,}",
        re.IGNORECASE,
    ),
)


_REPLACEMENT = rf"\g<keep>{REDACTED}"
_SUSPICIOUS = re.compile(r"://|bearer|authorization|[spr]k-|api.?key|token|secret|passw|sig", re.IGNORECASE)
"""A quick look: a text without any of these needs none of the above."""

_SUSPICIOUS_PARTS = (
    "://", "bearer", "auth", "sk-", "pk-", "rk-", "api", "token", "secret", "pass", "sig", "cookie", "credential",
    "private",
)  # fmt: skip
"""A quicker one: a whole line without any of these, in small letters, needs none of the above for key or value."""


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


class Redactor:
    """Replace secrets in a log event; use it as the last processor before the renderer.

    A value is replaced whole where its key names a secret, and in part where its text looks like one or holds
    one of the configured secrets. Numbers are kept: `tokens=12` is no secret.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted(
            {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}, key=len, reverse=True
        )
        self._exact = tuple({form for secret in known for form in (secret, json.dumps(secret)[1:-1])})
        self._known = re.compile("|".join(re.escape(secret) for secret in known)) if known else None

    def __call__(self, logger: Any, method: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Clean one event, as structlog calls its processors."""
        return {str(key): self._member(str(key), value, 0) for key, value in event.items()}

    def clears(self, line: str) -> bool:
        """Tell that a JSON line holds nothing that would be replaced; cheaper than to look at each value."""
        # Beyond ASCII there are letters that count as those above where case is ignored.
        if not line.isascii() or any(map(line.__contains__, self._exact)):
            return False
        return not any(map(line.lower().__contains__, _SUSPICIOUS_PARTS))

    def text(self, text: str) -> str:
        """Replace what looks like a secret in a text."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        if _SUSPICIOUS.search(text):
            for pattern in _SECRET_TEXTS:
                text = pattern.sub(_REPLACEMENT, text)
        return text

    def _member(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        return REDACTED if _names_secret(key) else self._value(value, depth + 1)

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth > MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return {str(key): self._member(str(key), member, depth) for key, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(member, depth + 1) for member in value]
        return value.isoformat() if isinstance(value, date) else self.text(repr(value))
