"""A second run that a lost create made is cancelled by real workers, though the first has long ended."""

from __future__ import annotations

import time
from typing import Any

import httpx

from threadrun import Outcome
from threadrun.testing import FaultPlan, FaultRule, LocalStack
from threadrun.testing.faults import Fault


def test_a_twin_that_lands_after_the_end_is_cancelled_and_the_log_names_both(stack: LocalStack) -> None:
    key = "lost-create"
    lost = FaultRule(fault=Fault.CONNECTION_CLOSED, operation="create_run", run_key=key, times=1)
    stack.control.set_faults(FaultPlan([lost]))
    record = stack.client.enqueue("asst_demo", messages="say hi", idempotency_key=key).wait(30)
    stack.control.set_faults(None)
    assert (record.outcome, len(stack.control.effects("run.created", run_key=key))) == (Outcome.COMPLETED, 1)

    twin = land(stack, record.thread_id, key)

    give_up_at = time.monotonic() + 30
    while stack.control.run(twin)["status"] != "cancelled":
        assert time.monotonic() < give_up_at, stack.control.run(twin)["status"]
        time.sleep(0.2)
    assert stack.client.get(key) == record
    (line,) = [text for text in stack.logs("runs").splitlines() if "run.twin_cancelled" in text]
    assert twin in line
    assert record.run_id in line


def land(stack: LocalStack, thread_id: str | None, key: str) -> str:
    """Let the same create arrive once more."""
    message = {"role": "user", "content": "think 300\nsay twice"}
    body: dict[str, Any] = {"assistant_id": "asst_demo", "additional_messages": [message]}
    body["metadata"] = {"threadrun_key": key}
    url = f"{stack.env['THREADRUN_PROFILES__DEFAULT__BASE_URL']}/threads/{thread_id}/runs"
    headers = {"authorization": "Bearer sk-any", "openai-beta": "assistants=v2"}
    answer = httpx.post(url, json=body, headers=headers, trust_env=False)
    run_id: str = answer.raise_for_status().json()["id"]
    return run_id
