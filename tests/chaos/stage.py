"""What every experiment stands on: Redis, the run server with its effect log, a crew of workers, and a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.crew import ROOT, Crew
from tests.chaos.records import Records
from threadrun.client import RunClient
from threadrun.testing import FaultProxy, LocalStack

QUICK = {
    "THREADRUN_ENGINE__LEASE_SECONDS": "4",
    "THREADRUN_ENGINE__HEARTBEAT_SECONDS": "0.5",
    "THREADRUN_ENGINE__DEAD_AFTER_SECONDS": "2",
    "THREADRUN_ENGINE__TOOLS_LOOK_SECONDS": "0.5",
    "THREADRUN_ENGINE__DRAIN_SECONDS": "6",
    "THREADRUN_PROFILES__DEFAULT__REQUEST_DEADLINE_SECONDS": "3",
}
"""Times for a small size: leases and heartbeats lapse in seconds; their relations are the defaults'."""


SERVER_LINE, REDIS_LINE = "THREADRUN_PROFILES__DEFAULT__BASE_URL", "THREADRUN_REDIS_URL"
"""The settings whose addresses can be put behind a line."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold what an experiment uses."""

    stack: LocalStack
    crew: Crew
    records: Records
    server_line: FaultProxy
    """What stands between the workers and the run server; it does nothing until it is told to."""
    redis_line: FaultProxy
    """What stands between the workers and Redis, likewise."""
    server_log: Path
    """What the run server did."""
    effects: Path
    """What the handlers did."""

    @property
    def client(self) -> RunClient:
        """Enqueue and judge with this."""
        return self.stack.client


@contextmanager
def staged(
    folder: Path,
    *,
    groups: int,
    env: Mapping[str, str] | None = None,
    server_arguments: Sequence[str] = (),
    lines: Sequence[str] = (),
) -> Iterator[Stage]:
    """Set everything up, with all its workers ready; `lines` names what they reach through a line that can break."""
    server_log, effects = folder / "server.jsonl", folder / "effects.jsonl"
    ours = {
        "CHAOS_EFFECTS_FILE": str(effects),
        "THREADRUN_TOOLS__MODULES": "tests.chaos.handlers",
        "THREADRUN_LOG__FORMAT": "json",
        **(env or {}),
    }
    arguments = ["--effect-log", str(server_log), *server_arguments]
    stack = LocalStack(checkout=ROOT, env=ours, server_arguments=arguments, runs_workers=0, tools_workers=0)
    with (
        stack,
        FaultProxy.before(stack.server_url) as server_line,
        FaultProxy.before(stack.redis_url) as redis_line,
        Records(stack.redis_url) as records,
    ):
        through = {
            SERVER_LINE: server_line.url,
            REDIS_LINE: redis_line.url,
        }
        behind = {**stack.env, **{name: through[name] for name in lines}, "TMPDIR": str(stack.folder)}
        with Crew(folder, behind, groups) as crew:
            crew.wait_until_ready(stack.client)
            yield Stage(stack, crew, records, server_line, redis_line, server_log, effects)
