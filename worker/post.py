"""Send the POST whose intent was just stored, and give what was seen."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeAlias, assert_never

from threadrun.models import Run
from threadrun.request import RunRequest
from threadrun.status import CallState, Stage
from threadrun.tools import ToolResultKind
from worker.decide.approvals import APPROVED, MCP, wants_approvals
from worker.decide.calls import answer_for, ours, places_asked
from worker.decide.seen import CancelAnswered, CreateAnswered, OutputsAnswered, Seen, ThreadAnswered
from worker.desk import Desk
from worker.outputs import fit
from worker.providers.base import ToolAnswer, ToolApproval, ToolOutput
from worker.view import Effect, RunView

_HAS_OUTPUT = frozenset({CallState.SETTLED, CallState.SUBMITTED})


Wanted: TypeAlias = Callable[[], Awaitable[RunRequest]]
"""Gives what the caller asked for."""


async def post(
    desk: Desk,
    run: RunView,
    effect: Effect,
    shown: Run | None,
    wanted: Wanted,
    before_sending: Callable[[], Awaitable[None]],
) -> Seen:
    """Send one POST.

    Args:
        desk: The parts.
        run: As stored after the intent.
        effect: What to send.
        shown: The run as the provider showed it in this advance, if it was read.
        wanted: Gives the request that the run was enqueued with.
        before_sending: Sees, when all is read, that the claim outlives the request.
    """
    thread_id, run_id = run.thread_id or "", run.run_id or ""
    match effect:
        case Effect.CREATE_THREAD:
            request = await wanted()
            await before_sending()
            return ThreadAnswered(await desk.provider.create_thread(request, run_key=run.key))
        case Effect.CREATE_RUN:
            request = await wanted()
            await before_sending()
            return CreateAnswered(await desk.provider.create_run(thread_id, request, run_key=run.key))
        case Effect.SUBMIT_OUTPUTS:
            outputs = await _outputs(desk, run, shown, wanted)
            await before_sending()
            return OutputsAnswered(await desk.provider.submit_tool_outputs(thread_id, run_id, outputs))
        case Effect.CANCEL_RUN:
            await before_sending()
            return CancelAnswered(await desk.provider.cancel_run(thread_id, run_id))
        case _:
            assert_never(effect)


async def _outputs(desk: Desk, run: RunView, shown: Run | None, wanted: Wanted) -> Sequence[ToolAnswer]:
    """Give every output of the round that is asked for, in order, so that a repeat sends the same bytes."""
    if run.stage is Stage.CANCEL and shown is not None:
        return await _cancelled(desk, run, shown)
    if run.stage is Stage.SUBMIT:
        stored: Sequence[tuple[str, str]] = [(call.tool_call_id, call.output) for call in run.calls]
    else:
        stored = await desk.store.outputs(run)
    places = run.progress.wanted or range(len(stored))
    if any(call.type == MCP for call in run.calls):
        headers = await _mcp_headers(desk, run, await wanted())
        return [ToolApproval(stored[at][0], stored[at][1] == APPROVED, headers[at]) for at in places]
    texts = fit([stored[at][1] for at in places], desk.max_output_total_bytes)
    return [ToolOutput(stored[at][0], text) for at, text in zip(places, texts, strict=True)]


async def _cancelled(desk: Desk, run: RunView, shown: Run) -> Sequence[ToolAnswer]:
    """Answer what a run still requires that is to be cancelled: outputs that are there, else that it was cancelled."""
    if wants_approvals(shown):
        return [ToolApproval(call.id, approve=False) for call in ours(shown)]
    cancelled = answer_for(ToolResultKind.CANCELLED)
    places = places_asked(run.progress.signature, shown)
    known = await desk.store.outputs(run) if places else ()
    settled = {at for at, call in enumerate(run.calls) if call.state in _HAS_OUTPUT}
    return [
        ToolOutput(call.id, known[at][1] if at in settled else cancelled)
        for call, at in zip_longest(ours(shown), places)
    ]


async def _mcp_headers(desk: Desk, run: RunView, request: RunRequest) -> Sequence[Mapping[str, str]]:
    """Find in the request what each call's server is to be sent; the provider keeps it no longer than a request."""
    servers = (request.tool_resources or {}).get("mcp") or ()
    known = {
        server.get("server_label"): server.get("headers") for server in servers if isinstance(server, dict)
    }
    labels = [json.loads(text or "{}").get("server_label") for text in await desk.store.arguments(run)]
    found = [known.get(label) for label in labels]
    return [headers if isinstance(headers, dict) else {} for headers in found]
