"""All that the run server knows, and how it is found; every look lets the runs catch up with the clock."""

from __future__ import annotations

from threading import RLock

from threadrun.testing.clock import Clock
from threadrun.testing.dialect import Dialect
from threadrun.testing.effects import EffectLog
from threadrun.testing.faults import FaultPlan
from threadrun.testing.ids import IdMaker
from threadrun.testing.objects import NEVER, Assistant, Run, Thread
from threadrun.testing.options import ServerOptions
from threadrun.testing.progress import advance
from threadrun.testing.quirks import Quirk
from threadrun.testing.quirky_dialect import QuirkyDialect
from threadrun.testing.refusals import not_found

DEMO_ASSISTANT = "asst_demo"
"""The assistant that always exists."""

DEFAULT_MODEL = "gpt-4o-mini"
"""The model of assistants that were never created."""


class World:
    """Hold assistants, threads and runs.

    Take `lock` around every use: requests come on the server's thread, tests look from their own.
    """

    def __init__(self, options: ServerOptions, clock: Clock, dialect: Dialect) -> None:
        self.options = options
        self.clock = clock
        self.quirks = frozenset(map(Quirk, options.quirks))
        self.dialect = QuirkyDialect(dialect, self.quirks) if self.quirks else dialect
        self.log = EffectLog(options.effect_log)
        self.ids = IdMaker(options.seed)
        self.lock = RLock()
        self.assistants = {DEMO_ASSISTANT: self._uncreated(DEMO_ASSISTANT)}
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self.faults: FaultPlan | None = None
        self.keeps_past = False
        self._next_sweep = 0.0

    def set_faults(self, plan: FaultPlan | None) -> None:
        """Have these faults from now on, or none; a plan of stale reads makes all runs keep their past."""
        self.faults = plan
        if plan is not None and plan.shows_the_past and not self.keeps_past:
            self.keeps_past = True
            for run in self.runs.values():
                run.past = []

    def assistant(self, assistant_id: str) -> Assistant:
        """Find an assistant.

        Raises:
            RefusedError: if it does not exist and unknown ones are not accepted.
        """
        found = self.assistants.get(assistant_id)
        if found is None and self.options.accept_any_assistant:
            found = self._uncreated(assistant_id)
        if found is None:
            raise not_found("assistant", assistant_id)
        return found

    def thread(self, thread_id: str) -> Thread:
        """Find a thread, its runs caught up with the clock.

        Raises:
            RefusedError: if it does not exist.
        """
        thread = self.threads.get(thread_id)
        if thread is None:
            raise not_found("thread", thread_id)
        self.catch_up(thread)
        return thread

    def run(self, thread_id: str, run_id: str) -> Run:
        """Find a run of a thread, caught up with the clock.

        Raises:
            RefusedError: if thread or run does not exist.
        """
        thread = self.threads.get(thread_id)
        if thread is None:
            raise not_found("thread", thread_id)
        run = thread.runs.get(run_id)
        if run is None:
            raise not_found("run", run_id)
        advance(run, self.clock.now())
        return run

    def catch_up(self, thread: Thread) -> None:
        """Let the thread's runs catch up with the clock, and forget which have ended."""
        if thread.live:
            now = self.clock.now()
            for run in thread.live:
                advance(run, now)
            # One that ended may still change: a cancelled run that regresses.
            thread.live = [run for run in thread.live if not run.status.terminal or run.due < NEVER]

    def forget_old(self) -> None:
        """Forget threads and effects older than the option says; looks at all only now and then."""
        age = self.options.forget_after_seconds
        now = self.clock.now()
        if age is None or now < self._next_sweep:
            return
        self._next_sweep = now + age / 4
        self.log.forget_before(now - age)
        for thread in list(self.threads.values()):
            self.catch_up(thread)
            if thread.quiet_since < now - age:
                self.delete_thread(thread)

    def delete_thread(self, thread: Thread) -> None:
        """Delete a thread with its runs."""
        del self.threads[thread.id]
        for run_id in thread.runs:
            self.runs.pop(run_id, None)

    def _uncreated(self, assistant_id: str) -> Assistant:
        return Assistant(assistant_id, self.clock.now(), assistant_settings({"model": DEFAULT_MODEL}), {})


def assistant_settings(body: dict[str, object]) -> dict[str, object]:
    """Fill in what the wire answers for members that a creation left out or null."""
    given = {name: value for name, value in body.items() if value is not None}
    defaults: dict[str, object] = {
        "name": None,
        "description": None,
        "model": DEFAULT_MODEL,
        "instructions": None,
        "tools": [],
        "top_p": 1.0,
        "temperature": 1.0,
        "reasoning_effort": None,
        "tool_resources": {},
        "response_format": "auto",
    }
    return {name: given.get(name, default) for name, default in defaults.items()}
