"""Watch over a `runs` worker from within: its loop's pulse, the file that shows it, and two watchdogs."""

from __future__ import annotations

import threading

from config.sections import EngineSettings
from threadrun.health.liveness import TOUCH_SECONDS
from worker.event_loop import EventLoop
from worker.liveness import LivenessFile, Pulse
from worker.own_consumer import OwnConsumer
from worker.watchdog import LOOKS, Watchdog


class Vigil:
    """Start and stop what watches over this process."""

    def __init__(self, engine: EngineSettings, loop: EventLoop, consumer: OwnConsumer) -> None:
        self._loop = loop
        self._file = LivenessFile(engine.liveness_file, "runs")
        self._pulse = Pulse(self._file)
        # Two turns between two looks, so that one look without a turn is already odd.
        self._turn_seconds = min(TOUCH_SECONDS, engine.watchdog_seconds / LOOKS / 2)
        self._patience_seconds = 2 * self._turn_seconds + engine.heartbeat_seconds
        self._over_loop = Watchdog(
            "loop", self._pulse.gives_sign, engine.watchdog_seconds, lambda: loop.thread
        )
        self._over_consumer = Watchdog(
            "consumer", consumer.gives_sign, engine.consumer_silence_seconds, threading.main_thread
        )

    @property
    def loop_turns(self) -> bool:
        """Tell whether the loop has come round of late; one that stands still is dead for those who wait for it."""
        return self._pulse.stands_seconds <= self._patience_seconds

    def start(self) -> None:
        """Begin; the loop must run."""
        self._loop.every(self._turn_seconds, self._pulse.turn)
        self._over_loop.start()
        self._over_consumer.start()

    def drain(self) -> None:
        """Expect no more of the consumer: Celery stops consuming now."""
        self._over_consumer.stop()

    def stop(self) -> None:
        """Expect nothing more; the loop is about to stop."""
        self._over_consumer.stop()
        self._over_loop.stop()

    def end(self) -> None:
        """Take the file away, after the loop has stopped."""
        self._file.remove()
