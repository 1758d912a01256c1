"""Ask every 50 ms which stages have due runs, and send their wake-ups; have attended runs looked at; trim indexes.

It runs in a thread of every `runs` worker. There is no leader: the mark `wake:{stage}:{profile}` keeps several
workers from sending the same wake-up, and lapses by itself when its message is lost: after 1 s, then after 2, 4 … s,
for a message that nobody takes is more likely waiting in a queue than lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

from threadrun.keys import INDEX_LIFE_SECONDS, Keys
from threadrun.status import Outcome, RunStatus, Stage
from worker.outbox import Outbox
from worker.publisher import Message
from worker.redis_clock import JumpWatch
from worker.store.scripts import Arg, Scripts

log = structlog.get_logger("threadrun.tick")

WAKE_LIFE_MS = 1_000
"""How long a wake-up may be on its way before it is sent again."""

LONGEST_WAKE_LIFE_MS = 60_000
"""The same once it was sent again and again; a queue without a taker grows by no more than one in this time."""

FAR_AHEAD_MS = 120_000
"""Longer than nearly everything waits for its next look; what waits longer is looked at once too early after a jump."""

IDLE_AFTER_SECONDS = 2.0
IDLE_FACTOR = 3
"""Where nothing was due for that long, ticks are so many times as far apart: they are most of what idling costs."""

FAILED_PAUSE_SECONDS = 0.5

TRIM_EVERY_SECONDS = 60.0
TRIM_LIMIT = 1_000
UNSEEN_LIFE_MS = 86_400_000
"""What no worker has served for a day leaves the catalogues."""

TASK_OF_STAGE = {
    Stage.WAITING: "runs.admit",
    Stage.CREATE: "runs.create",
    Stage.POLL: "runs.poll",
    Stage.TOOLS: "runs.dispatch_tool_calls",
    Stage.SUBMIT: "runs.submit_tool_outputs",
    Stage.CANCEL: "runs.cancel",
    Stage.FINALIZE: "runs.finalize",
}
"""The task that serves each stage; a wake-up carries a profile, never a run."""


class Tick:
    """Wake the stages that have due runs."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        profiles: Sequence[str],
        outbox: Outbox,
        *,
        tick_ms: int,
        retention_seconds: int,
        watch: JumpWatch | None = None,
        serves_itself: Callable[[Stage, str], bool] = lambda stage, profile: False,
        look: Callable[[], bool] = lambda: False,
    ) -> None:
        """Tick for a process.

        Args:
            redis: A blocking client.
            keys: The names of keys.
            profiles: Those that the process serves.
            outbox: The way to the broker.
            tick_ms: The time between two ticks.
            retention_seconds: How long finished runs stay.
            watch: Knows Redis's clock.
            serves_itself: Tells whether this process has begun to claim what is due, so that no message is needed.
            look: Has this process look at what it attends; tells whether it did.
        """
        self._serves_itself = serves_itself
        self._look = look
        self._keys = keys
        self._watch = watch or JumpWatch()
        self._outbox = outbox
        self._tick_seconds = tick_ms / 1000
        self._index_life_ms = (retention_seconds + 8 * 86_400) * 1000  # a run may be open for a week before
        self._scripts = Scripts(redis, keys.prefix)
        self._pairs = [(stage, profile) for profile in profiles for stage in TASK_OF_STAGE]
        self._key_names = [name for pair in self._pairs for name in (keys.agenda(*pair), keys.wake(*pair))]
        self._received: deque[int] = deque()
        self._begun = False
        self._busy_at = time.monotonic()
        self._trim_at = time.monotonic() + TRIM_EVERY_SECONDS
        self._stop = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="threadrun-tick", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more wake-ups."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(self.pause_seconds):
            self.once()

    @property
    def pause_seconds(self) -> float:
        """How long to wait until the next tick: longer where Redis does not answer, or has had nothing to do."""
        if self._failed:
            return FAILED_PAUSE_SECONDS
        idle = time.monotonic() - self._busy_at > IDLE_AFTER_SECONDS
        return self._tick_seconds * (IDLE_FACTOR if idle else 1)

    def received(self, stage: Stage, profile: str) -> None:
        """Note that a wake-up came through, whatever it can claim; any thread may say so."""
        self._received.append(self._pairs.index((stage, profile)))

    def once(self) -> int:
        """Tick once; gives the number of wake-ups sent."""
        try:
            received = {self._received.popleft() for _ in range(len(self._received))}
            told: list[Arg] = [
                WAKE_LIFE_MS,
                LONGEST_WAKE_LIFE_MS,
                self._keys.clock(),
                self._watch.believed_ms,
            ]
            asked_at = self._watch.monotonic()
            now_ms, ahead_ms, seen_ms, *due = self._scripts.call(
                "due", self._key_names, [*told, *sorted(received)]
            )
            jump_ms = self._watch.read(int(now_ms), int(seen_ms), asked_at)
            if jump_ms:
                due = []  # sent by the next tick, once the clock is right
            # Sent before anything else can fail: those stages are marked as woken now.
            for position in due:
                stage, profile = self._pairs[int(position)]
                if not self._serves_itself(stage, profile):
                    self._outbox.send(Message(TASK_OF_STAGE[stage], (profile,)))
            if self._look() or due:
                self._busy_at = time.monotonic()
            if jump_ms or not self._begun:
                self._set_right(ahead_ms, jump_ms)
            self._trim()
        except (RedisError, OSError) as error:
            if not self._failed:
                log.warning("tick.failed", error=type(error).__name__)
            self._failed = True
            return 0
        if self._failed:
            log.info("tick.resumed")
        self._failed = False
        return len(due)

    def _set_right(self, ahead_ms: str, jump_ms: int) -> None:
        """Take a jump out of the deployment's clock; a worker that begins looks at what an unseen one has put off."""
        keys = self._keys
        profiles = dict.fromkeys(profile for _, profile in self._pairs)
        watches = [name for profile in profiles for name in (keys.twins(profile), keys.nothing())]
        names = [keys.clock(), *self._key_names, *watches]
        if self._scripts.call("clock", names, [ahead_ms, jump_ms, FAR_AHEAD_MS]) and jump_ms:
            log.error("clock.jumped", seconds=round(jump_ms / 1000, 3))
        self._begun = True

    def _trim(self) -> None:
        if time.monotonic() < self._trim_at:
            return
        self._trim_at = time.monotonic() + TRIM_EVERY_SECONDS
        keys = self._keys
        labels = ["none", *dict.fromkeys([*RunStatus, *Outcome])]
        indexes = [keys.index_runs(), *(keys.index_status(label) for label in labels)]
        catalogues = [keys.tools(), keys.tools_seen(), keys.profiles(), keys.workers()]
        age_ms = min(self._index_life_ms, INDEX_LIFE_SECONDS * 1000)
        gone: int = self._scripts.call("trim", catalogues + indexes, [age_ms, UNSEEN_LIFE_MS, TRIM_LIMIT])
        if gone >= TRIM_LIMIT:  # there may be more; once a minute would not keep up with 17 runs a second
            self._trim_at = time.monotonic()
