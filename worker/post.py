"""Send the POST whose intent was just stored, and give what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from threadrun.models import Run
from threadrun.request import RunRequest
from threadrun.status import CallState, Stage
from threadrun.tools import ToolResultKind
from worker.decide.calls import answer_for, fingerprint, ours
from worker.decide.seen import CancelAnswered, CreateAnswered, OutputsAnswered, Seen, ThreadAnswered
from worker.desk import Desk
from worker.outputs import fit
from worker.providers.base import ToolOutput
from worker.view import Effect, RunView

_HAS_OUTPUT = frozenset({CallState.SETTLED, CallState.SUBMITTED})


async def post(desk: Desk, run: RunView, effect: Effect, shown: Run | None) -> Seen:
    """Send one POST.

    Args:
        desk: The parts.
        run: As stored after the intent.
        effect: What to send.
        shown: The run as the provider showed it in this advance, if it was read.
    """
    thread_id, run_id = run.thread_id or "", run.run_id or ""
    match effect:
        case Effect.CREATE_THREAD:
            return ThreadAnswered(
                await desk.provider.create_thread(await _request(desk, run), run_key=run.key)
            )
        case Effect.CREATE_RUN:
            request = await _request(desk, run)
            return CreateAnswered(await desk.provider.create_run(thread_id, request, run_key=run.key))
        case Effect.SUBMIT_OUTPUTS:
            outputs = await _outputs(desk, run, shown)
            return OutputsAnswered(await desk.provider.submit_tool_outputs(thread_id, run_id, outputs))
        case Effect.CANCEL_RUN:
            return CancelAnswered(await desk.provider.cancel_run(thread_id, run_id))
        case _:
            assert_never(effect)


async def _request(desk: Desk, run: RunView) -> RunRequest:
    (text,) = await desk.store.text(run.key, "request")
    return RunRequest.model_validate_json(text or "{}")


async def _outputs(desk: Desk, run: RunView, shown: Run | None) -> Sequence[ToolOutput]:
    """Give every output of the round in order, so that a repeat sends the same bytes."""
    stored = await desk.store.outputs(run)
    if run.stage is not Stage.CANCEL or shown is None:
        texts = fit([output for _, output in stored], desk.max_output_total_bytes)
        return [ToolOutput(call_id, text) for (call_id, _), text in zip(stored, texts, strict=True)]
    cancelled = answer_for(ToolResultKind.CANCELLED)
    known = stored if fingerprint(shown) == run.progress.signature else ()
    rows = list(zip(run.calls, known, strict=False))
    return [
        ToolOutput(
            call.id, rows[at][1][1] if at < len(rows) and rows[at][0].state in _HAS_OUTPUT else cancelled
        )
        for at, call in enumerate(ours(shown))
    ]
