"""The run server's little language: what a script says is what the model does."""

from __future__ import annotations

import pytest

from threadrun.status import RunStatus
from threadrun.testing.script import Call, End, Move, Say, Script, ToolRequest
from threadrun.testing.script_reader import fill, parse_script, read_script
from threadrun.testing.script_scanner import ScriptError


def test_a_whole_script_is_read_line_by_line() -> None:
    script = parse_script(
        """
        queue 0.3; cancel_takes 2
        think 0.2
        call get_weather {"city": "Oslo; Bergen", "days": [1, 2]}
        then call a {"n": 1} and b and a {}
        say $3 and $1, that is all
        end incomplete max_prompt_tokens
        """
    )

    assert script.queue_seconds == 0.3
    assert script.cancel_seconds == 2
    assert script.moves == (
        Move(Call((ToolRequest("get_weather", '{"city": "Oslo; Bergen", "days": [1, 2]}'),)), 0.2),
        Move(Call((ToolRequest("a", '{"n": 1}'), ToolRequest("b", "{}"), ToolRequest("a", "{}"))), None),
        Move(Say("$3 and $1, that is all"), None),
        Move(End(RunStatus.INCOMPLETE, "max_prompt_tokens"), 0.0),
    )


def test_the_model_thinks_by_default_only_when_it_picks_the_run_up() -> None:
    script = parse_script("say one; say two; call a; say $1")

    assert [move.think_seconds for move in script.moves] == [None, 0.0, 0.0, None, 0.0]


def test_thinking_adds_up_until_the_next_act() -> None:
    script = parse_script("think 1; think 0.5; call a; think 0; say done; think 3")

    assert [move.think_seconds for move in script.moves] == [1.5, 0.0, 3.0]


def test_a_script_that_does_not_end_completes() -> None:
    assert parse_script("say hello").moves[-1].act == End(RunStatus.COMPLETED)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("end completed", End(RunStatus.COMPLETED)),
        ("end expired", End(RunStatus.EXPIRED)),
        ("end failed", End(RunStatus.FAILED, "server_error", "The run failed.")),
        (
            "end failed rate_limit_exceeded Try again in 60 seconds.",
            End(RunStatus.FAILED, "rate_limit_exceeded", "Try again in 60 seconds."),
        ),
        ("end incomplete", End(RunStatus.INCOMPLETE, "max_completion_tokens")),
    ],
)
def test_every_end_can_be_told(text: str, end: End) -> None:
    assert parse_script(text).moves == (Move(end, None),)


def test_arguments_in_a_string_are_sent_as_they_are_even_if_broken() -> None:
    script = parse_script(r'call search "{\"query\": "')

    assert script.moves[0].act == Call((ToolRequest("search", '{"query": '),))


def test_a_quoted_text_may_hold_separators_and_newlines() -> None:
    script = parse_script(r'say "one; two\nthree"; end completed')

    assert script.moves[0].act == Say("one; two\nthree")


def test_a_late_cancel_can_be_told() -> None:
    assert parse_script("ignore cancel; think 5").ignores_cancel


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("think", "directive 1: a number of seconds is missing."),
        ("think soon", "directive 1: 'soon' is no number of seconds."),
        ("think -1", "directive 1: '-1' is no number of seconds."),
        ("think nan", "directive 1: 'nan' is no number of seconds."),
        ("think 1 2", "directive 1: '2' is too much after `think`."),
        ("say hi; dance", "directive 2: unknown word 'dance'"),
        ("then then call a", "directive 1: unknown word 'then'"),
        ("call", "directive 1: a tool's name is missing."),
        ("call a.b {}", "directive 1: 'a.b' is no tool name"),
        ("call a and", "directive 1: a tool's name is missing."),
        ('call a {"x": }', "directive 1: the arguments of a cannot be read as JSON"),
        ('call a {"x": NaN}', "directive 1: the arguments of a cannot be read as JSON"),
        ("say", "directive 1: `say` needs a text."),
        ('say "half', "directive 1: the text of `say` cannot be read as JSON"),
        (
            "call a; say it costs $2",
            "directive 2: $2 is no output of the last call (1); write $$ for a dollar.",
        ),
        ("end", "directive 1: how to end is missing."),
        ("end cancelled", "directive 1: 'cancelled' is no end"),
        ("end completed; say more", "directive 2: nothing may follow `end`."),
        ("ignore me", "directive 1: only `ignore cancel` is known."),
    ],
)
def test_a_broken_script_says_what_is_wrong_and_fails_its_run(text: str, problem: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(text)
    assert str(caught.value).startswith(problem)

    end = read_script(text).moves[0].act
    assert isinstance(end, End)
    assert (end.status, end.code) == (RunStatus.FAILED, "invalid_prompt")
    assert problem in end.message


@pytest.mark.parametrize("text", ["What is $1 worth?", "Call me later", "", "thinking…", "{}", '"say"'])
def test_a_text_that_is_no_script_is_answered(text: str) -> None:
    script = read_script(text)

    assert isinstance(script, Script)
    say = script.moves[0].act
    assert isinstance(say, Say)
    assert fill(say.template, ()) == f"You said: {text}"


def test_outputs_are_put_into_a_text_and_never_read_again() -> None:
    assert fill("$1, $2, $$1", ("$2", "b")) == "$2, b, $1"
