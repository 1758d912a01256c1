"""Spoil a sound answer, or put a wrong one in its place, as a rule says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from threadrun.testing.answer import Answer, Delivery
from threadrun.testing.error_answers import rate_limited, server_error, web_page
from threadrun.testing.fault_kinds import Fault
from threadrun.testing.fault_rule import FaultRule
from threadrun.testing.wrong_bodies import behind_blanks, with_wrong_objects


def spoil(answer: Answer, rule: FaultRule) -> Answer:
    """Give the answer that a client gets instead; the same one where the fault does not apply to it."""
    spoiler = _SPOILERS.get(rule.fault)
    return answer if spoiler is None else spoiler(answer, rule)


def _no_answer(answer: Answer, rule: FaultRule) -> Answer:
    delivery = Delivery.NONE if rule.fault is Fault.CONNECTION_CLOSED else Delivery.SILENT
    return replace(answer, status=0, delivery=delivery)


def _cut(answer: Answer, _rule: FaultRule) -> Answer:
    return replace(answer, delivery=Delivery.CUT)


def _drip(answer: Answer, rule: FaultRule) -> Answer:
    return replace(answer, delivery=Delivery.DRIP, bytes_per_second=rule.bytes_per_second)


def _endless(answer: Answer, rule: FaultRule) -> Answer:
    return replace(answer, delivery=Delivery.ENDLESS, max_bytes=rule.size)


def _truncated(answer: Answer, _rule: FaultRule) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _wrong_json(answer: Answer, _rule: FaultRule) -> Answer:
    return replace(answer, body=b"[]")


def _bomb(answer: Answer, rule: FaultRule) -> Answer:
    return replace(answer, body=behind_blanks(answer.body, rule.size), content_encoding=b"gzip")


def _big_headers(answer: Answer, rule: FaultRule) -> Answer:
    return replace(answer, headers=[*answer.headers, (b"x-large", b"x" * rule.size)])


def _wrong_objects(answer: Answer, rule: FaultRule) -> Answer:
    return with_wrong_objects(answer, rule.fault)


_SPOILERS: dict[Fault, Callable[[Answer, FaultRule], Answer]] = {
    Fault.CONNECTION_CLOSED: _no_answer,
    Fault.SILENCE: _no_answer,
    Fault.RATE_LIMITED: rate_limited,
    Fault.SERVER_ERROR: server_error,
    Fault.HTML: web_page,
    Fault.CUT_BODY: _cut,
    Fault.TRUNCATED_JSON: _truncated,
    Fault.WRONG_JSON: _wrong_json,
    Fault.WRONG_TYPES: _wrong_objects,
    Fault.WRONG_ID: _wrong_objects,
    Fault.METADATA_NOT_ECHOED: _wrong_objects,
    Fault.UNKNOWN_STATUS: _wrong_objects,
    Fault.GZIP_BOMB: _bomb,
    Fault.ENDLESS_BODY: _endless,
    Fault.DRIP: _drip,
    Fault.BIG_HEADERS: _big_headers,
}
"""Faults of an answer; those that are not here are faults of what the server knows."""
