"""Doctor names what is wrong and ends with what to do; a healthy deployment gives no finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.unit.cli_record import after
from tests.unit.cli_waits import NOW, call, waits
from threadrun.cli.doctor_checks import judge
from threadrun.client import AgendaStats, PauseStats, Stats, Survey, WaitsFor, WorkerStats
from threadrun.health import Finding, Severity
from threadrun.keys import Keys
from threadrun.status import CallState, Stage


def worker(name: str, *, silent_seconds: float = 2) -> WorkerStats:
    kind = name.partition("@")[0]
    return WorkerStats(name, kind, "vm", 7, after(NOW - silent_seconds), silent_seconds <= 15)


HEALTHY = (worker("runs@vm/1"), worker("tools@vm/1"))


def survey(
    *runs: WaitsFor,
    workers: tuple[WorkerStats, ...] = HEALTHY,
    agendas: tuple[AgendaStats, ...] = (),
    profiles: dict[str, datetime] | None = None,
    tools: dict[str, datetime] | None = None,
    pauses: tuple[PauseStats, ...] = (),
) -> Survey:
    seen = {"default": after(NOW - 2)} if profiles is None else profiles
    served = {"add": after(NOW - 2)} if tools is None else tools
    return Survey(Stats(after(NOW), agendas, workers, tuple(served), pauses), runs, seen, served)


def findings(look: Survey) -> list[Finding]:
    return [finding for check in judge(look, Keys()) for finding in check.findings]


def only(look: Survey) -> Finding:
    (finding,) = findings(look)
    return finding


def test_a_healthy_deployment_gives_no_finding() -> None:
    waiting = waits(Stage.WAITING, thread_holder="other", thread_holder_stage=Stage.POLL)
    busy = waits(Stage.TOOLS, calls=(call(CallState.PENDING), call(CallState.CLAIMED)))
    untold = waits(Stage.DONE, tells=True, agendas=(Stage.FINALIZE,))

    assert findings(survey(waits(), waiting, busy, untold)) == []


def test_a_filled_quarantine_is_a_warning_with_the_command_that_shows_it() -> None:
    look = survey()
    found = only(replace(look, stats=replace(look.stats, quarantined=2)))

    assert (found.severity, found.check) == (Severity.WARNING, "quarantine.filled")
    assert found.message.startswith("2 runs or tool calls are set aside")
    assert "`threadrun quarantine list`" in found.message


def test_nobody_who_carries_runs_is_an_error_with_the_command_to_start_one() -> None:
    found = only(survey(workers=HEALTHY[1:]))

    assert (found.severity, found.check) == (Severity.ERROR, "workers.no_runs")
    assert found.message.endswith("python -m celery -A worker.app worker -P threads -Q runs")


def test_a_missing_tools_worker_is_an_error_only_where_calls_wait() -> None:
    assert only(survey(workers=HEALTHY[:1])).severity is Severity.WARNING
    held_up = survey(waits(Stage.TOOLS, calls=(call(CallState.PENDING),)), workers=HEALTHY[:1])
    assert only(held_up).severity is Severity.ERROR


def test_a_worker_that_fell_silent_is_named_unless_it_was_started_again() -> None:
    silent = worker("runs@other/1", silent_seconds=60)
    restarted = worker("runs@vm/0", silent_seconds=60)

    assert "runs@other (pid 7) gave no sign for 60s" in only(survey(workers=(*HEALTHY, silent))).message
    assert findings(survey(workers=(*HEALTHY, restarted))) == []
    assert findings(survey(workers=(*HEALTHY, worker("runs@other/1", silent_seconds=3_700)))) == []


@pytest.mark.parametrize(
    ("kind", "reason", "text"),
    [
        (
            "POST",
            "rate_limited",
            "no POST is sent to the provider of profile eu for 7 s, because it answered 429.",
        ),
        (
            "both",
            "unavailable",
            "no request is sent to the provider of profile eu for 7 s, because it fails again",
        ),
    ],
)
def test_a_paused_profile_is_a_warning_that_tells_why_and_for_how_long(
    kind: str, reason: str, text: str
) -> None:
    found = only(survey(pauses=(PauseStats("eu", kind, reason, 7.0),)))

    assert (found.severity, found.check) == (Severity.WARNING, "profiles.paused")
    assert found.message.startswith(text)


def test_runs_of_a_profile_that_nobody_serves_are_an_error() -> None:
    found = only(survey(waits(profile="eu"), waits(profile="eu")))

    assert found.check == "profiles.unserved"
    assert "2 of the runs" in found.message
    assert "THREADRUN_PROFILES__EU__BASE_URL" in found.message


def test_a_refused_key_is_an_error_and_any_other_hold_a_warning() -> None:
    assert only(survey(waits(held="unauthorized"))).severity is Severity.ERROR
    found = only(survey(waits(held="rate_limited"), waits(held="rate_limited")))
    assert (found.severity, found.check) == (Severity.WARNING, "profiles.held")
    assert "cannot be reached; check the profile's base URL" in only(survey(waits(held="never_sent"))).message


def test_calls_that_no_living_worker_serves_are_an_error_with_module_and_queue() -> None:
    run = waits(Stage.TOOLS, calls=(call(CallState.PENDING, tool="draw", queue="gpu"),))
    found = only(survey(run))

    assert (found.severity, found.check) == (Severity.ERROR, "tools.unserved")
    assert "THREADRUN_TOOLS__MODULES" in found.message
    assert "-Q gpu" in found.message


def test_tools_whose_workers_left_are_warned_of_together() -> None:
    found = only(survey(tools={"add": after(NOW - 2), "b": after(NOW - 90), "a": after(NOW - 90)}))

    assert (found.severity, found.check) == (Severity.WARNING, "tools.left")
    assert "no living worker: a, b." in found.message


def test_stuck_runs_are_an_error_by_profile_and_stage() -> None:
    agenda = AgendaStats("default", Stage.POLL, runs=5, due=4, oldest_due_seconds=75.0, stuck=3)
    found = only(survey(agendas=(agenda,)))

    assert "3 runs of profile default in stage poll" in found.message
    assert "for 75 s" in found.message


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"agendas": (), "next_look_at": None}, ["ZADD threadrun:agenda:poll:default 0 order-7"]),
        ({"agendas": (Stage.POLL, Stage.TOOLS)}, ["ZREM threadrun:agenda:tools:default order-7"]),
        (
            {"agendas": (Stage.CREATE,)},
            ["ZREM threadrun:agenda:create:default order-7", "ZADD threadrun:agenda:poll:default 0 order-7"],
        ),
    ],
)
def test_a_run_must_stand_in_the_one_agenda_of_its_stage(changed: dict[str, Any], remedy: list[str]) -> None:
    found = only(survey(waits(**changed)))

    assert (found.severity, found.check) == (Severity.ERROR, "agenda.astray")
    assert found.message.endswith("; ".join(f"redis-cli {step}" for step in remedy))


def test_a_finished_run_that_nobody_is_to_be_told_of_should_not_be_in_an_agenda() -> None:
    found = only(survey(waits(Stage.DONE, agendas=(Stage.FINALIZE,))))

    assert (found.severity, found.check) == (Severity.WARNING, "agenda.done")


def test_many_runs_astray_are_not_all_listed() -> None:
    found = findings(survey(*(waits(key=f"k{at}", agendas=()) for at in range(9))))

    assert len(found) == 6
    assert found[-1].message.startswith("4 more runs")


@pytest.mark.parametrize(
    "changed",
    [
        {"thread_holder": None},
        {"thread_holder": "ended", "thread_holder_stage": Stage.DONE},
        {"thread_holder": "expired", "thread_holder_stage": None},
    ],
)
def test_a_thread_that_nobody_will_free_is_an_error_with_the_commands_that_free_it(
    changed: dict[str, Any],
) -> None:
    found = only(survey(waits(Stage.WAITING, **changed), waits(Stage.WAITING, runs_ahead=1, **changed)))

    assert found.check == "threads.orphaned"
    assert "redis-cli LREM threadrun:thread:default:thread_1:waiting 0 order-7" in found.message
    assert found.message.endswith("redis-cli SET threadrun:thread:default:thread_1:active order-7")
