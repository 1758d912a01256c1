"""What holds for every stage, observation and answer, and for every run in a world that turns honest."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.decide.views import NOW, TOOLS, a_run, no, required, step, unknown, yes
from tests.unit.decide.world import FAULTS, HANDLERS, OURS, Plan, World
from threadrun.models import Run
from threadrun.status import CallState, OnUnknown, Outcome, RunStatus, Stage
from worker.backoff import Fixed, Gentle
from worker.decide import decide
from worker.decide.decision import Finish, Move, Post, Rest, Tell
from worker.decide.rules import Rules
from worker.decide.seen import (
    CancelAnswered,
    CreateAnswered,
    Gathered,
    Look,
    NewestSeen,
    OutputsAnswered,
    RunSeen,
    RunsSearched,
    StepsSeen,
    ThreadAnswered,
)
from worker.providers.base import Refusal
from worker.view import CallView, Effect, Intent, Progress

QUICK = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ORDERLY = frozenset({Stage.WAITING, Stage.CREATE, Stage.POLL, Stage.TOOLS, Stage.SUBMIT})

times = st.integers(NOW - 200_000, NOW + 200_000) | st.just(0)
seconds = st.none() | st.floats(0, 300)
small = st.integers(0, 12)
numbers = st.none() | st.integers(-(10**12), 10**12) | st.floats(-1e12, 1e12) | st.just(10**400)

calls_of_the_wire = st.builds(
    lambda call_id, kind, name: {"id": call_id, "type": kind, "function": {"name": name, "arguments": "{}"}},
    st.sampled_from(["", "c1", "c2"]),
    st.sampled_from(["function", "mcp", "azure_function", "computer_use_preview"]),
    st.sampled_from(["add", "look", "fly", ""]),
)


def _run(status: str, calls: list, created: object, expires: object) -> Run:
    action = required(*calls) if calls else {}
    times = {"created_at": created, "expires_at": expires}
    return Run.from_wire({"id": "run_1", "status": status, "required_action": action, **times})


runs = st.builds(
    _run,
    st.sampled_from([*RunStatus, "pondering"]),
    st.lists(calls_of_the_wire, max_size=3),
    numbers,
    numbers,
)
refusals = st.builds(no, st.sampled_from(Refusal), seconds)
unknowns = st.builds(unknown, st.sampled_from(["timeout", "server_error", "bad_body"]), seconds)


def replies(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(yes, values, seconds) | refusals | unknowns


steps = st.lists(st.builds(step, st.none() | st.just("3")), max_size=3).map(tuple)
observations = st.one_of(
    st.just(Look()),
    st.builds(ThreadAnswered, replies(st.just("thread_1"))),
    st.builds(CreateAnswered, replies(runs)),
    st.builds(RunSeen, replies(runs), st.none() | st.just(TOOLS)),
    st.builds(RunsSearched, replies(st.lists(runs, max_size=2).map(tuple))),
    st.builds(NewestSeen, replies(st.sampled_from(["", "run_0"]))),
    st.builds(StepsSeen, replies(steps)),
    st.builds(OutputsAnswered, replies(runs)),
    st.builds(CancelAnswered, replies(runs)),
    st.builds(
        Gathered,
        st.sampled_from([(), ("steps",), ("steps", "messages")]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
)
intents = st.builds(
    lambda effect, sent, life: Intent(effect, sent, sent + life),
    st.sampled_from(Effect),
    st.integers(NOW - 30_000, NOW),
    st.integers(0, 30_000),
)
progresses = st.builds(
    Progress,
    intent=st.none() | intents,
    errors=st.integers(0, 100),
    held=st.sampled_from(["", *Refusal]),
    looks=small,
    attempts=small,
    created_seen_ms=times,
    expires_ms=times,
    missing_since_ms=times,
    strange_status=st.sampled_from(["", "pondering"]),
    looked_ms=times,
    left_ms=times,
    signature=st.sampled_from(["", "abc"]),
    submitted_ms=times,
    refusals=small,
    cancel_since_ms=times,
    cancel_accepted_ms=times,
    ending=st.none() | st.sampled_from(Outcome),
    ended_ms=times,
    usage_looks=small,
    unconfirmed=st.booleans(),
)
call_views = st.builds(
    CallView,
    index=small,
    state=st.sampled_from(CallState),
    tool=st.just("add"),
    attempts=small,
    sends=st.integers(0, 80),
    sent_ms=times,
    not_before_ms=times,
    deadline_ms=times,
    idempotent=st.booleans(),
    claimant_dead=st.booleans(),
    alone=st.booleans(),
    on_unknown=st.sampled_from(OnUnknown),
    strikes=st.integers(0, 4),
    deaths=st.integers(0, 7),
)


def _view(stage: Stage, progress: Progress, **fields: object):
    return a_run(stage, progress, **fields)


views = st.builds(
    _view,
    st.sampled_from(Stage),
    progresses,
    thread_id=st.none() | st.just("thread_1"),
    run_id=st.none() | st.just("run_1"),
    status=st.sampled_from(["", *RunStatus]),
    deadline_ms=times,
    cancel_ms=times,
    round=st.integers(0, 60),
    total_calls=small,
    tool_names=st.sampled_from(["*", "-", "add", "add,look"]),
    search_first=st.booleans(),
    own_thread=st.booleans(),
    metadata_echoed=st.booleans(),
    my_turn=st.booleans(),
    calls=st.lists(call_views, max_size=3).map(tuple),
)
rules = st.sampled_from(
    [Rules(), Rules(poll=Fixed(700)), Rules(poll=Gentle(1, 1.0, 60_000, 0.9), max_calls=1)]
)


@QUICK
@given(views, observations, rules)
def test_there_is_a_decision_for_everything_and_always_the_same(run, seen, by):
    decision = decide(run, seen, NOW, by)

    assert decide(run, seen, NOW, by) == decision
    if isinstance(decision, Move | Rest):
        assert decision.delay_ms >= 0


@QUICK
@given(views, observations, rules)
def test_no_run_sleeps_past_the_deadline_that_ends_its_stage(run, seen, by):
    decision = decide(run, seen, NOW, by)
    if not isinstance(decision, Move | Rest):
        return
    progress = decision.changes.progress if isinstance(decision, Move) else run.progress
    stage = decision.stage if isinstance(decision, Move) else run.stage
    ends = {
        Stage.CANCEL: progress.cancel_since_ms + by.cancel_deadline_ms,
        Stage.FINALIZE: progress.ended_ms + by.finalize_deadline_ms,
    }
    left = (run.deadline_ms if stage in ORDERLY else ends[stage]) - NOW
    if left > 0:
        assert decision.delay_ms <= left


@QUICK
@given(views, rules)
def test_nothing_is_posted_while_an_earlier_post_may_still_take_effect(run, by):
    intent = run.progress.intent
    decision = decide(run, Look(), NOW, by)

    if intent is not None and intent.not_after_ms > NOW and run.stage is not Stage.FINALIZE:
        assert not isinstance(decision, Post)
    if intent is not None and intent.effect is Effect.CREATE_RUN and run.stage is Stage.CREATE:
        assert not isinstance(decision, Post)


@QUICK
@given(views, observations, rules)
def test_only_finalize_finishes_and_only_done_tells(run, seen, by):
    decision = decide(run, seen, NOW, by)

    assert isinstance(decision, Finish) <= (run.stage is Stage.FINALIZE)
    assert isinstance(decision, Tell) == (run.stage is Stage.DONE)


@QUICK
@given(views, observations, rules)
def test_a_round_is_only_opened_by_a_look_that_read_the_catalogue(run, seen, by):
    decision = decide(run, seen, NOW, by)

    if isinstance(decision, Move) and decision.changes.opened:
        assert isinstance(seen, RunSeen)
        assert seen.tools is not None


@QUICK
@given(progresses)
def test_what_is_remembered_survives_being_stored(progress):
    assert Progress.load(progress.dump()) == progress


plans = st.builds(
    Plan,
    rounds=st.lists(st.integers(1, 2), max_size=2).map(tuple),
    end=st.sampled_from(["completed", "failed", "incomplete", "expired"]),
    refuses_cancel_of_waiting=st.booleans(),
    cancel_after_ms=st.none() | st.integers(0, 60_000),
    deadline_ms=st.sampled_from([600_000, 30_000, 5_000]),
    faults=st.lists(st.sampled_from(FAULTS), max_size=12).map(tuple),
    handlers=st.lists(st.sampled_from(HANDLERS), max_size=4).map(tuple),
    on_unknown=st.sampled_from(OnUnknown),
)


@settings(max_examples=350, deadline=None)
@given(plans)
@example(Plan(faults=("", "late")))
@example(Plan(faults=("", "crash", "crash"), handlers=("worker_died",)))
@example(Plan(handlers=("worker_died",), on_unknown=OnUnknown.PARK))
@example(Plan(handlers=("worker_died",), on_unknown=OnUnknown.FAIL, refuses_cancel_of_waiting=True))
@example(Plan(deadline_ms=5_000, refuses_cancel_of_waiting=True, handlers=("slow",)))
def test_every_run_comes_to_its_end_and_nothing_happens_twice(plan):
    world = World(plan)
    world.carry(most_turns=1_500)

    assert world.finished is not None, (world.run.stage, world.run.progress)
    assert len(world.provider.made) <= 1
    assert len(world.provider.accepted) <= len(plan.rounds)
    assert max(Counter(world.entered).values(), default=1) == 1
    outcome = world.finished.outcome
    if plan.on_unknown is not OnUnknown.TELL and "worker_died" in plan.handlers:
        assert outcome.value in {plan.end, "failed", *OURS}
    elif plan.cancel_after_ms is None and plan.deadline_ms == 600_000:
        assert outcome.value == plan.end
    else:
        assert outcome.value == plan.end or outcome in OURS


@settings(max_examples=100, deadline=None)
@given(plans)
def test_no_run_is_looked_at_without_a_pause(plan):
    """A decision without a delay leads somewhere else; no run turns in place."""
    world = World(plan)
    world.carry(most_turns=1_500)
    seconds = (world.now - NOW) / 1000

    assert world.turns <= 150 + 3 * seconds
