"""Which requests a fault plan chooses, and which plans it refuses to be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from threadrun.testing.faults import Fault, FaultPlan, FaultRule, Moment, RetryAfter, RuleCount

CLOSED = Fault.CONNECTION_CLOSED


def hits(plan: FaultPlan, operation: str, times: int, run_key: str | None = None) -> list[bool]:
    return [plan.choose(operation, run_key) is not None for _ in range(times)]


def test_a_rule_without_conditions_hits_every_request_of_its_operation() -> None:
    plan = FaultPlan([FaultRule(fault=CLOSED, operation="submit")])
    assert hits(plan, "submit", 3) == [True] * 3
    assert hits(plan, "get_run", 3) == [False] * 3
    assert plan.counts() == [RuleCount(matched=3, injected=3)]


def test_the_nth_every_nth_and_the_first_few_are_chosen() -> None:
    assert hits(FaultPlan([FaultRule(fault=CLOSED, nth=2)]), "get_run", 4) == [False, True, False, False]
    assert hits(FaultPlan([FaultRule(fault=CLOSED, every=2)]), "get_run", 4) == [False, True, False, True]
    assert hits(FaultPlan([FaultRule(fault=CLOSED, times=2)]), "get_run", 4) == [True, True, False, False]
    both = FaultPlan([FaultRule(fault=CLOSED, every=2, times=1)])
    assert hits(both, "get_run", 4) == [False, True, False, False]
    assert both.counts() == [RuleCount(matched=4, injected=1)]


def test_a_probability_is_drawn_under_the_seed_and_by_each_rule_alone() -> None:
    def drawn(seed: int, *more: FaultRule) -> list[bool]:
        rule = FaultRule(fault=CLOSED, operation="get_run", probability=0.3)
        return hits(FaultPlan([rule, *more], seed=seed), "get_run", 500)

    assert drawn(1) == drawn(1) != drawn(2)
    assert 100 < sum(drawn(1)) < 200
    assert drawn(1, FaultRule(fault=CLOSED, operation="submit", probability=0.5)) == drawn(1)
    assert hits(FaultPlan([FaultRule(fault=CLOSED, probability=0)]), "get_run", 50) == [False] * 50
    assert hits(FaultPlan([FaultRule(fault=CLOSED, probability=1)]), "get_run", 50) == [True] * 50


def test_a_rule_can_want_one_run_or_count_for_each_run_alone() -> None:
    one = FaultPlan([FaultRule(fault=CLOSED, run_key="a")])
    assert [one.choose("get_run", key) is not None for key in ("a", "b", None)] == [True, False, False]
    each = FaultPlan([FaultRule(fault=CLOSED, nth=1, per_run=True)])
    assert [each.choose("submit", key) is not None for key in "abab"] == [True, True, False, False]
    assert one.asks_for_run_keys
    assert each.asks_for_run_keys
    assert not FaultPlan([FaultRule(fault=CLOSED)]).asks_for_run_keys


def test_the_first_rule_that_wants_a_request_gets_it_and_all_count_it() -> None:
    first = FaultRule(fault=CLOSED, nth=1)
    second = FaultRule(fault=Fault.SILENCE)
    plan = FaultPlan([first, second])
    assert [plan.choose("get_run", None) for _ in range(2)] == [first, second]
    assert plan.counts() == [RuleCount(2, 1), RuleCount(2, 1)]


def test_a_rule_for_any_operation_passes_by_those_that_cannot_have_its_fault() -> None:
    stale = FaultPlan([FaultRule(fault=Fault.STALE_READ)])
    assert [stale.choose(name, None) is not None for name in ("get_run", "list_runs", "submit")] == [
        True,
        True,
        False,
    ]
    assert stale.shows_the_past
    assert not FaultPlan([FaultRule(fault=CLOSED)]).shows_the_past


def test_a_plan_says_and_reads_itself_as_json() -> None:
    plan = FaultPlan(
        [
            FaultRule(
                fault=Fault.RATE_LIMITED, operation="create_run", retry_after=RetryAfter.TEXT, seconds=1
            ),
            FaultRule(fault=CLOSED, when=Moment.BEFORE, nth=2, per_run=True),
        ],
        seed=7,
    )
    again = FaultPlan.from_json(json.loads(json.dumps(plan.to_json())))
    assert (again.rules, again.seed) == (plan.rules, 7)
    assert FaultPlan.from_json({"rules": [{"fault": "drip"}]}).rules == (FaultRule(fault=Fault.DRIP),)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "dictionary"),
        ({"rules": [{}]}, "fault"),
        ({"rules": [{"fault": "rain"}]}, "rain"),
        ({"rules": [{"fault": "drip", "opration": "submit"}]}, "opration"),
        ({"rules": [], "sed": 1}, "sed"),
        ({"rules": [{"fault": "drip", "operation": "poll"}]}, "cannot come on 'poll'"),
    ],
)
def test_what_is_no_plan_says_what_is_wrong(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FaultPlan.from_json(value)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"fault": Fault.STALE_READ, "operation": "submit"}, "choose one of"),
        ({"fault": Fault.REGRESSION, "operation": "get_run"}, r"\['cancel'\]"),
        ({"fault": Fault.UNKNOWN_STATUS, "operation": "create_thread"}, "cannot come on"),
        ({"fault": Fault.TRUNCATED_JSON, "when": Moment.BEFORE}, "cannot come before"),
        ({"fault": Fault.RATE_LIMITED, "when": Moment.AFTER}, "cannot come after"),
        ({"fault": CLOSED, "nth": 0}, "1 or more"),
        ({"fault": CLOSED, "every": -1}, "1 or more"),
        ({"fault": CLOSED, "times": 0}, "1 or more"),
        ({"fault": CLOSED, "probability": 1.5}, "0 to 1"),
        ({"fault": CLOSED, "probability": float("nan")}, "0 to 1"),
        ({"fault": Fault.DRIP, "bytes_per_second": 0}, "more than 0"),
        ({"fault": Fault.STALE_READ, "seconds": float("inf")}, "0 or more"),
        ({"fault": Fault.BIG_HEADERS, "size_bytes": -1}, "0 or more"),
        ({"fault": Fault.SERVER_ERROR, "status": 404}, "500 to 599"),
        ({"fault": Fault.HTML, "status": 100}, "200 to 599"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FaultRule(**rule)
