"""The house beside the real run server: both clocks are turned together, though they never agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import SecretStr

from tests.integration.backend import Backend
from tests.integration.engine.house import RULES, House
from threadrun.models import Run
from threadrun.records import ProviderAnswer
from threadrun.request import RunRequest
from threadrun.testing import ManualClock, Quirk, RunServer, ServerOptions
from worker.decide.rules import Rules
from worker.providers import AssistantsProvider, Capabilities, ProfileConnection, Reply, Unknown

ASSISTANT = "asst_demo"


class SlowRoad(AssistantsProvider):
    """Lose creates on the way; those that were lost can arrive later all the same."""

    def __init__(self, url: str, **options: Any) -> None:
        connection = ProfileConnection("default", url, SecretStr("sk-any"), request_deadline_seconds=10)
        super().__init__(connection, **options)
        self.to_lose = 0
        self._late: list[Callable[[], Awaitable[Reply[Run]]]] = []

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        if not self.to_lose:
            return await super().create_run(thread_id, request, run_key=run_key)
        self.to_lose -= 1
        arrive = super().create_run
        self._late.append(lambda: arrive(thread_id, request, run_key=run_key))
        return Unknown("timeout", ProviderAnswer(reason="timeout"))

    async def deliver(self) -> list[Reply[Run]]:
        """Let the lost creates arrive now."""
        late, self._late = self._late, []
        return [await arrive() for arrive in late]


class ServedHouse(House):
    """Carry runs at a run server."""

    def __init__(
        self, backend: Backend, *quirks: Quirk, metadata_echoed: bool = True, rules: Rules = RULES
    ) -> None:
        options = ServerOptions(think_seconds=0.5, cancel_seconds=0.5, quirks=frozenset(quirks))
        self.server = RunServer(options, clock=ManualClock()).start()
        capabilities = Capabilities(metadata_echoed=metadata_echoed)
        self.road = SlowRoad(self.server.base_url, capabilities=capabilities)
        super().__init__(backend, self.road, rules)

    def turn(self, seconds: float) -> None:
        super().turn(seconds)
        self.server.clock.advance(seconds)

    def enqueue(self, **options: Any) -> str:
        return self.client.enqueue(ASSISTANT, **{"messages": "say hi", **options}).key

    async def thread(self) -> str:
        """Make a thread at the server, as another program does."""
        request = RunRequest.model_validate({"assistant_id": ASSISTANT, "messages": [{"content": "say hi"}]})
        return self.value(await self.road.create_thread(request, run_key="-"))

    async def foreign_run(self, thread_id: str) -> str:
        """Start a run there that is not ours."""
        request = RunRequest(assistant_id=ASSISTANT, thread_id=thread_id)
        created: Run = self.value(
            await AssistantsProvider.create_run(self.road, thread_id, request, run_key="-")
        )
        return created.id

    @staticmethod
    def value(reply: Any) -> Any:
        return reply.value

    async def aclose(self) -> None:
        await self.road.close()
        self.server.stop()
