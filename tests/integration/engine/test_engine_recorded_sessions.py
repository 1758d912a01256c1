"""Two recorded sessions of OpenAI, replayed over HTTP to the real engine, end in the recorded result."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.integration.carrying import claim_call, settle
from tests.integration.engine.canned import answered_by
from threadrun.records import RunRecord
from threadrun.status import Outcome
from worker.store.ledger import CallAddress

SESSIONS = Path(__file__).parents[2] / "fixtures" / "transcripts"
TOOL = "get_favorite_food_for_day_of_week"


class Session:
    """Answer each operation with its recorded replies, in their order; the last one stands."""

    def __init__(self, name: str) -> None:
        entries = json.loads((SESSIONS / f"openai-dotnet_{name}.json").read_bytes())["Entries"]
        self.recorded: dict[str, list[Any]] = defaultdict(list)
        self.sent: dict[str, list[Any]] = defaultdict(list)
        self.got: dict[str, list[Any]] = defaultdict(list)
        for entry in entries:
            operation = self.operation(entry["RequestMethod"], entry["RequestUri"].partition("?")[0])
            self.recorded[operation].append(entry["ResponseBody"])
            self.sent[operation].append(entry["RequestBody"])
        self._left = {operation: list(replies) for operation, replies in self.recorded.items()}

    @staticmethod
    def operation(method: str, path: str) -> str:
        last = path.rstrip("/").rsplit("/", 1)[-1]
        if last.startswith("run_"):
            return "get"
        # The session that created thread and run in one request has the reply of a run for it.
        return "create" if method == "POST" and last == "runs" else last

    async def answer(self, request: web.Request) -> web.Response:
        operation = self.operation(request.method, request.path)
        self.got[operation].append(await request.json() if request.can_read_body else None)
        replies = self._left.get(operation)
        if operation == "threads" and not replies:
            return web.json_response({"id": self.recorded["create"][0]["thread_id"], "object": "thread"})
        if not replies:  # the session did not ask for it
            return web.json_response({"object": "list", "data": [], "has_more": False})
        return web.json_response(replies.pop(0) if len(replies) > 1 else replies[0])


async def replay(session: Session, new_house: Any, *, tool: str | None, output: str = "") -> RunRecord:
    """Carry a run over the session; its one tool call is answered as the recorded client did."""
    async with answered_by(session.answer) as provider:
        house = new_house(provider)

        async def run_handlers() -> None:
            for message in house.outbox.take("tools.execute"):
                at = CallAddress(*message.args)
                await claim_call(house.store, at, "token")
                await settle(house.store, at, "token", output=output)

        house.run_handlers = run_handlers
        if tool:
            entry = {"queue": "tools", "timeout_seconds": 60.0, "idempotent": False}
            house.backend.sync.hset(house.backend.keys.tools(), tool, json.dumps(entry))
        key = house.enqueue()
        await house.carry()
        record: RunRecord = house.record(key)
        return record


async def test_a_recorded_session_with_code_interpreter_ends_in_its_recorded_run_and_steps(new_house) -> None:
    session = Session("BasicRunStepFunctionalityWorks")
    record = await replay(session, new_house, tool=None)
    last, steps = session.recorded["get"][-1], session.recorded["steps"][-1]["data"]

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    assert record.run is not None
    assert json.dumps(record.run.to_wire()) == json.dumps(last)
    # The recorded client asked for the newest first; a record has the oldest first, whatever the server gives.
    assert [json.dumps(step.to_wire()) for step in record.steps] == [json.dumps(step) for step in steps[::-1]]
    assert record.usage is not None
    assert (record.usage.to_wire(), record.usage_source) == (last["usage"], "run")


async def test_a_recorded_session_with_a_function_submits_what_was_submitted_and_ends_in_its_recorded_run(
    new_house,
) -> None:
    session = Session("FunctionToolsWork")
    record = await replay(session, new_house, tool=TOOL, output="tacos")
    last, replies = session.recorded["get"][-1], session.recorded["messages"][-1]["data"]

    assert (record.outcome, record.missing) == (Outcome.COMPLETED, ())
    assert record.run is not None
    assert json.dumps(record.run.to_wire()) == json.dumps(last)
    assert session.got["submit_tool_outputs"] == session.sent["submit_tool_outputs"]
    (call,) = record.tool_calls
    assert (call.tool, call.arguments, call.output) == (TOOL, '{"day_of_week":"Thursday"}', "tacos")
    written = [message for message in replies if message["role"] == "assistant"]
    assert [message.to_wire() for message in record.messages] == written
    assert record.output_text == written[0]["content"][0]["text"]["value"]
    assert record.usage is not None
    assert record.usage.to_wire() == last["usage"]
