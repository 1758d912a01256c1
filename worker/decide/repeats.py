"""Count how often a run asks for the very same call: a model that goes in circles would never end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping

from threadrun.models import RequiredToolCall

_CANONICAL_UP_TO_CHARACTERS = 16 * 1024
"""Longer arguments are compared as they stand: parsing them would cost more than a circle."""


def same_call(call: RequiredToolCall) -> str:
    """Give one name to a tool with arguments that mean the same, in whatever order and spacing."""
    said = json.dumps([call.name, _canonical(call.arguments)])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _canonical(arguments: str) -> str:
    if len(arguments) > _CANONICAL_UP_TO_CHARACTERS:
        return arguments
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):  # no JSON, a number without end, or a nest without end
        return arguments.strip()


def asked_again(before: Mapping[str, int], calls: Iterable[RequiredToolCall]) -> dict[str, int]:
    """Add the calls of a new round to the counts of the rounds before it."""
    return dict(Counter(before) + Counter(map(same_call, calls)))
