"""What looks like a secret is taken out; what merely sounds like one stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from config.redaction import MAX_DEPTH, REDACTED, Redactor


def clean(secrets: tuple[str, ...] = (), **event: object) -> dict[str, object]:
    return Redactor(secrets)(None, "info", event)


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "API-Key",
        "authorization",
        "password",
        "passwd",
        "client_secret",
        "cookie",
        "token",
        "access_token",
    ],
)
def test_a_value_is_replaced_where_its_key_names_a_secret(key):
    assert clean(**{key: "abc"}) == {key: REDACTED}


@pytest.mark.parametrize(
    "key", ["tokens", "prompt_tokens", "token_count", "max_completion_tokens", "key_prefix", "run_key"]
)
def test_counts_and_names_stay(key):
    assert clean(**{key: "abc"}) == {key: "abc"}


def test_numbers_stay_whatever_they_are_called():
    assert clean(token=3, secret=None, password=True) == {"token": 3, "secret": None, "password": True}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "connect to redis://bob:s3cr3t@h:6379/0 failed",
            "connect to redis://bob:[redacted]@h:6379/0 failed",
        ),
        ("unix://:s3cr3t@/run/r.sock", "unix://:[redacted]@/run/r.sock"),
        ("Authorization: Bearer s3cr3t.s3cr3t", "Authorization: Bearer [redacted]"),
        ("Authorization: Basic czNjcjN0", "Authorization: Basic [redacted]"),
        ("{'authorization': 's3cr3t'}", "{'authorization': '[redacted]'}"),
        ("sent Bearer s3cr3ts3cr3t today", "sent Bearer [redacted] today"),
        ("key sk-proj-s3cr3ts3cr3t is wrong", "key [redacted] is wrong"),
        ("GET /x?api-key=s3cr3t&b=1", "GET /x?api-key=[redacted]&b=1"),
        ("GET /x?sv=1&sig=s3cr3t%2F&b=1", "GET /x?sv=1&sig=[redacted]&b=1"),
        ('{"client_secret": "s3cr3t"}', '{"client_secret": "[redacted]"}'),
    ],
)
def test_a_secret_is_taken_out_of_a_text_and_the_rest_stays(text, kept):
    assert clean(event=text) == {"event": kept}


@pytest.mark.parametrize(
    "text",
    [
        "a bearer of news",
        "https://host:8080/path",
        "task-12345678 of risk-management",
        "run_abc used 12 tokens: 3 prompt, 9 completion",
        "basic functionality",
    ],
)
def test_harmless_texts_stay_as_they_are(text):
    assert clean(event=text) == {"event": text}


def test_configured_secrets_are_taken_out_wherever_they_stand():
    assert clean(("tr0ub4dor",), event="xtr0ub4dory") == {"event": "x[redacted]y"}


def test_configured_secrets_that_are_ordinary_words_do_not_blank_the_log():
    assert clean(("run",), event="run.created") == {"event": "run.created"}


def test_nested_values_are_cleaned_too():
    nested = {"headers": [{"Authorization": "x"}, ("ok", "Bearer abcdefgh1")]}
    assert clean(request=nested) == {
        "request": {"headers": [{"Authorization": REDACTED}, ["ok", "Bearer [redacted]"]]}
    }


def test_objects_are_cleaned_in_the_form_they_are_shown_in():
    class Thing:
        def __repr__(self) -> str:
            return "Thing(password=hidden1)"

    assert clean(thing=Thing(), at=datetime(2026, 1, 2, tzinfo=UTC)) == {
        "thing": "Thing(password=[redacted])",
        "at": "2026-01-02T00:00:00+00:00",
    }


def test_endless_nesting_ends():
    nested: dict[str, object] = {}
    nested["self"] = nested
    assert str(clean(value=nested)).count("self") <= MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "abc"), ("private-key", "abc"), ("credentials", "abc"), ("Cookie", "abc"),
        ("url", "redis://ops:hunter2@h"), ("said", "Bearer abcdefgh1234"), ("said", "sk-abcdefgh1234"),
        ("said", "?sig=abcdefgh"), ("said", "API-Key: abcdefgh"), ("said", "pa\u017f\u017fwd=abcdefgh"),
        ("said", 'the "quoted\\one" of this house'), ("said", "plain-one"),
    ],
)  # fmt: skip
def test_the_quick_look_at_a_whole_line_clears_none_that_holds_a_secret(key, value):
    redactor = Redactor(['"quoted\\one"', "plain-one"])

    assert redactor(None, "info", {key: value}) != {key: value}
    assert not redactor.clears(json.dumps({key: value}, ensure_ascii=False))


def test_the_quick_look_clears_an_ordinary_line():
    line = {"event": "run.status_changed", "run_key": "order-7", "run_id": "run_1", "status": "queued"}

    assert Redactor(["plain-one"]).clears(json.dumps(line))
