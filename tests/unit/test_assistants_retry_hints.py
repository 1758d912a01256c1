"""When a provider says to come again."""

from __future__ import annotations

import pytest

from worker.providers.retry_hints import poll_after_seconds, retry_after_seconds

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "86400"}, 60.0),
        ({"retry-after": "inf"}, 60.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "?", "retry-after": "3"}, 3.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Fri, 20 Nov 2026 13:00:07 +0100", "date": DATE}, 7.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:59:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2099 12:00:00 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:07 -0000", "date": DATE}, None),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:07 GMT"}, None),
    ],
)
def test_the_headers_of_a_refusal(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 2 seconds.", 2.0),
        ("Please try again in 1.2s. Visit the console.", 1.2),
        ("Please try again in 20ms.", 0.02),
        ("Please retry after 60 seconds.", 60.0),
        ("Try again in 999999999 seconds.", 60.0),
        ("Try again in 5 minutes.", None),
        ("Try again later.", None),
    ],
)
def test_the_text_of_a_refusal(text: str, seconds: float | None) -> None:
    assert retry_after_seconds({}, text) == seconds


def test_a_header_goes_before_the_text() -> None:
    assert retry_after_seconds({"retry-after": "1"}, "Try again in 60 seconds.") == 1.0


def test_the_poll_hint_goes_before_retry_after() -> None:
    assert poll_after_seconds({"openai-poll-after-ms": "5000", "retry-after": "1"}) == 5.0
    assert poll_after_seconds({"retry-after": "1"}) == 1.0
    assert poll_after_seconds({}) is None
