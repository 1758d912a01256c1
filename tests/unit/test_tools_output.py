"""How a handler's return value becomes text."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_serializer

from threadrun.tools.output import MIN_MAX_OUTPUT_BYTES, cut, serialise


class Place(BaseModel):
    name: str
    since: date

    @field_serializer("name")
    def _loud(self, name: str) -> str:
        return name.upper()


@dataclasses.dataclass
class Point:
    x: int


class Plain(Enum):
    A = "a"


class Text(StrEnum):
    A = "a"


class Mixed(str, Enum):  # noqa: UP042 - users still write it so
    A = "a"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ('{"already": "json"}', '{"already": "json"}'),
        (None, "null"),
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        ([1, "ä"], '[1,"ä"]'),
        ({"a": None}, '{"a":null}'),
        ((1, 2), "[1,2]"),
        ({3}, "[3]"),
        (date(2026, 1, 2), '"2026-01-02"'),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (Place(name="lima", since=date(1535, 1, 18)), '{"name":"LIMA","since":"1535-01-18"}'),
        ([Place(name="lima", since=date(1535, 1, 18))], '[{"name":"LIMA","since":"1535-01-18"}]'),
        (Point(1), '{"x":1}'),
        (Plain.A, '"a"'),
        (Text.A, "a"),
        (Mixed.A, "a"),
        (["NaN", "Infinity"], '["NaN","Infinity"]'),
        (10**400, "1" + "0" * 400),
    ],
)
def test_a_value_is_serialised_as_its_type_says(value, text):
    assert serialise(value) == text
    assert type(serialise(value)) is str


@pytest.mark.parametrize(
    "value", [float("nan"), {"a": float("-inf")}, Point(float("inf")), object(), range(3)]
)  # type: ignore[arg-type]
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError):
        serialise(value)


def test_a_cycle_is_refused():
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(ValueError):
        serialise(cycle)


@given(text=st.text(), spare=st.integers(0, 50), repeat=st.integers(1, 300))
def test_a_cut_text_fits_keeps_its_head_and_counts_right(text, spare, repeat):
    text *= repeat
    kept, cut_bytes = cut(text, MIN_MAX_OUTPUT_BYTES + spare)
    assert len(kept.encode()) <= MIN_MAX_OUTPUT_BYTES + spare
    if cut_bytes == 0:
        assert kept == text
    else:
        head, _, marker = kept.rpartition("\n")
        assert text.startswith(head)
        assert marker == f"[output truncated: {cut_bytes} bytes cut]"
        assert len(head.encode()) + cut_bytes == len(text.encode())
        assert len(kept.encode()) > MIN_MAX_OUTPUT_BYTES + spare - 6, "no more is cut than needed"


def test_a_text_of_exactly_the_limit_is_not_cut():
    assert cut("x" * 256, 256) == ("x" * 256, 0)
    assert cut("x" * 257, 256)[1] > 0
