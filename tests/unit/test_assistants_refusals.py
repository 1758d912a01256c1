"""Which refusal a status and its text mean."""

from __future__ import annotations

import pytest

from worker.providers.base import Refusal
from worker.providers.refusals import refusal_of


@pytest.mark.parametrize(
    ("text", "run_id"),
    [
        ("Thread thread_x already has an active run run_y.", "run_y"),
        ("Thread thread_x already has an active run 'run_y'.", "run_y"),
        ("thread 1 already has an active run: 65f0c1d2e3a4b5c6d7e8f901", "65f0c1d2e3a4b5c6d7e8f901"),
        ("Thread t already has an active run a.b:c-d.", "a.b:c-d"),
        ("Thread thread_x already has an active run.", None),
        ("Can't add messages to thread_x while a run run_y is active.", "run_y"),
        ("Can\u2019t add message to thread_x while a run `run_y` is active.", "run_y"),
        ("Can't add messages to thread_x while a run is active.", None),
    ],
)
def test_a_busy_thread_names_the_run_in_the_way(text: str, run_id: str | None) -> None:
    assert refusal_of(400, text) == (Refusal.BUSY_THREAD, run_id)


@pytest.mark.parametrize(
    "text",
    [
        'Runs in status "in_progress" do not accept tool outputs.',
        "Cannot cancel run with status 'completed'.",
        "run 65f0 cannot cancel",
        "already cancel",
        "Run is in RunStatus.COMPLETED status, not requires_action",
        "Cannot update run with status 'in_progress'.",
    ],
)
def test_a_wrong_status_is_known_by_its_text(text: str) -> None:
    assert refusal_of(400, text) == (Refusal.WRONG_STATUS, None)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, Refusal.INVALID),
        (401, Refusal.UNAUTHORIZED),
        (402, Refusal.INVALID),
        (403, Refusal.UNAUTHORIZED),
        (404, Refusal.NOT_FOUND),
        (405, Refusal.INVALID),
        (413, Refusal.INVALID),
        (422, Refusal.INVALID),
        (429, Refusal.RATE_LIMITED),
    ],
)
def test_any_other_refusal_is_known_by_its_status(status: int, refusal: Refusal) -> None:
    assert refusal_of(status, "Expected tool outputs for call_ids ['a', 'b'], got ['a']") == (refusal, None)


@pytest.mark.parametrize(
    "text",
    [
        "Not Found",  # FastAPI, Starlette
        "404 Not Found",  # nginx and others, as a title
        "404 page not found",  # Go
        "Resource not found",  # Azure's gateway
        "Invalid URL (POST /v2/threads)",
        "Unknown request URL: GET /v2/threads. Please check the URL for typos.",
        "Unrecognized request URL (GET: /v2/threads).",
        "The requested URL was not found on the server.",  # Flask
        "Cannot POST /v2/threads",  # Express
        "HTTP Status 404 \u2013 Not Found",  # Tomcat
        "Page not found at /v2/threads",  # Django
        "No static resource v2/threads.",  # Spring
        "no Route matched with those values",  # Kong
    ],
)
def test_an_address_that_leads_nowhere_is_known_by_a_web_servers_words(text: str) -> None:
    assert refusal_of(404, text) == (Refusal.NO_ROUTE, None)


@pytest.mark.parametrize(
    "text",
    [
        "No run found with id 'run_123'.",
        "No thread found with id 'thread_1'.",
        "run run_nope not found",
        "Run not found",
        "Thread with id t not found.",
        "run_step not found or not in progress",
        "The API deployment for this resource does not exist.",
        "The requested resource run_1 does not exist.",
        "",
    ],
)
def test_what_is_not_there_is_not_taken_for_a_wrong_address(text: str) -> None:
    assert refusal_of(404, text) == (Refusal.NOT_FOUND, None)
