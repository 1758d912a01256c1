"""What a run waits for, made by hand for the command line's tests."""

from __future__ import annotations

from typing import Any

from tests.unit.cli_record import ENQUEUED_AT, after
from threadrun.client import CallWait, WaitsFor
from threadrun.status import CallState, RunStatus, Stage

NOW = 100.0
"""Seconds after the enqueue at which everything is looked at."""


def waits(stage: Stage = Stage.POLL, **changed: Any) -> WaitsFor:
    """Give a healthy run in a stage, but for what is changed."""
    values: dict[str, Any] = {
        "key": "order-7",
        "at": after(NOW),
        "stage": stage,
        "status": RunStatus.IN_PROGRESS,
        "outcome": None,
        "profile": "default",
        "created_at": ENQUEUED_AT,
        "agendas": () if stage is Stage.DONE else (stage,),
        "next_look_at": None if stage is Stage.DONE else after(NOW + 1.2),
        "in_hand": False,
        "profile_seen_at": after(NOW - 2),
        "held": "",
        "errors": 0,
        "unconfirmed_post": "",
        "cancel_requested": False,
        "thread_id": "thread_1",
        "thread_holder": "order-7",
        "thread_holder_stage": None,
        "runs_ahead": 0,
        "calls": (),
        "quarantined_at": None,
        "deadline_at": after(600),
        "tools_until": after(585),
        "tells": False,
    }
    return WaitsFor(**values | changed)


def call(state: CallState, **changed: Any) -> CallWait:
    """Give a call of `add` that a living worker could serve or serves, but for what is changed."""
    claimed = state is CallState.CLAIMED
    values: dict[str, Any] = {
        "round": 1,
        "index": 0,
        "tool": "add",
        "state": state,
        "attempt": int(claimed),
        "queue": "tools",
        "sends": 1,
        "sent_at": after(NOW - 4),
        "worker": "tools@vm/1234abcd" if claimed else "",
        "worker_seen_at": after(NOW - 1) if claimed else None,
        "claimed_at": after(NOW - 3.2) if claimed else None,
        "deadline_at": after(NOW + 56.8) if claimed else None,
        "tool_seen_at": after(NOW - 1),
    }
    return CallWait(**values | changed)
