"""The errors of a faulty server and of what stands before it: 429 in its many forms, 5xx, web pages."""

from __future__ import annotations

import time
from dataclasses import replace
from email.utils import formatdate

from pydantic_core import to_json

from threadrun.testing.answer import Answer
from threadrun.testing.fault_kinds import RetryAfter
from threadrun.testing.fault_rule import FaultRule
from threadrun.testing.objects import JsonObject

_SLOW_DOWN = "You've exceeded the rate limit, please slow down and try again later."
_SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"


def rate_limited(answer: Answer, rule: FaultRule) -> Answer:
    """Answer 429; the hint when to come again in the rule's form."""
    error = _error(_SLOW_DOWN, "invalid_request_error", "rate_limit_exceeded")
    if rule.retry_after is RetryAfter.TEXT:
        # As Azure's gateway was recorded: no header, and the code is the status.
        error = {"error": {"code": "429", "message": f"Try again in {rule.seconds:g} seconds."}}
    return replace(answer, status=429, body=to_json(error), headers=answer.headers + _hint(rule))


def server_error(answer: Answer, rule: FaultRule) -> Answer:
    """Answer 503, or the rule's status, in OpenAI's words."""
    return replace(answer, status=rule.status or 503, body=to_json(_error(_SERVER_ERROR, "server_error")))


def web_page(answer: Answer, rule: FaultRule) -> Answer:
    """Answer with a web page, as gateways and sign-in portals do."""
    status = rule.status or 200
    title = f"{status} Bad Gateway" if status >= 400 else "Sign in"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return replace(answer, status=status, body=page.encode(), content_type=b"text/html; charset=utf-8")


def _error(message: str, kind: str, code: str | None = None) -> JsonObject:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _hint(rule: FaultRule) -> list[tuple[bytes, bytes]]:
    seconds, milliseconds = b"%g" % rule.seconds, b"%d" % round(rule.seconds * 1000)
    match rule.retry_after:
        case RetryAfter.SECONDS:
            return [(b"retry-after", seconds)]
        case RetryAfter.HTTP_DATE:
            return [(b"retry-after", formatdate(time.time() + rule.seconds, usegmt=True).encode())]
        case RetryAfter.RETRY_AFTER_MS:
            return [(b"retry-after-ms", milliseconds)]
        case RetryAfter.X_MS_RETRY_AFTER_MS:
            return [(b"x-ms-retry-after-ms", milliseconds)]
        case RetryAfter.TEXT | RetryAfter.NONE:
            return []
