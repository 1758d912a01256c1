"""The same lives over real sockets, and whoever dies is a real process: a forked child that ends by `os._exit`."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import httpx

from tests.simulation.deployment import Deployment, Surroundings
from tests.simulation.every_point import Evidence, Life, faults, forget, surroundings
from tests.simulation.handlers import Entered, Handlers
from tests.simulation.kinds import KINDS, play
from tests.simulation.provider_server import HEADERS
from tests.simulation.seam import Fate, Point
from tests.simulation.turned_time import turned_time
from threadrun.redis_clients import connect, connect_async
from threadrun.testing.faults import FaultPlan
from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.run_server_control import RunServerControl
from worker.transport import HttpTransport

DIED = 137
MOST_LIVES = 3


@contextmanager
def run_server(folder: Path) -> Iterator[str]:
    """Run a run server whose clock is turned, in a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "threadrun.testing", "--manual-clock", "--think-seconds", "1"]
    process = GuardedProcess([*command, "--accept-any-assistant"], log=folder / "server.log")

    def base_url() -> str | None:
        line, end, _ = process.log_text().partition("\n")
        return str(json.loads(line)["base_url"]) if end else None

    try:
        yield process.wait_until(base_url, 60)
    finally:
        process.close()


@dataclass(frozen=True)
class Site:
    """Where real deaths are died."""

    redis_url: str
    server_url: str
    folder: Path

    def die_once(self, kind_name: str, die_at: Point) -> Life:
        """Carry a kind of run to its end in children of this process; the first one ends at the point.

        Each child counts its own steps, so a kind whose recovery is tried has no place here.
        """
        redis = connect(self.redis_url)
        around = surroundings(redis, None, lambda _: None)
        scene = Scene(self, around, kind_name, self.folder / f"{around.keys.prefix[:-1]}.jsonl")
        try:
            codes = [scene.child(die_at)]
            while codes[-1] == DIED and len(codes) < MOST_LIVES:
                codes.append(scene.child())
            deaths = [str(die_at)] * codes.count(DIED)
            return Life([die_at], scene.judged(deaths) if codes[-1] == 0 else [f"ended {codes}"], deaths)
        finally:
            forget(around)
            redis.close()


class Scene:
    """One run's lives."""

    def __init__(self, site: Site, around: Surroundings, kind_name: str, journal: Path) -> None:
        self._site = site
        self._around = around
        self._kind_name = kind_name
        self._journal = journal
        self._prefix = around.keys.prefix[:-1]
        journal.touch()
        headers = {name.decode(): value.decode() for name, value in HEADERS.items()}
        answer = httpx.post(f"{site.server_url}/threads", json={}, headers=headers, trust_env=False)
        control = RunServerControl(site.server_url)
        control.set_faults(FaultPlan(KINDS[kind_name].faults))
        control.close()
        self._thread_id = str(answer.raise_for_status().json()["id"])

    def child(self, *die_at: Point) -> int:
        """Live in a forked child to the end or to its death; gives its exit code."""
        sys.stdout.flush()
        sys.stderr.flush()
        if pid := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            self._live(*die_at)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)

    def _live(self, *die_at: Point) -> None:
        def kill(name: str) -> NoReturn:
            os._exit(DIED)

        control = RunServerControl(self._site.server_url)
        transport = HttpTransport(deadline_seconds=15, max_connections=20)
        around = replace(
            self._around,
            redis=connect(self._site.redis_url),
            transport=transport,
            turn_provider=control.turn,
            new_async_redis=lambda: connect_async(self._site.redis_url),
            published=lambda message: self._note("told", message.task),
            base_url=self._site.server_url,
            broker=[],
        )
        entered = Journalled(self._note)
        deployment = Deployment(around, Fate(*die_at, kill=kill), Handlers(entered))
        with turned_time(deployment.monotonic, deployment.turn):
            play(deployment, KINDS[self._kind_name], self._thread_id, self._prefix)

    def _note(self, *what: str) -> None:
        with self._journal.open("a") as file:
            file.write(json.dumps(what) + "\n")

    def judged(self, deaths: list[str]) -> list[str]:
        """List what must not be."""
        noted = [json.loads(line) for line in self._journal.read_text().splitlines()]
        kind = KINDS[self._kind_name]
        run_keys = [f"{self._prefix}run{number}" for number in range(len(kind.scripts))]
        seen = Evidence(
            run_keys,
            self._provider_runs(run_keys),
            [(name, key) for what, name, *rest in noted if what == "entered" for key in rest],
            [name for what, name, *_ in noted if what == "told"],
        )
        return faults(self._around, kind, seen, deaths)

    def _provider_runs(self, run_keys: list[str]) -> list[Any]:
        control = RunServerControl(self._site.server_url)
        made = [effect for key in run_keys for effect in control.effects("run.created", run_key=key)]
        found = [control.run(effect.run_id or "") for effect in made]
        control.close()
        return found


class Journalled(Entered):
    """Note in a file who was entered: it outlives whoever wrote it."""

    def __init__(self, note: Any) -> None:
        super().__init__()
        self._note = note

    def note(self, name: str, key: str) -> None:
        self._note("entered", name, key)
