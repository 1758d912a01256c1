"""How a tools worker's parent learns that the child which had a call was killed."""

from __future__ import annotations

import threading

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from worker.process import process
from worker.store.ledger import CallAddress

_KILLED = (TimeLimitExceeded, WorkerLostError, Terminated)


class CallRequest(Request):  # type: ignore[misc]  # Celery has no annotations
    """Report the call of a killed child, with the child's process id; lives in the parent."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Fires when the child is about to be killed at its hard time limit."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._report(timed_out=True)

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Fires when a child was killed, and when a task failed in one that lives: that one says so itself."""
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, _KILLED):
            self._report(timed_out=isinstance(error, TimeLimitExceeded))

    def _report(self, *, timed_out: bool) -> None:
        if len(self.args) != 3 or self.worker_pid is None:
            return
        at = CallAddress(str(self.args[0]), int(self.args[1]), int(self.args[2]))
        settle = process.tools.lost_child.settle
        # A thread, because the parent's main loop must not wait for Redis.
        threading.Thread(
            target=settle, args=(at, self.worker_pid), kwargs={"timed_out": timed_out}, daemon=True
        ).start()
