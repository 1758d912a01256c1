"""What the contenders of the benchmark carry: the same for all of them, and what it claims to be."""

from __future__ import annotations

import json

import pytest

from benchmarks.workload import TOOL, Plan, Workload, answer_of, plans
from threadrun.testing.script import Call, Say, Script
from threadrun.testing.script_reader import fill, parse_script

WORKLOADS = (
    Workload(runs=20, rate=5, seed=1),
    Workload(runs=20, rate=5, seed=1, rounds=0),
    Workload(runs=20, rate=5, seed=1, rounds=2, parallel=3),
)


def calls_of(script: Script) -> list[Call]:
    return [move.act for move in script.moves if isinstance(move.act, Call)]


def model_says(plan: Plan) -> str:
    outputs: tuple[str, ...] = ()
    said = ""
    for move in parse_script(plan.script).moves:
        if isinstance(move.act, Call):
            outputs = tuple(answer_of(**json.loads(tool.arguments)) for tool in move.act.tools)
        elif isinstance(move.act, Say):
            said = fill(move.act.template, outputs)
    return said


def test_every_contender_gets_the_same_runs_and_another_seed_gives_others() -> None:
    workload = Workload(runs=50, rate=20, seed=1)

    assert plans(workload) == plans(workload)
    assert plans(workload) != plans(Workload(runs=50, rate=20, seed=2))


def test_runs_arrive_in_order_at_the_rate_that_was_asked_for() -> None:
    at = [plan.at_seconds for plan in plans(Workload(runs=2001, rate=20, seed=1))]

    assert at[0] == 0
    assert at == sorted(at)
    assert at[-1] == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_run_calls_the_tool_as_often_as_was_asked_for(workload: Workload) -> None:
    for plan in plans(workload):
        calls = calls_of(parse_script(plan.script))

        assert [[tool.name for tool in call.tools] for call in calls] == [
            [TOOL] * workload.parallel
        ] * workload.rounds


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_plan_knows_how_long_the_model_thinks_and_what_it_says(workload: Workload) -> None:
    for plan in plans(workload):
        thought = sum(move.think_seconds or 0 for move in parse_script(plan.script).moves)

        assert thought == pytest.approx(plan.think_seconds)
        assert model_says(plan) == plan.answer
