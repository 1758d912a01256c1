"""The run server as a test holds it: started, asked, turned and stopped from Python."""

from __future__ import annotations

import asyncio
import socket
from threading import Event, Thread
from types import TracebackType
from typing import Self, cast

import uvicorn

from threadrun.testing.app import build_app
from threadrun.testing.clock import Clock, RunningClock
from threadrun.testing.deliver import connection_protocol
from threadrun.testing.dialect import Dialect
from threadrun.testing.effects import Effect
from threadrun.testing.faults import FaultPlan
from threadrun.testing.objects import JsonObject, Run
from threadrun.testing.options import ServerOptions
from threadrun.testing.refusals import not_found
from threadrun.testing.world import World

START_SECONDS = 10.0
"""How long a start may take."""


class RunServer:
    """Serve the Assistants wire over real HTTP, on the loopback address, from a thread of this process.

    What it knows survives a stop: started again, it listens at the same address with all its runs, as a
    provider does after an outage.

        with RunServer() as server:
            client = openai.OpenAI(base_url=server.base_url, api_key="any")
    """

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        clock: Clock | None = None,
        dialect: Dialect | None = None,
        port: int = 0,
        faults: FaultPlan | None = None,
    ) -> None:
        self.clock = clock or RunningClock()
        """The server's time; `advance` turns it."""
        self._world = World(options or ServerOptions(), self.clock, dialect or Dialect())
        self._world.set_faults(faults)
        self._address = ("127.0.0.1", port)
        self._uvicorn: _Uvicorn | None = None
        self._thread: Thread | None = None

    @property
    def base_url(self) -> str:
        """The URL for a client's `base_url`, or a profile's; ends with the dialect's prefix."""
        return self.url + self._world.dialect.prefix

    @property
    def url(self) -> str:
        """The URL of the server itself, where `/_control` is."""
        return f"http://{self._address[0]}:{self._address[1]}"

    @property
    def log(self) -> list[Effect]:
        """What every request did, oldest first."""
        with self._world.lock:
            return self._world.log.after(0)

    @property
    def faults(self) -> FaultPlan | None:
        """What goes wrong, and how often it did; set it to have other faults from the next request on."""
        return self._world.faults

    @faults.setter
    def faults(self, plan: FaultPlan | None) -> None:
        with self._world.lock:
            self._world.set_faults(plan)

    def effects(self, name: str) -> list[Effect]:
        """Give the effects of one name, such as `run.created`, oldest first."""
        return [effect for effect in self.log if effect.effect == name]

    def run(self, run_id: str) -> JsonObject:
        """Give a run as a GET would, without leaving an effect.

        Raises:
            LookupError: if the server has no such run.
        """
        with self._world.lock:
            return self._world.dialect.run(self._find(run_id))

    def runs(self) -> list[JsonObject]:
        """Give all runs, oldest first."""
        with self._world.lock:
            return [self.run(run_id) for run_id in self._world.runs]

    def steps(self, run_id: str) -> list[JsonObject]:
        """Give a run's steps, oldest first.

        Raises:
            LookupError: if the server has no such run.
        """
        with self._world.lock:
            run = self._find(run_id)
            return [self._world.dialect.step(run, step) for step in run.steps]

    def messages(self, thread_id: str) -> list[JsonObject]:
        """Give a thread's messages, oldest first.

        Raises:
            LookupError: if the server has no such thread.
        """
        with self._world.lock:
            if thread_id not in self._world.threads:
                raise LookupError(not_found("thread", thread_id).message)
            thread = self._world.thread(thread_id)
            return [self._world.dialect.message(message) for message in thread.messages]

    def transitions(self, run_id: str) -> list[tuple[float, str]]:
        """Give every status of a run and when it came, in unix seconds; polls only sample this.

        Raises:
            LookupError: if the server has no such run.
        """
        with self._world.lock:
            return [(at, str(status)) for at, status in self._find(run_id).transitions]

    def start(self) -> Self:
        """Listen, and return when requests are answered.

        Raises:
            OSError: if the port is taken.
            RuntimeError: if it is running already, or does not come up.
        """
        if self._thread is not None:
            raise RuntimeError("The run server is running already. Stop it first.")
        listener = _listen(self._address)
        self._address = listener.getsockname()
        config = uvicorn.Config(
            build_app(self._world),
            http=cast("type[asyncio.Protocol]", connection_protocol),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._uvicorn = _Uvicorn(config)
        self._thread = Thread(target=self._uvicorn.run, args=([listener],), name="run-server", daemon=True)
        self._thread.start()
        if not self._uvicorn.listening.wait(START_SECONDS):
            raise RuntimeError(f"The run server did not come up within {START_SECONDS:g} s.")
        return self

    def stop(self) -> None:
        """Stop listening and close all connections; what the server knows stays for another start."""
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.should_exit = True
            self._thread.join()
        self._uvicorn = self._thread = None
        self._world.log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _find(self, run_id: str) -> Run:
        run = self._world.runs.get(run_id)
        if run is None:
            raise LookupError(not_found("run", run_id).message)
        self._world.catch_up(run.thread)
        return run


def _listen(address: tuple[str, int]) -> socket.socket:
    # The protocol must be named: asyncio sets TCP_NODELAY only then, and without it every answer waits 40 ms
    # for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


class _Uvicorn(uvicorn.Server):
    """Tell when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()
