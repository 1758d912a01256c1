"""A client of a run server that breaks on demand, and sees what that did."""

from __future__ import annotations

from typing import Any

import httpx

from threadrun.testing import Effect, FaultPlan, FaultRule, RunServer
from threadrun.testing.faults import Fault
from threadrun.testing.objects import JsonObject

HEADERS = {"Authorization": "Bearer any", "OpenAI-Beta": "assistants=v2"}


SILENCE_SECONDS = 0.1
"""How long a client of a silent server waits."""


class Api:
    """Ask the server as a client of its wire does, and look at what that did."""

    def __init__(self, http: httpx.Client, server: RunServer) -> None:
        self.http = http
        self.server = server
        self._seen = len(server.log)

    def thread(self, text: str, **body: Any) -> str:
        reply = self.http.post("/threads", json={"messages": [{"role": "user", "content": text}], **body})
        return str(reply.json()["id"])

    def run(self, text: str, **body: Any) -> str:
        """Create a run on a thread of its own; its URL."""
        thread = self.thread(text)
        reply = self.http.post(f"/threads/{thread}/runs", json={"assistant_id": "asst_demo", **body})
        return f"/threads/{thread}/runs/{reply.json()['id']}"

    def waiting(self) -> tuple[str, JsonObject]:
        """Create a run that requires an action; its URL, and the outputs for it."""
        url = self.run("call a; say $1")
        self.server.clock.advance(1)
        (call,) = self.get(url)["required_action"]["submit_tool_outputs"]["tool_calls"]
        return url, {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}]}

    def get(self, url: str, **query: str) -> JsonObject:
        reply = self.http.get(url, params=query)
        assert reply.status_code == 200, reply.text
        body: JsonObject = reply.json()
        return body

    def break_(self, fault: Fault, **rule: Any) -> FaultPlan:
        plan = FaultPlan([FaultRule(fault=fault, **rule)])
        self.server.faults = plan
        self._seen = len(self.server.log)
        return plan

    def told(self) -> Effect:
        """The one effect since the server was broken."""
        (effect,) = self.server.log[self._seen :]
        return effect
