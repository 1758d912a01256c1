"""Run all of threadrun on this machine: some twenty runs of every kind, shown, recorded and checked.

    python examples/demo.py

It starts a Redis, a run server and both kinds of worker, and ends them all. It exits with 0 only if every record
is what it must be.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import httpx
from demo_cases import CASES, Case
from demo_checks import Problem, problems_of
from demo_refusals import refusals
from demo_screen import Show, print_records, print_table, screen

from threadrun import RunHandle, RunRecord, RunStatus, Stage
from threadrun.testing import LocalStack

ROOT = Path(__file__).resolve().parents[1]

PATIENCE_SECONDS = 45.0
"""How long all runs together may take."""

LOOK_SECONDS = 0.1
"""How often the runs are looked at."""


def main() -> int:
    """Run the demo; gives the exit code."""
    began = time.monotonic()
    with LocalStack(["handlers"], checkout=ROOT, paths=[ROOT / "examples"]) as stack:
        print(f"{stack.redis.kind}, a run server and two workers are up after {_since(began)}.", flush=True)
        demo = Demo(stack)
        with screen() as show:
            demo.carry(show)
        print_records(list(demo.records.values()))
        problems = demo.problems()
        if problems:
            print("\n" + stack.log_tails())
            print_table(("run", "what", "expected", "actual"), [_row(*found) for found in problems])
    print(f"\n{len(demo.records)} records and {len(demo.answers)} answers to enqueues checked: ", end="")
    print(f"{len(problems)} problems. {_since(began)} with the start and end of every process.")
    return 1 if problems else 0


class Demo:
    """Enqueue the cases, follow them, and meddle where a case wants it."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._client = stack.client
        self._handles: dict[str, RunHandle] = {}
        self._cancelled: set[str] = set()
        self.records: dict[str, RunRecord] = {}
        """The last record seen of each run, in the order they were enqueued."""
        self.answers: list[tuple[str, Problem]] = []
        """What the client had to answer to each enqueue, and what it did."""

    def carry(self, show: Show) -> None:
        """Enqueue everything, and look on until all has ended or the patience has."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not self._all_ended() and time.monotonic() < give_up_at:
            for case in CASES:
                if case.key not in self._handles and self._may_begin(case):
                    self._enqueue(case)
            self._try_refusals()
            for case in CASES:
                self._look(case)
            show(self.records)
            time.sleep(LOOK_SECONDS)

    def problems(self) -> list[tuple[str, Problem]]:
        """List everything that is not as it must be."""
        found = [(what, problem) for what, problem in self.answers if problem[1] != problem[2]]
        for case in CASES:
            record = self.records.get(case.key)
            if record is None or not record.final:
                found.append((case.key, ("ended in time", True, False)))
            else:
                found += [(case.key, problem) for problem in problems_of(case, record, self._stack.control)]
        return found

    def _all_ended(self) -> bool:
        return len(self.records) == len(CASES) and all(record.final for record in self.records.values())

    def _may_begin(self, case: Case) -> bool:
        before = self.records.get(case.on_thread_of or "")
        return case.on_thread_of is None or (before is not None and before.final)

    def _enqueue(self, case: Case) -> None:
        options: dict[str, Any] = {"assistant_id": "asst_demo", "messages": case.script, **case.options}
        if case.on_thread_of is not None:
            options["thread_id"] = self.records[case.on_thread_of].thread_id
        if case.prepared_thread:
            options["thread_id"] = self._prepare_thread(options.pop("messages"))
        handle = self._client.enqueue(idempotency_key=case.key, **options)
        again = self._client.enqueue(idempotency_key=case.key, **options)
        self.answers.append((case.key, ("enqueued once", (True, False), (handle.created, again.created))))
        self._handles[case.key] = handle

    def _prepare_thread(self, text: str) -> str:
        """Make a thread as an app does that speaks to the provider itself."""
        body = {"messages": [{"role": "user", "content": text}]}
        headers = {"Authorization": "Bearer local", "OpenAI-Beta": "assistants=v2"}
        reply = httpx.post(f"{self._stack.server_url}/threads", json=body, headers=headers, trust_env=False)
        return str(reply.raise_for_status().json()["id"])

    def _try_refusals(self) -> None:
        busy = self._handles.get("same-thread-first")
        if busy is not None and busy.key not in self.records:
            thread_id = self.records["no-tool"].thread_id or ""
            self.answers += refusals(self._client, thread_id)

    def _look(self, case: Case) -> None:
        known = self.records.get(case.key)
        if case.key not in self._handles or (known is not None and known.final):
            return
        record = self.records[case.key] = self._handles[case.key].get()
        works = record.status is RunStatus.IN_PROGRESS or record.stage is Stage.WAITING
        if case.cancel and works and case.key not in self._cancelled:
            self._cancelled.add(case.key)
            self._handles[case.key].cancel()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


def _row(key: str, problem: Problem) -> tuple[str, ...]:
    what, expected, actual = problem
    return key, what, str(expected), str(actual)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
