"""The submitting of tool outputs and approvals: which ones are taken, and what of them is kept."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.status import RunStatus
from threadrun.testing.objects import JsonObject, Run
from threadrun.testing.progress import accept_outputs, accept_some_outputs
from threadrun.testing.quirks import Quirk
from threadrun.testing.refusals import (
    approvals_wanted,
    invalid_tool_call,
    outputs_do_not_match,
    outputs_in_wrong_status,
    step_not_in_progress,
)


def take_outputs(run: Run, given: list[JsonObject], quirks: frozenset[Quirk], at: float) -> None:
    """Take the outputs of the run's required action: all that are missing, and no others.

    Raises:
        RefusedError: the run does not wait for outputs, or not for these.
    """
    if run.status is not RunStatus.REQUIRES_ACTION:
        if Quirk.NOT_FOUND_INSTEAD_OF_WRONG_STATUS in quirks:
            raise step_not_in_progress()
        raise outputs_in_wrong_status(run.status)
    if _wants_approvals(run):
        raise approvals_wanted(run.steps[-1].call_ids)
    outputs = {output["tool_call_id"]: output["output"] for output in given}
    _check(run, [output["tool_call_id"] for output in given], quirks)
    step = run.steps[-1]
    merged = _merged(step.call_ids, step.outputs, outputs)
    complete = tuple(output for output in merged if output is not None)
    if len(complete) == len(merged):
        accept_outputs(run, complete, at)
    else:
        accept_some_outputs(run, merged, at)


def take_approvals(run: Run, given: list[JsonObject], at: float) -> None:
    """Take the approvals of the run's required action: all of them.

    Raises:
        RefusedError: the run does not wait for approvals, or not for these.
    """
    if run.status is not RunStatus.REQUIRES_ACTION:
        raise outputs_in_wrong_status(run.status)
    step, answers = run.steps[-1], {one["tool_call_id"]: one["approve"] for one in given}
    if not _wants_approvals(run) or sorted(one["tool_call_id"] for one in given) != sorted(step.call_ids):
        raise approvals_wanted(step.call_ids if _wants_approvals(run) else ())
    accept_outputs(run, tuple("approved" if answers[one] else "denied" for one in step.call_ids), at)


def _wants_approvals(run: Run) -> bool:
    call = run.steps[-1].call
    return call is not None and call.kind == "mcp"


def _check(run: Run, got: list[str], quirks: frozenset[Quirk]) -> None:
    step = run.steps[-1]
    taken = step.outputs or (None,) * len(step.call_ids)
    missing = [call_id for call_id, output in zip(step.call_ids, taken, strict=True) if output is None]
    if Quirk.UNKNOWN_CALL_500 in quirks and not set(got) <= set(missing):
        raise invalid_tool_call()
    some = bool(got) and len(got) == len(set(got)) and set(got) <= set(missing)
    if sorted(got) != sorted(missing) and not (Quirk.PARTIAL_OUTPUTS_ACCEPTED in quirks and some):
        raise outputs_do_not_match(missing, got)


def _merged(
    call_ids: tuple[str, ...], taken: tuple[str | None, ...], outputs: Mapping[str, str]
) -> tuple[str | None, ...]:
    before = taken or (None,) * len(call_ids)
    return tuple(outputs.get(call_id, old) for call_id, old in zip(call_ids, before, strict=True))
