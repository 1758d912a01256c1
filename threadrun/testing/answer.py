"""What goes back over HTTP, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

JSON_TYPE = b"application/json"


class Delivery(StrEnum):
    """Say how an answer is sent."""

    WHOLE = "whole"
    """As a server does."""
    NONE = "none"
    """Not at all: the connection is closed."""
    SILENT = "silent"
    """Not at all, and the connection stays open."""
    CUT = "cut"
    """Half of the body, then the connection is closed."""
    DRIP = "drip"
    """The body, slowly."""
    ENDLESS = "endless"
    """Blanks until the client has gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Carry an answer."""

    status: int
    """The HTTP status; 0: none is sent."""
    body: bytes
    """JSON, mostly."""
    headers: list[tuple[bytes, bytes]]
    """Header fields, without those that tell of the body."""
    content_type: bytes = JSON_TYPE
    """What the body is."""
    content_encoding: bytes | None = None
    """How it is compressed."""
    delivery: Delivery = Delivery.WHOLE
    """How it is sent."""
    bytes_per_second: float = 0.0
    """How fast it drips."""
    max_bytes: int = 0
    """When an endless body ends after all."""

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Give the header fields, those that tell of the body first."""
        about: list[tuple[bytes, bytes]] = [(b"content-type", self.content_type)]
        if self.delivery is not Delivery.ENDLESS:
            about.append((b"content-length", b"%d" % len(self.body)))
        if self.content_encoding is not None:
            about.append((b"content-encoding", self.content_encoding))
        return about + self.headers
