"""What became of one HTTP request: answered, never sent, or broken off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Fault(StrEnum):
    """Name why an answer, or its body, cannot be read; the words are those of `Unknown.reason`."""

    TIMEOUT = "timeout"
    """The request's total deadline passed."""
    CONNECTION_LOST = "connection_lost"
    """The connection ended before the answer did."""
    BAD_RESPONSE = "bad_response"
    """What came is not HTTP: a wrong status line, a broken or oversized header."""
    BAD_BODY = "bad_body"
    """The body cannot be decoded, or is JSON that nests too deeply or has too many parts to be parsed."""
    TOO_LARGE = "too_large"
    """The decoded body exceeds the limit; reading was stopped there."""


class Unsent(StrEnum):
    """Name why no connection was to be had."""

    REFUSED = "refused"
    """Nothing listens there."""
    UNKNOWN_HOST = "unknown_host"
    """The host name cannot be resolved."""
    TLS = "tls"
    """The TLS handshake failed or the certificate was not accepted."""
    CONNECT_TIMEOUT = "connect_timeout"
    """No connection in time: the host is silent, or all connections of the pool stayed in use."""
    UNREACHABLE = "unreachable"
    """Any other failure of the network on the way there."""
    NOT_POSSIBLE = "not_possible"
    """The transport is closed, or the request cannot be written."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Carry an answer whose status line and headers arrived whole."""

    status: int
    """The status code."""
    reason: str
    """The reason phrase, without what cannot be printed."""
    headers: Mapping[str, str]
    """Lower-case names; repeated headers joined by a comma."""
    body: bytes
    """The decoded body; empty when `fault` says that it could not be read."""
    fault: Fault | None = None
    """Why the body could not be read."""


@dataclass(frozen=True, slots=True)
class NeverSent:
    """Say that not one byte of the request can have reached the server."""

    why: Unsent
    """One word."""
    detail: str
    """One line for an operator; holds no URL, header or body."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Say that the request may have had its effect, and that no answer came."""

    fault: Fault
    """One word."""
    detail: str
    """One line for an operator; holds no URL, header or body."""


Outcome: TypeAlias = Answered | NeverSent | Broken
