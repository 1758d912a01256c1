"""Name what an exception from the HTTP stack means for the request: never sent, or unknown."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from worker.transport.body import UnreadableBodyError
from worker.transport.connection import Attempt
from worker.transport.outcome import Answered, Broken, Fault, NeverSent, Outcome, Unsent

_MAX_DETAIL_CHARACTERS = 200


def outcome_of(error: BaseException, attempt: Attempt, *, timed_out: bool) -> Outcome:
    """Turn a failure into an outcome.

    Whether the request can have been sent is read off the attempt alone, never guessed from the exception.
    """
    if attempt.head is not None:
        return _broken_body(attempt.head, error, timed_out=timed_out)
    if not attempt.connected:
        why = Unsent.CONNECT_TIMEOUT if timed_out else _why_unsent(error)
        return NeverSent(why, _detail(why, error))
    fault = Fault.TIMEOUT if timed_out else _fault(error)
    return Broken(fault, _detail(fault, error))


def _broken_body(head: Answered, cause: BaseException, *, timed_out: bool) -> Answered:
    if isinstance(cause, UnreadableBodyError):
        return replace(head, fault=cause.fault)
    return replace(head, fault=Fault.TIMEOUT if timed_out else Fault.CONNECTION_LOST)


def _why_unsent(cause: BaseException) -> Unsent:
    match cause:
        case aiohttp.ClientSSLError():
            return Unsent.TLS
        case aiohttp.ClientConnectorDNSError():
            return Unsent.UNKNOWN_HOST
        case aiohttp.ClientConnectorError() if isinstance(cause.os_error, ConnectionRefusedError):
            return Unsent.REFUSED
        case aiohttp.ServerTimeoutError():
            return Unsent.CONNECT_TIMEOUT
        case OSError() | aiohttp.ClientConnectionError():
            return Unsent.UNREACHABLE
    return Unsent.NOT_POSSIBLE


def _fault(cause: BaseException) -> Fault:
    match cause:
        case aiohttp.ClientConnectionError() | OSError() | asyncio.CancelledError():
            return Fault.CONNECTION_LOST
    return Fault.BAD_RESPONSE


def _detail(word: str, cause: BaseException) -> str:
    # Only what the operating system or OpenSSL said is repeated: the HTTP stack's own texts quote
    # URLs and pieces of the answer.
    if isinstance(cause, aiohttp.ClientConnectorError):
        return f"{word}: {cause.os_error}"[:_MAX_DETAIL_CHARACTERS]
    return f"{word}: {type(cause).__name__}"[:_MAX_DETAIL_CHARACTERS]
