"""What a run was before it changed, and the world as a replica that lags behind shows it."""

from __future__ import annotations

from dataclasses import replace

from threadrun.status import RunStatus
from threadrun.testing.objects import Run, Thread
from threadrun.testing.refusals import not_found
from threadrun.testing.world import World


class PastWorld(World):
    """Show a world as it was so many seconds ago; for reads alone.

    What did not exist then is not found. Of runs made before the world began to keep their past, the oldest
    that is known is shown.
    """

    def __init__(self, world: World, seconds: float) -> None:
        vars(self).update(vars(world))
        self._seconds = seconds

    def thread(self, thread_id: str) -> Thread:
        """Find a thread as it was."""
        return self._as_shown(super().thread(thread_id))

    def run(self, thread_id: str, run_id: str) -> Run:
        """Find a run as it was."""
        thread = self.thread(thread_id)
        if run_id not in thread.runs:
            raise not_found("run", run_id)
        return thread.runs[run_id]

    def _as_shown(self, thread: Thread) -> Thread:
        at = self.clock.now() - self._seconds
        if thread.created_at > at:
            raise not_found("thread", thread.id)
        return replace(
            thread,
            runs={run.id: _as_of(run, at) for run in thread.runs.values() if run.created_at <= at},
            messages=[message for message in thread.messages if message.created_at <= at],
        )


class WorldBeforeSubmit(PastWorld):
    """Show runs as they were when they last required an action, if they left it at most so many seconds ago."""

    def _as_shown(self, thread: Thread) -> Thread:
        since = self.clock.now() - self._seconds
        return replace(thread, runs={run.id: _requiring_action(run, since) for run in thread.runs.values()})


def _as_of(run: Run, at: float) -> Run:
    for until, then in run.past or ():
        if until > at:
            return then
    return run


def _requiring_action(run: Run, since: float) -> Run:
    for until, then in reversed(run.past or []):
        if then.status is RunStatus.REQUIRES_ACTION:
            return then if until > since else run
    return run
