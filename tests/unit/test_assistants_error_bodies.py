"""Error bodies of every known server, read into the same four fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.providers.error_bodies import ErrorFields, read_error


def fields(
    message: str | None, kind: str | None = None, param: str | None = None, code: str | None = None
) -> ErrorFields:
    return {"message": message, "type": kind, "param": param, "code": code}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {
                "error": {
                    "message": "No.",
                    "type": "invalid_request_error",
                    "param": "metadata.a",
                    "code": None,
                }
            },
            fields("No.", "invalid_request_error", "metadata.a"),
            id="OpenAI",
        ),
        pytest.param(
            {"error": {"code": "429", "message": "Try again in 2 seconds.", "innererror": {"code": "x"}}},
            fields("Try again in 2 seconds.", code="429"),
            id="Azure gateway",
        ),
        pytest.param(
            {"statusCode": 401, "message": "Denied"}, fields("Denied", code="401"), id="API management"
        ),
        pytest.param(
            {"code": "http_error", "message": "Gone"},
            fields("Gone", code="http_error"),
            id="open-assistant-api",
        ),
        pytest.param({"detail": "Not Found"}, fields("Not Found"), id="FastAPI"),
        pytest.param(
            {
                "detail": [
                    {"loc": ["body", "tools", 0], "msg": "bad", "type": "missing"},
                    {"loc": ["query"], "msg": "too"},
                ]
            },
            fields("body.tools.0: bad; query: too", "missing", "body.tools.0"),
            id="FastAPI validation",
        ),
        pytest.param({"detail": ["odd"]}, fields("['odd']"), id="detail of unknown form"),
        pytest.param({"detail": {"message": "inner"}}, fields("inner"), id="nested detail"),
        pytest.param({"error": "invalid_grant", "error_description": "Key?"}, fields("Key?"), id="OAuth"),
        pytest.param({"error": "plain"}, fields("plain"), id="error as text"),
        pytest.param(
            {"errors": [{"message": "first"}, {"message": "second"}]}, fields("first"), id="list of errors"
        ),
        pytest.param({"type": "t", "title": "Sorry"}, fields("Sorry", "t"), id="problem details"),
        pytest.param(
            {"error": {"message": {"text": "m"}, "code": 7}},
            fields("{'text': 'm'}", code="7"),
            id="wrong types",
        ),
        pytest.param([{"error": {"message": "in a list"}}], fields("in a list"), id="in a list"),
        pytest.param("text", fields("text"), id="a JSON string"),
    ],
)
def test_json_of_every_form_gives_its_message(body: Any, expected: ErrorFields) -> None:
    assert read_error(json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<h1>Down</h1><style>a{}</style><script>if (1<2) x()</script><p>for a while", "Down for a while"),
        (b"caf\xe9\x00\x1b[31m\r\nred", "caf\ufffd [31m red"),
        (b'{"error": {"message": "cut of', '{"error": {"message": "cut of'),
        (b"\xef\xbb\xbf" + b'{"message": "marked"}', "marked"),
    ],
)
def test_what_is_not_json_gives_one_printable_line(body: bytes, message: str) -> None:
    error = read_error(body)
    assert error is not None
    assert error["message"] == message


@pytest.mark.parametrize(
    "body", [b"", b"   \n", b"{}", b'{"error": {}}', b'{"error": null}', b"null", b"[]", b'""']
)
def test_an_empty_body_is_no_error_text(body: bytes) -> None:
    error = read_error(body)
    assert error is None or error == fields("[]")


def test_long_texts_are_cut() -> None:
    error = read_error(json.dumps({"message": "m" * 5_000, "code": "c" * 5_000}).encode())
    assert error == fields("m" * 1_000, code="c" * 200)
    plain = read_error(b"p" * 1_000_000)
    assert plain == fields("p" * 1_000)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"<" * 100_000, b"<script" * 20_000, b"<title" * 20_000])
def test_hostile_bodies_are_read_in_bounded_time(body: bytes) -> None:
    read_error(body)
