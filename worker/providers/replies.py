"""Turn what became of a request into the engine's three answers: yes, no, unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, assert_never

from pydantic import SecretStr

from threadrun.records import ProviderAnswer
from worker.providers.base import No, Refusal, Reply, Unknown, Yes
from worker.providers.error_bodies import ErrorFields, read_error
from worker.providers.ids import is_plain_id
from worker.providers.refusals import refusal_of
from worker.providers.retry_hints import poll_after_seconds, retry_after_seconds
from worker.transport import Answered, Broken, NeverSent, Outcome

T = TypeVar("T")

MAX_HEADER_CHARACTERS = 200
"""Longer header values are cut."""

MAX_KEPT_HEADERS = 40
"""No more headers than this are kept of an answer."""

_KEPT_HEADERS = frozenset(
    {
        "apim-request-id",
        "content-type",
        "date",
        "openai-poll-after-ms",
        "openai-processing-ms",
        "openai-version",
        "x-ms-retry-after-ms",
        "x-request-id",
    }
)
_KEPT_PREFIXES = ("retry-after", "x-ratelimit-")


class Replies:
    """Read the outcomes of one profile's requests; the profile's key never comes through."""

    def __init__(self, api_key: SecretStr | None) -> None:
        self._secret = api_key.get_secret_value() if api_key else ""

    def read(self, outcome: Outcome, parse: Callable[[bytes], T], bearer: str = "") -> Reply[T]:
        """Answer for one request; `parse` reads the body of a 2xx and raises ValueError when it cannot.

        `bearer` is the token that the request carried beside or in place of the profile's key.
        """
        match outcome:
            case NeverSent():
                return No(Refusal.NEVER_SENT, ProviderAnswer(reason=outcome.detail))
            case Broken():
                return Unknown(outcome.fault, ProviderAnswer(reason=outcome.detail))
            case Answered() if 200 <= outcome.status < 300:
                return self._accepted(outcome, parse)
            case Answered():
                return self._not_accepted(outcome, bearer)
        assert_never(outcome)

    def _accepted(self, answered: Answered, parse: Callable[[bytes], T]) -> Reply[T]:
        answer = self._answer(answered)
        if answered.fault is not None:
            return Unknown(answered.fault, answer)
        try:
            value = parse(answered.body)
        except ValueError:
            return Unknown("bad_body", answer)
        return Yes(value, answer, poll_after_seconds(answered.headers))

    def _not_accepted(self, answered: Answered, bearer: str) -> No | Unknown:
        error = self._error(answered.body, bearer)
        message = (error or {}).get("message") or ""
        answer = self._answer(answered, error)
        retry_after = retry_after_seconds(answered.headers, message)
        unknown = _unknown(answered.status)
        if unknown is not None:
            return Unknown(unknown, answer, retry_after)
        refusal, blocking_run_id = refusal_of(answered.status, message)
        known = blocking_run_id if blocking_run_id and is_plain_id(blocking_run_id) else None
        return No(refusal, answer, retry_after, known)

    def _error(self, body: bytes, bearer: str) -> ErrorFields | None:
        error = read_error(body)
        for secret in filter(None, (self._secret, bearer)):
            error = error and {name: value and value.replace(secret, "***") for name, value in error.items()}
        return error

    def _answer(self, answered: Answered, error: ErrorFields | None = None) -> ProviderAnswer:
        return ProviderAnswer(answered.status, answered.reason, kept_headers(answered.headers), error)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep request ids, rate limits and retry hints: never a cookie, never what could carry a secret."""
    kept = [name for name in headers if name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)]
    return {name: headers[name][:MAX_HEADER_CHARACTERS] for name in kept[:MAX_KEPT_HEADERS]}


def _unknown(status: int) -> str | None:
    """Name why an answer leaves open whether the request had its effect; None: it had none."""
    match status:
        case 408:
            return "timeout"
        case 409:
            return "conflict"
        case _ if 300 <= status < 400:
            return "redirect"
        case _ if status >= 500:
            return "server_error"
        case _ if status < 200:
            return "bad_response"
    return None
