"""Which messages a worker serves, whoever sent them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from worker.gate import MAX_BODY_BYTES, kept_headers, refusal

TASKS = {"runs.poll", "runs.enqueue", "tools.execute"}
NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
OURS = "6f1c2a34-0000-4000-8000-1234567890ab"
RIGHT = {
    "runs.poll": [["default"], {}, NOTHING],
    "runs.enqueue": [[{"assistant_id": "a"}], {}, NOTHING],
    "tools.execute": [["k", 1, 0], {}, NOTHING],
}


def message(task: Any, payload: Any = None, body: bytes = b"", errors: Any = None, **headers: Any) -> Any:
    told = {"task": task, "id": OURS, "root_id": OURS, "parent_id": None, **headers}
    whole = RIGHT.get(str(task)) if payload is None else payload
    return SimpleNamespace(headers=told, payload=whole, body=body, errors=errors or [])


@pytest.mark.parametrize("task", sorted(TASKS))
def test_what_threadrun_and_its_callers_send_is_served(task):
    usual = {"eta": None, "expires": None, "timelimit": [None, None], "shadow": None, "stamped_headers": None}

    assert refusal(message(task, **usual), TASKS) == ""


def test_a_request_may_come_by_name_and_a_handler_brings_its_hard_limit():
    assert refusal(message("runs.enqueue", [[], {"request": {}}, NOTHING], id="order-7"), TASKS) == ""
    assert refusal(message("tools.execute", timelimit=[70.0, None]), TASKS) == ""


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (message("celery.backend_cleanup"), "unknown_task"),
        (message(["runs.poll"]), "unreadable"),
        (message(None), "unreadable"), (message("runs.poll", errors=[1]), "unreadable"),
        (message("runs.poll", body=b"x" * (MAX_BODY_BYTES + 1)), "too_large"),
        (message("runs.poll", id=7), "id"),
        (message("runs.poll", id="../x"), "id"), (message("runs.poll", root_id={"a": 1}), "id"),
        (message("runs.poll", id="sk-secret"), "id"), (message("runs.poll", root_id="sk-secret"), "id"),
        (message("tools.execute", parent_id="sk-secret"), "id"), (message("runs.enqueue", id="a b"), "id"),
        (message("runs.poll", eta="2999-01-01"), "time"), (message("runs.enqueue", expires=7), "time"),
        (message("runs.poll", timelimit=[1, None]), "time_limit"),
        (message("tools.execute", timelimit="xy"), "time_limit"),
        (message("tools.execute", timelimit=[0, None]), "time_limit"),
        (message("tools.execute", timelimit=[70, 1]), "time_limit"),
        (message("tools.execute", timelimit=[{}, None]), "time_limit"),
        (message("runs.poll", {"args": []}), "protocol"),
        (message("runs.poll", [["default"], {}]), "protocol"),
        (message("runs.poll", [["default"], {}, 7]), "callbacks"),
        (message("runs.poll", [["default"], {}, {"callbacks": [1]}]), "callbacks"),
        (message("runs.poll", [["default"], {}, {"id": None}]), "callbacks"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_neither_sends_is_refused_with_the_reason(wrong, reason):
    assert refusal(wrong, TASKS) == reason


@pytest.mark.parametrize(
    ("task", "args", "kwargs"),
    [
        ("runs.poll", [], {}), ("runs.poll", ["no/such"], {}), ("runs.poll", ["default"], {"x": 1}),
        ("runs.poll", "default", {}), ("runs.poll", [7], {}), ("runs.enqueue", ["x"], {}),
        ("runs.enqueue", [{}], {"request": {}}), ("runs.enqueue", [{}, 1], {}), ("tools.execute", ["k", 1], {}),
        ("tools.execute", ["k/..", 1, 0], {}), ("tools.execute", ["k", True, 0], {}),
        ("tools.execute", ["k", "1", 0], {}),
        ("tools.execute", ["k", 1, -1], {}), ("tools.execute", ["k", 10**30, 0], {}),
        ("tools.execute", ["k", 1, 0.5], {}),
        ("tools.execute", ["k", 1, 0], {"x": 1}), ("tools.execute", ["k", 1, 0], []),
    ],
)  # fmt: skip
def test_other_arguments_than_the_tasks_own_are_refused(task, args, kwargs):
    assert refusal(message(task, [args, kwargs, NOTHING]), TASKS) == "arguments"


def test_a_body_that_cannot_be_decoded_is_refused():
    class Broken(SimpleNamespace):
        @property
        def payload(self) -> Any:
            raise RecursionError

    assert (
        refusal(Broken(headers={"task": "runs.poll", "id": OURS}, errors=[], body=b"["), TASKS)
        == "unreadable"
    )


def test_what_steers_celery_and_what_is_not_plain_is_left_out():
    headers = {
        "task": "tools.execute", "id": "a", "timelimit": [70.0, None], "shadow": "x", "stamps": {}, "retries": 3,
        "traceparent": "00-1", "headers": {"a": 1}, "argsrepr": "x", "baggage": "x" * 5_000, "ignore_result": False,
    }  # fmt: skip

    assert kept_headers(headers, "tools.execute") == {
        "task": "tools.execute", "id": "a", "timelimit": [70.0, None], "traceparent": "00-1", "ignore_result": True,
    }  # fmt: skip
    assert "timelimit" not in kept_headers(headers, "runs.poll")
    assert kept_headers(headers, "runs.enqueue")["ignore_result"] is False
