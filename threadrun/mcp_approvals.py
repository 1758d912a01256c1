"""Who approves the tools of MCP servers that Azure's agent service asks about (`submit_tool_approval`).

A policy maps a server's label, or `label/tool`, or `*` for all others, to a word: `always` approves, `never` denies,
and any other word is the name of a registered tool, an *approver*: it is run with `server_label`, `tool` and
`arguments` (JSON text), and approves by returning true. The most exact entry decides; one word is meant for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

ALWAYS = "always"
"""Approve."""
NEVER = "never"
"""Deny."""

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _of_one_word(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("{"):
        return {"*": value}
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError(
            'is not valid JSON; write a word, or {"label/tool": "always", "*": "never"}'
        ) from None


def _of_words(policy: dict[str, str]) -> dict[str, str]:
    for place, word in policy.items():
        if not _WORD.fullmatch(word):
            raise ValueError(f"{place}: write always, never, or the name of a tool that approves")
    return policy


McpApprovals = Annotated[dict[str, str], BeforeValidator(_of_one_word), AfterValidator(_of_words)]
"""A policy, as a word or as a mapping."""


def verdict(policies: tuple[Mapping[str, str], ...], server_label: str, tool: str) -> str:
    """Give the word that decides about one call.

    Args:
        policies: The run's own, if it has one, before the profile's.
        server_label: The MCP server's label.
        tool: The tool's name there.
    """
    for policy in policies:
        for place in (f"{server_label}/{tool}", server_label, "*"):
            if place in policy:
                return policy[place]
    return NEVER


def approvers(policies: tuple[Mapping[str, str], ...]) -> frozenset[str]:
    """Name the tools that the policies may ask."""
    return frozenset(word for policy in policies for word in policy.values()) - {ALWAYS, NEVER}
