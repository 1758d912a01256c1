"""What the model is told of a tool: name, description, JSON schema."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from threadrun.tools import ToolContext, tool


class Unit(Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    """A place on earth."""

    title: str
    country: str = "PE"


class Box(TypedDict):
    width: int


@dataclasses.dataclass
class Point:
    x: int


def test_a_bare_decorated_function_becomes_the_wire_form():
    @tool
    def weather(city: str, days: int = 1) -> str:
        """Tell the weather."""
        return city * days

    assert weather.tool.definition == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


def test_a_function_without_parameters_has_an_empty_object_schema():
    @tool
    async def ping() -> str:
        return "pong"

    assert ping.tool.parameters == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
    assert "description" not in ping.tool.definition["function"]


def test_options_override_what_the_function_says():
    @tool(name="get-weather_2", description="Other words.")
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    assert weather.tool.definition["function"]["name"] == "get-weather_2"
    assert weather.tool.definition["function"]["description"] == "Other words."


def test_the_catalogue_entry_holds_definition_and_options_as_json():
    @tool(
        timeout_seconds=5, idempotent=True, on_unknown="park", retries=2, queue="slow", max_output_bytes=1000
    )
    def weather(city: str) -> str:
        return city

    entry = weather.tool.catalogue_entry()
    assert entry == {
        "name": "weather",
        "definition": weather.tool.definition,
        "queue": "slow",
        "timeout_seconds": 5,
        "idempotent": True,
        "on_unknown": "park",
        "retries": 2,
        "max_output_bytes": 1000,
    }
    assert json.loads(json.dumps(entry)) == entry


def test_the_defaults_of_the_options_are_those_documented():
    @tool
    def weather(city: str) -> str:
        return city

    entry = weather.tool.catalogue_entry()
    del entry["definition"], entry["name"]
    assert entry == {
        "queue": "tools",
        "timeout_seconds": 60.0,
        "idempotent": False,
        "on_unknown": "tell",
        "retries": 0,
        "max_output_bytes": 524_288,
    }


def test_changing_a_definition_that_was_given_out_does_not_change_the_tool():
    @tool
    def weather(city: str) -> str:
        return city

    weather.tool.definition["function"]["parameters"]["properties"].clear()
    assert "city" in weather.tool.definition["function"]["parameters"]["properties"]


def test_the_decorated_function_stays_the_plain_function():
    @tool
    def double(number: int) -> int:
        return number * 2

    assert double(21) == 42
    assert double("ab") == "abab", "no validation on a direct call"
    assert double.__name__ == "double"


async def test_a_decorated_async_function_can_still_be_awaited():
    @tool
    async def double(number: int) -> int:
        return number * 2

    assert await double(21) == 42


def test_every_kind_of_annotation_is_described_without_titles():
    @tool
    def plan(
        unit: Unit,
        place: Place,
        mood: Literal["good", "bad"],
        count: Annotated[int, Field(ge=1, le=9, description="How many.")],
        *,
        when: date,
        price: Decimal,
        ident: UUID,
        pair: tuple[int, str],
        point: Point,
        box: Box,
        note: Optional[str] = None,  # noqa: UP045 - users write it so
        tags: list[str] = [],  # noqa: B006 - users write it so
    ) -> None: ...

    schema = plan.tool.parameters
    properties = schema["properties"]
    assert set(schema) == {"type", "properties", "required", "additionalProperties", "$defs"}
    assert '"title": "' not in json.dumps(schema)
    assert schema["$defs"]["Place"]["properties"]["title"] == {"type": "string"}, (
        "a property called title stays"
    )
    assert schema["$defs"]["Unit"]["enum"] == ["celsius", "kelvin"]
    assert properties["place"] == {"$ref": "#/$defs/Place"}
    assert properties["mood"]["enum"] == ["good", "bad"]
    assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."}
    assert properties["when"]["format"] == "date"
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert schema["required"] == [
        "unit", "place", "mood", "count", "when", "price", "ident", "pair", "point", "box",
    ]  # fmt: skip


def test_parameters_may_have_names_that_pydantic_models_reserve():
    @tool
    def odd(json: str, schema: int, model_config: bool, _private: str, p1: int = 0) -> list[Any]:
        return [json, schema, model_config, _private, p1]

    assert list(odd.tool.parameters["properties"]) == ["json", "schema", "model_config", "_private", "p1"]
    assert odd.tool.parse_arguments('{"json":"a","schema":1,"model_config":true,"_private":"b","p1":7}') == {
        "json": "a",
        "schema": 1,
        "model_config": True,
        "_private": "b",
        "p1": 7,
    }


def test_a_default_that_json_cannot_say_leaves_the_parameter_optional():
    @tool
    def read(encoding: Any = object()) -> str:  # noqa: B008 - the point of the test
        return ""

    assert read.tool.parameters["properties"]["encoding"] == {}
    assert read.tool.parameters["required"] == []


def test_a_default_value_that_has_a_title_keeps_it():
    @tool
    def print_page(options: dict[str, str] = {"title": "Untitled"}) -> str:  # noqa: B006 - users write it so
        return ""

    assert print_page.tool.parameters["properties"]["options"]["default"] == {"title": "Untitled"}


def test_the_context_parameter_is_hidden_from_the_model():
    @tool
    def weather(ctx: ToolContext, city: str) -> str:
        """Tell the weather.

        Args:
            ctx: never shown.
            city: where.
        """
        return city

    assert list(weather.tool.parameters["properties"]) == ["city"]
    assert "never shown" not in json.dumps(weather.tool.definition)


def google(city: str, days: int = 1) -> str:
    """Tell the weather.

    Of any place on earth.

    Args:
        city: Where to look,
            in English.
        days: How many days.

    Returns:
        A sentence.

    Raises:
        ToolError: when it rains.
    """
    return city * days


def numpy(city: str, days: int = 1) -> str:
    """Tell the weather.

    Of any place on earth.

    Parameters
    ----------
    city : str
        Where to look,
        in English.
    days : int, optional
        How many days.

    Returns
    -------
    str
        A sentence.
    """
    return city * days


def rest(city: str, days: int = 1) -> str:
    """Tell the weather.

    Of any place on earth.

    :param city: Where to look,
        in English.
    :param days: How many days.
    :returns: A sentence.
    """
    return city * days


@pytest.mark.parametrize("function", [google, numpy, rest])
def test_descriptions_come_from_the_docstring_in_three_styles(function):
    made = tool(function).tool
    assert made.description == "Tell the weather.\n\nOf any place on earth."
    assert made.parameters["properties"]["city"]["description"] == "Where to look, in English."
    assert made.parameters["properties"]["days"]["description"] == "How many days."


def test_an_explicit_field_description_wins_over_the_docstring():
    @tool
    def weather(
        city: Annotated[str, Field(description="Field says.")],
        country: str = Field("PE", description="Default says."),
        place: Place | None = None,
    ) -> str:
        """Tell the weather.

        Args:
            city: docstring says.
            country: docstring says.
            place: docstring says.
        """
        return city

    properties = weather.tool.parameters["properties"]
    assert properties["city"]["description"] == "Field says."
    assert properties["country"] == {"type": "string", "default": "PE", "description": "Default says."}
    assert properties["place"]["description"] == "docstring says."


def test_a_nested_parameter_is_described_beside_its_reference():
    @tool
    def visit(place: Place) -> str:
        """Visit.

        Args:
            place: Where to go.
        """
        return place.title

    assert visit.tool.parameters["properties"]["place"] == {
        "$ref": "#/$defs/Place",
        "description": "Where to go.",
    }
    assert visit.tool.parameters["$defs"]["Place"]["description"] == "A place on earth."


def test_a_docstring_in_no_style_is_told_whole():
    @tool
    def weather(city: str) -> str:
        """Tell the weather: sunny, rainy.

        Args: none of your business
        """
        return city

    assert weather.tool.description.startswith("Tell the weather: sunny, rainy.")


def test_a_docstring_that_the_parser_cannot_read_is_told_whole():
    @tool
    def odd(city: str) -> str:
        """Tell the weather.

        :    :
        """
        return city

    assert odd.tool.description == "Tell the weather.\n\n:    :"


def test_an_alias_gives_a_parameter_a_name_that_python_reserves():
    @tool
    def route(from_: Annotated[str, Field(alias="from")], to: str = Field("Lima", alias="class")) -> str:
        return from_ + to

    assert list(route.tool.parameters["properties"]) == ["from", "class"]
    assert route.tool.parse_arguments('{"from": "a", "class": "b"}') == {"from_": "a", "to": "b"}


def test_a_dataclass_argument_may_have_fields_of_any_name():
    @dataclasses.dataclass
    class Vector:
        p0: int
        p1: int

    @tool
    def length(vector: Vector) -> int:
        return vector.p0 + vector.p1

    assert length.tool.parse_arguments('{"vector": {"p0": 1, "p1": 2}}') == {"vector": Vector(1, 2)}
