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
