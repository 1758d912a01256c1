"""Ask the provider a question that changes nothing, and give what was seen."""

from __future__ import annotations

import json
from typing import assert_never

from threadrun.mcp_approvals import approvers
from threadrun.models import Run, RunStep
from threadrun.request import RunRequest
from worker.adoption import newest, search
from worker.decide.approvals import MCP
from worker.decide.decision import Question
from worker.decide.seen import NewestSeen, Policies, RunSeen, RunsSearched, Seen, StepsSeen
from worker.desk import Desk
from worker.lease import BeforeRequest
from worker.paging import Pages
from worker.providers.base import Reply, Yes
from worker.view import RunView

MAX_STEP_PAGES = 20


async def ask(desk: Desk, run: RunView, question: Question, before_request: BeforeRequest) -> Seen:
    """Ask everything but `Question.RECORD`, whose answer is more than `decide` needs.

    Raises:
        ClaimLost: Somebody else holds the run by now.
    """
    match question:
        case Question.RUN:
            await before_request()
            reply = await desk.provider.get_run(run.thread_id or "", run.run_id or "")
            return await _with_tools(desk, run, reply)
        case Question.SEARCH:
            return RunsSearched(await search(desk.provider, run, before_request, desk.echo))
        case Question.NEWEST:
            return NewestSeen(await newest(desk.provider, run, before_request))
        case Question.STEPS:
            return StepsSeen(await _all_steps(desk, run, before_request))
        case Question.RECORD:
            raise ValueError("the final record is read by worker.gather")
        case _:
            assert_never(question)


async def _with_tools(desk: Desk, run: RunView, reply: Reply[Run]) -> RunSeen:
    """Add what a new round needs: the tools that are served, and what the run has asked for so far."""
    calls = reply.value.required_calls if isinstance(reply, Yes) else ()
    if not calls:
        return RunSeen(reply, {})
    policies = await _policies(desk, run) if any(call.type == MCP for call in calls) else ()
    tools = await desk.tools.get(frozenset(call.name for call in calls) | approvers(policies))
    (asked,) = await desk.store.text(run.key, "asked") if run.round else (None,)
    return RunSeen(reply, tools, json.loads(asked or "{}"), policies)


async def _policies(desk: Desk, run: RunView) -> Policies:
    (text,) = await desk.store.text(run.key, "request")
    own = RunRequest.model_validate_json(text or "{}").mcp_approvals
    return (own or {}, desk.rules.mcp_approvals)


async def _all_steps(desk: Desk, run: RunView, before_request: BeforeRequest) -> Reply[tuple[RunStep, ...]]:
    steps: Pages[RunStep] = Pages()
    for _ in range(MAX_STEP_PAGES):
        await before_request()
        reply = await desk.provider.list_steps(run.thread_id or "", run.run_id or "", after=steps.after)
        if not isinstance(reply, Yes):
            return reply
        if not steps.add(reply.value):
            break
    return Yes(steps.oldest_first, reply.answer)
