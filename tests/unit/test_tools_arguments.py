"""What of the model's arguments reaches a handler, and what the model is told of the rest."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from threadrun.testing.tool_calls import call_tool
from threadrun.tools import ToolResultKind, tool
from threadrun.tools.arguments import MAX_ARGUMENTS_BYTES, MAX_ARGUMENTS_DEPTH


class Unit(Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Level(IntEnum):
    LOW = 1


class Place(BaseModel):
    name: str
    zip_code: int

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == "crash":
            raise RuntimeError("validator broke")
        if name.startswith("unknown"):
            raise ValueError(f"no place {name}")
        return name


entered: list[dict[str, Any]] = []


@pytest.fixture
def recorder():
    entered.clear()

    @tool
    def record(
        city: Annotated[str, Field(min_length=1, max_length=20)],
        days: int = 1,
        *,
        unit: Unit = Unit.CELSIUS,
        mood: Literal["good", "bad"] | None = None,
        place: Place | None = None,
        factor: float = 1.0,
        anything: Any = None,
        items: list[dict[str, int]] = [],  # noqa: B006 - users write it so
    ) -> str:
        entered.append(dict(locals()))
        return "entered"

    return record.tool


def problems_told(result) -> list[dict[str, str]]:
    assert result.kind is ToolResultKind.INVALID_ARGUMENTS
    error = json.loads(result.output)["error"]
    assert error["kind"] == "invalid_arguments"
    assert entered == []
    return error["problems"]


def test_valid_arguments_reach_the_handler_with_defaults_filled_in(recorder):
    assert call_tool(recorder, '{"city": "Lima", "unit": "kelvin"}').output == "entered"
    assert entered[0]["city"] == "Lima"
    assert entered[0]["days"] == 1
    assert entered[0]["unit"] is Unit.KELVIN


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('{"city": "Lima", "days": "5"}', "days"),
        ('{"city": "Lima", "days": 5.0}', "days"),
        ('{"city": "Lima", "days": true}', "days"),
        ('{"city": "Lima", "days": null}', "days"),
        ('{"city": 5}', "city"),
        ('{"city": ""}', "city"),
        ("{}", "city"),
        ('{"city": "Lima", "unit": "CELSIUS"}', "unit"),
        ('{"city": "Lima", "mood": "odd"}', "mood"),
        ('{"city": "Lima", "place": {"name": "x", "zip_code": "1"}}', "place.zip_code"),
        ('{"city": "Lima", "items": [{"a": 1}, {"b": "2"}]}', "items.1.b"),
        ('{"city": "Lima", "factor": "1"}', "factor"),
        ('{"city": "Lima", "factor": 1e999}', "factor"),
        ('{"city": "Lima", "surprise": 1}', "surprise"),
    ],
)
def test_an_argument_that_does_not_fit_is_told_with_its_path(recorder, arguments, path):
    assert [problem["path"] for problem in problems_told(call_tool(recorder, arguments))] == [path]


def test_all_problems_are_told_and_kept(recorder):
    result = call_tool(recorder, '{"days": "x", "mood": "odd"}')
    assert [problem["path"] for problem in problems_told(result)] == ["city", "days", "mood"]
    assert "city: is required" in result.error
    assert result.reference is None


@pytest.mark.parametrize(
    "arguments",
    [
        "{", "nonsense", "[]", "null", "5", '"text"', '{"city": "Lima"} x', "{'city': 'Lima'}",
        '{"city": "Lima", "anything": NaN}', '{"city": "Lima", "anything": -Infinity}',
        '{"city": "\ud800"}', '{"city": "\\ud800"}', '{"city": "\x00"}', "\ufeff{}",
        '{"city": "Lima", "days": 1' + "0" * 5000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_told_and_not_run(recorder, arguments):
    assert problems_told(call_tool(recorder, arguments))


def test_the_words_nan_and_infinity_are_fine_inside_strings(recorder):
    assert call_tool(recorder, '{"city": "NaN Infinity"}').output == "entered"


@pytest.mark.parametrize("arguments", ["", "  \n"])
def test_an_empty_string_counts_as_an_empty_object(arguments):
    @tool
    def ping(times: int = 1) -> str:
        return "pong" * times

    assert call_tool(ping, arguments).output == "pong"


def test_json_forms_of_python_types_are_understood():
    seen = {}

    @tool
    def take(
        day: date,
        moment: datetime,
        span: timedelta,
        price: Decimal,
        ident: UUID,
        pair: tuple[int, str],
        unique: set[int],
        level: Level,
        ratio: float,
        raw: bytes,
    ) -> None:
        seen.update(locals())

    result = call_tool(
        take,
        '{"day": "2026-01-02", "moment": "2026-01-02T03:04:05Z", "span": "PT1H", "price": "1.10",'
        ' "ident": "12345678-1234-5678-1234-567812345678", "pair": [1, "a"], "unique": [1, 1],'
        ' "level": 1, "ratio": 2, "raw": "abc"}',
    )
    assert result.kind is ToolResultKind.OK, result.error
    assert seen["day"] == date(2026, 1, 2)
    assert seen["moment"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert seen["span"] == timedelta(hours=1)
    assert seen["price"] == Decimal("1.10")
    assert seen["ident"] == UUID("12345678-1234-5678-1234-567812345678")
    assert seen["pair"] == (1, "a")
    assert seen["unique"] == {1}
    assert seen["level"] is Level.LOW
    assert seen["ratio"] == 2.0
    assert seen["raw"] == b"abc"


def test_each_call_gets_its_own_copy_of_a_mutable_default():
    @tool
    def collect(items: list[int] = []) -> list[int]:  # noqa: B006 - users write it so
        items.append(1)
        return items

    assert [call_tool(collect).output, call_tool(collect).output] == ["[1]", "[1]"]


def test_a_big_input_is_never_echoed(recorder):
    secret = "s3cret" * 1000
    texts = [
        json.dumps({"city": secret}),
        json.dumps({"city": "Lima", secret: 1}),
        json.dumps({"city": "Lima", "items": [{secret: "x"}]}),
        json.dumps({"city": "Lima", "place": {"name": "unknown" + secret, "zip_code": 1}}),
        secret,
    ]
    for text in texts:
        result = call_tool(recorder, text)
        assert problems_told(result)
        assert len(result.output) < 1000
        assert len(result.error) < 1000


def test_the_number_of_problems_told_is_bounded(recorder):
    few = call_tool(recorder, json.dumps({"city": "Lima", "items": [1] * 50}))
    assert len(problems_told(few)) == 21
    assert problems_told(few)[-1]["message"] == "and 30 problems more"
    many = call_tool(recorder, json.dumps({"city": "Lima", "items": [1] * 5000}))
    assert problems_told(many) == [{"path": "", "message": "5000 values do not fit the schema"}]


def test_arguments_longer_than_a_mebibyte_are_refused_before_parsing(recorder):
    filler = "x" * (MAX_ARGUMENTS_BYTES - len('{"city":""}'))
    at_limit, over = f'{{"city":"{filler}"}}', f'{{"city":"{filler}y"}}'
    assert problems_told(call_tool(recorder, at_limit))[0]["path"] == "city"
    assert "longer than 1048576 bytes" in problems_told(call_tool(recorder, over))[0]["message"]
    wide = "é" * (MAX_ARGUMENTS_BYTES // 2 + 1)
    assert "longer than" in problems_told(call_tool(recorder, wide))[0]["message"]


def nested(depth: int) -> str:
    return '{"city":"Lima","anything":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def test_arguments_nested_deeper_than_the_limit_are_refused_before_parsing(recorder):
    assert call_tool(recorder, nested(MAX_ARGUMENTS_DEPTH)).output == "entered"
    entered.clear()
    told = problems_told(call_tool(recorder, nested(MAX_ARGUMENTS_DEPTH + 1)))
    assert told == [{"path": "", "message": "the arguments are nested deeper than 64 levels"}]


def test_brackets_inside_strings_and_side_by_side_do_not_count_as_depth(recorder):
    text = json.dumps({"city": "Lima", "anything": [["[{" * 100, '\\"[', [1]]] * 100})
    assert call_tool(recorder, text).output == "entered"


@pytest.mark.parametrize("filler", ['"', '\\"', "[", "]", "{", '"[', '["', "\\"])
def test_hostile_arguments_are_refused_in_one_pass(recorder, filler):
    assert problems_told(call_tool(recorder, "[" * 60 + filler * (MAX_ARGUMENTS_BYTES // 2 // len(filler))))


def test_a_validator_of_the_users_that_breaks_is_masked(recorder):
    result = call_tool(recorder, '{"city": "Lima", "place": {"name": "crash", "zip_code": 1}}')
    assert result.kind is ToolResultKind.EXCEPTION
    assert "validator broke" in result.error
    assert "validator broke" not in result.output
    assert entered == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=25),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
likely_objects = st.fixed_dictionaries(
    {},
    optional={
        "city": st.text(max_size=25) | json_values,
        "days": st.integers() | json_values,
        "unit": st.sampled_from(["celsius", "kelvin", "x"]) | json_values,
        "mood": st.sampled_from(["good", "bad", None]) | json_values,
        "place": st.fixed_dictionaries({"name": st.text(), "zip_code": st.integers()}) | json_values,
        "factor": st.floats() | json_values,
        "items": st.lists(st.dictionaries(st.text(), st.integers())) | json_values,
        "anything": json_values,
    },
)
argument_texts = (
    st.text()
    | st.text(alphabet='{}[]":,\\ntruefalsN1e9-.')
    | json_values.map(json.dumps)
    | likely_objects.map(json.dumps)
    | st.tuples(likely_objects.map(json.dumps), st.integers(0, 60)).map(lambda pair: pair[0][: pair[1]])
)


def assert_valid(values: dict[str, Any]) -> None:
    assert type(values["city"]) is str
    assert 1 <= len(values["city"]) <= 20
    assert type(values["days"]) is int
    assert isinstance(values["unit"], Unit)
    assert values["mood"] in ("good", "bad", None)
    assert values["place"] is None or type(values["place"].zip_code) is int
    assert type(values["factor"]) is float
    assert abs(values["factor"]) < float("inf")
    assert all(type(number) is int for item in values["items"] for number in item.values())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=argument_texts)
@example(text='{"city":"Lima"}')
@example(text='{"city":"Lima","anything":NaN}')
def test_whatever_a_model_writes_never_raises_and_enters_only_with_valid_values(recorder, text):
    entered.clear()
    result = call_tool(recorder, text)
    if result.kind is ToolResultKind.OK:
        assert len(entered) == 1
        assert_valid(entered[0])
    else:
        assert result.kind is ToolResultKind.INVALID_ARGUMENTS
        assert entered == []
        assert json.loads(result.output)["error"]["problems"]
