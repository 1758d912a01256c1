"""All of threadrun on this machine, as processes: Redis, the run server, and workers of both kinds."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from threadrun.client import RunClient
from threadrun.testing.embedded_redis import EmbeddedRedis
from threadrun.testing.guarded import GuardedProcess
from threadrun.testing.procfile import procfile_command
from threadrun.testing.run_server_control import RunServerControl

START_SECONDS = 60.0
"""How long a process may take until it is ready; a worker takes about 2 s on an idle machine."""

STOP_SECONDS = 15.0
"""How long the workers may take to end at the end of the stack; then they are killed."""

SERVER = "server"
"""The run server's kind."""

_WORKERS = ("runs", "tools")

_ROOT_IS_FINE = "ignore:You're running the worker with superuser privileges"
"""Celery's long warning to root, who runs tests in many containers."""


class LocalStack:
    """Run everything that carries a run, for demos, end-to-end tests and CI.

    Workers are started from a checkout as its Procfile says. Nothing of the surroundings takes part: neither
    THREADRUN_… variables nor a `.env` file. Whatever ends this process, nothing that it started is left.

        with LocalStack(modules=["handlers"], checkout="threadrun", paths=["."]) as stack:
            run = stack.client.enqueue("asst_demo", messages="call add {}", tools=["add"]).wait(30)
    """

    def __init__(
        self,
        modules: Sequence[str] = (),
        *,
        checkout: Path | str | None = None,
        paths: Sequence[Path | str] = (),
        runs_workers: int = 1,
        tools_workers: int = 1,
        env: Mapping[str, str] | None = None,
        server_arguments: Sequence[str] = (),
        redis: str | None = None,
    ) -> None:
        """Say what to start; `with` starts it.

        Args:
            modules: Modules that hold handlers of the queue `tools`, by their dotted names.
            checkout: The checkout that holds the Procfile; none: the current folder.
            paths: Folders to import the modules from, beside the checkout.
            runs_workers: How many workers of the `runs` queue.
            tools_workers: How many workers of the `tools` queue; without one no tool is served.
            env: Further variables of the workers, such as THREADRUN_ENGINE__LEASE_SECONDS.
            server_arguments: Options of the run server; `python -m threadrun.testing --help` lists them.
            redis: The kind of Redis, as for `EmbeddedRedis`.

        Raises:
            RuntimeError: There is no Redis of this kind here.
        """
        self.redis = EmbeddedRedis(redis)
        """The Redis; `redis.restart()` kills it and starts it again."""
        self._checkout = Path(checkout or Path.cwd()).resolve()
        self._paths = [self._checkout, *(Path(path).resolve() for path in paths)]
        self._modules = modules
        self._wanted = ["runs"] * runs_workers + ["tools"] * tools_workers
        self._extra = dict(env or {})
        self._server_arguments = server_arguments
        self._processes: dict[str, list[GuardedProcess]] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="threadrun-logs-"))
        """Where the logs are; it is removed at the end."""
        try:
            self._open()
        except BaseException:  # Ctrl-C while it starts leaves no process either
            self._close(graceful=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(graceful=kind is None)

    def start(self, kind: str) -> int:
        """Start one more process and wait until it is ready; gives its index among those of its kind.

        Args:
            kind: `runs` or `tools`, or another process of the Procfile, which is not waited for.

        Raises:
            RuntimeError: It does not come up; the text ends with its log.
        """
        index = self._launch(kind)
        self._await(kind, index)
        return index

    def kill(self, kind: str, index: int = 0) -> None:
        """Kill a process and all its children at once (SIGKILL), as a crash of its machine would."""
        self._process(kind, index).kill()

    def stop(self, kind: str, index: int = 0, timeout_seconds: float = STOP_SECONDS) -> int:
        """Ask a process to end (SIGTERM), as a deploy does, and wait; gives its exit code.

        Raises:
            TimeoutError: It did not end in time, and goes on.
        """
        return self._process(kind, index).stop(timeout_seconds)

    def pid(self, kind: str, index: int = 0) -> int:
        """Give the id of a process, which is that of its process group too."""
        return self._process(kind, index).pid

    def running(self, kind: str, index: int = 0) -> bool:
        """Tell whether a process has not ended."""
        return self._process(kind, index).running

    def logs(self, kind: str, index: int = 0) -> str:
        """Read what a process has written; kinds are `runs`, `tools` and `server`."""
        return self._process(kind, index).log_text()

    def log_tails(self, lines: int = 20) -> str:
        """Read the end of every log, each under its name; what one wants to see when something failed."""
        tails = (f"--- {name}\n{process.log_tail(lines)}\n" for name, process in self._named())
        return "".join(tails)

    def _open(self) -> None:
        self.redis.start()
        self.redis_url = self.redis.url
        """The URL of the Redis."""
        self.server_url = self._start_server()
        """The run server's base URL, for a profile or any client of the wire."""
        self.control = RunServerControl(self.server_url)
        """The run server's inside: what it was asked, and what became of it."""
        self.env = self._environment()
        """The whole environment of the workers; give it to further processes."""
        self.client = RunClient.from_env(self.env)
        """A client of this stack."""
        started = [(kind, self._launch(kind)) for kind in self._wanted]
        for kind, index in started:
            self._await(kind, index)

    def _start_server(self) -> str:
        command = [sys.executable, "-m", "threadrun.testing", *self._server_arguments]
        env = {**os.environ, "PYTHONPATH": self._python_path()}
        server = self._add(SERVER, command, env)

        def base_url() -> str | None:
            line, end, _ = server.log_text().partition("\n")
            return str(json.loads(line)["base_url"]) if end else None

        return server.wait_until(base_url, START_SECONDS)

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("THREADRUN_")}
        ours = {
            "PYTHONPATH": self._python_path(),
            "THREADRUN_REDIS_URL": self.redis_url,
            "THREADRUN_PROFILES__DEFAULT__BASE_URL": self.server_url,
            "THREADRUN_PROFILES__DEFAULT__API_KEY": "local",
            # The little model thinks for 50 ms, and the server is on this machine.
            "THREADRUN_PROFILES__DEFAULT__POLL__FIRST_SECONDS": "0.25",
            "THREADRUN_TOOLS__MODULES": ",".join(self._modules),
        }
        return {**clean, **ours, **self._extra}

    def _python_path(self) -> str:
        inherited = os.environ.get("PYTHONPATH")
        return os.pathsep.join([*map(str, self._paths), *([inherited] if inherited else [])])

    def _launch(self, kind: str) -> int:
        index = len(self._processes.get(kind, ()))
        # A killed worker leaves temporary files behind; here they go with the folder.
        env = {"PYTHONWARNINGS": _ROOT_IS_FINE, **self.env, "TMPDIR": str(self.folder)}
        self._add(kind, procfile_command(self._checkout, kind, f"{kind}{index}@%h"), env)
        return index

    def _add(self, kind: str, command: Sequence[str], env: Mapping[str, str]) -> GuardedProcess:
        known = self._processes.setdefault(kind, [])
        log = self.folder / f"{kind}{len(known)}.log"
        # In a folder without a .env file, which would be read.
        process = GuardedProcess(command, log=log, env=env, cwd=self.folder, remove=self.folder)
        known.append(process)
        return process

    def _await(self, kind: str, index: int) -> None:
        """Wait for a worker's first heartbeat, which publishes what it serves."""
        process = self._process(kind, index)

        def has_beaten() -> bool | None:
            return (
                any(worker.alive and worker.pid == process.pid for worker in self.client.stats().workers)
                or None
            )

        if kind in _WORKERS:
            process.wait_until(has_beaten, START_SECONDS)

    def _process(self, kind: str, index: int) -> GuardedProcess:
        return self._processes[kind][index]

    def _named(self) -> Iterator[tuple[str, GuardedProcess]]:
        for kind, processes in self._processes.items():
            yield from ((f"{kind} {index}", process) for index, process in enumerate(processes))

    def _close(self, *, graceful: bool) -> None:
        try:
            if graceful:
                self._end_workers()
        finally:
            for _, process in self._named():
                process.close()
            self.redis.stop()
            for client in (getattr(self, "client", None), getattr(self, "control", None)):
                if client is not None:
                    client.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._processes.clear()

    def _end_workers(self) -> None:
        workers = [process for name, process in self._named() if not name.startswith(SERVER)]
        for process in workers:
            process.ask_to_end()
        for process in workers:
            with suppress(TimeoutError):
                process.stop(STOP_SECONDS)
