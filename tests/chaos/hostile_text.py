"""Draw texts that a model could send as arguments: from right ones to bombs."""

from __future__ import annotations

import json
import random
from typing import Any

HOSTILE_IDS = (
    "", ".", "..", "a/b", "../a", "a\\b", "a%2fb", "a?b", "a#b", "a b", "a\nb", "a\rb", "a\0b", "a\x1b[2J", "a\x9bm",
    "<script>", "a&b", "a'b", 'a"b', "a;b", "a,b", "ünï", "\u202ea", "\u2028",
    "\ufeffa", "{a}", "a*", "$(a)", "x" * 257, "x" * 100_000,
)  # fmt: skip
"""Ids that no server makes."""

NAMES = (
    "a",
    "b",
    "city",
    "unit",
    "items",
    "when",
    "point",
    "flag",
    "ratio",
    "note",
    "from",
    "x" * 300,
    "",
    "__class__",
)

_NUMBERS = (
    "0", "-0", "1", "-1", "3.5", "1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity", "9" * 5_000, "01", "1.",
    "0x10", "1_000", "9007199254740993", str(2**63), str(-(2**70)), "1" + "0" * 400 + ".5", "true1",
)  # fmt: skip
_STRINGS = (
    '""', '"Oslo"', '"c"', '"f"', '"2026-01-31"', '"2026-13-45"', '"5"', '"true"', '"\\ud800"', '"\\udc00\\ud800"',
    '"\\u0000"', '"\x00"', '"<script>alert(1)</script>"', '"{{7*7}}"', '"\'; DROP TABLE"', '"\u202e"', '"\x1b[2J"',
    '"\\x41"', '"unclosed', '"' + "é" * 2_000 + '"', '"../../etc/passwd"',
)  # fmt: skip
_OTHERS = ("null", "true", "false", "None", "undefined", "[]", "{}", "[1,2", '{"a"', "", "/*c*/1", "1,")

_RIGHT: tuple[dict[str, Any], ...] = (
    {"a": 1, "b": 2}, {"city": "Oslo", "unit": "c"}, {"items": [1, 2, 3]}, {"point": {"x": 1, "y": 2.5}},
    {"when": "2026-01-31", "flag": True, "ratio": 0.5}, {},
)  # fmt: skip

_RARE = 200


def arguments(draw: random.Random) -> str:
    """Draw the text of one call's arguments."""
    if draw.randrange(_RARE) == 0:
        return draw.choice(_BOMBS)
    match draw.randrange(7):
        case 0:
            return json.dumps(draw.choice(_RIGHT), indent=draw.choice([None, 1]))
        case 1:
            return _damaged(json.dumps(draw.choice(_RIGHT)), draw)
        case 2:
            right = {name: json.dumps(value) for name, value in draw.choice(_RIGHT).items()}
            return _object([*right.items(), (draw.choice(NAMES), _value(draw, 2))], draw)
        case 3:
            return _object([(draw.choice(NAMES), _value(draw, 3)) for _ in range(draw.randrange(6))], draw)
        case 4 | 5:
            right = {name: json.dumps(value) for name, value in draw.choice(_RIGHT[:-1]).items()}
            right[draw.choice(list(right))] = _value(draw, 1)
            return _object([*right.items()], draw)
    return _value(draw, 3)


def _object(members: list[tuple[str, str]], draw: random.Random) -> str:
    twice = members[:1] if members and draw.randrange(3) == 0 else []
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in [*members, *twice]) + "}"


def _value(draw: random.Random, depth: int) -> str:
    kind = draw.randrange(7)
    if kind == 0 and depth:
        return "[" + ",".join(_value(draw, depth - 1) for _ in range(draw.randrange(4))) + "]"
    if kind == 1 and depth:
        return _object(
            [(draw.choice(NAMES), _value(draw, depth - 1)) for _ in range(draw.randrange(3))], draw
        )
    return draw.choice((_NUMBERS, _STRINGS, _OTHERS)[kind % 3])


def _damaged(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    wrong = draw.choice(["", "\ud800", "\x00", "\ufeff", "}", "[", '"', "\\", "\u202e", " " * 1_000, text])
    return text[:at] + wrong + text[at + draw.randrange(2) :]


_BOMBS = (
    "[" * 200_000, "[" * 63 + "]" * 63, '{"a":' * 100_000 + "1" + "}" * 100_000, '{"a":' + "9" * 200_000 + "}",
    '{"items":[' + "1," * 100_000 + "1]}", '{"city":"' + "x" * 1_100_000 + '"}',
    '{"items":[' + '"x",' * 50_000 + '"x"]}',
    " " * 2_000_000, "\ud800" * 1_000, '{"a":1e' + "9" * 1_000 + "}", "\\" * 500_000, '"' * 300_000,
    "{" + ",".join(f'"k{n}":{n}' for n in range(20_000)) + "}", '"' + "\\u0000" * 100_000 + '"',
)  # fmt: skip
"""Texts of the size at which something that is not bounded would show."""
