"""Every kind of run whose every point is tried, and what must have become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.deployment import Deployment
from tests.simulation.seam import Point
from threadrun.status import Stage
from threadrun.testing.faults import Fault, FaultRule, Moment

ADD = 'call add {"a": 1, "b": 2}; say $1'
SLOW = "think 300; say late"
IDEMPOTENT = frozenset({"look", "flaky", "killed"})
THREAD = "a thread that was made before"


@dataclass(frozen=True)
class Kind:
    """One kind of run, or of several."""

    scripts: Sequence[str]
    """What the model does, a run each."""
    outcomes: frozenset[str] = frozenset({"completed"})
    """How the runs may end."""
    after_death: frozenset[str] = frozenset()
    """How else they may end where somebody died."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of enqueue; `thread_id=THREAD`: on one thread that exists."""
    cancel_in: Stage | None = None
    """Wish the last run cancelled as soon as it is seen in this stage."""
    kinds: frozenset[str] = frozenset({"ok"})
    """How its tool calls may end when nobody dies."""
    jump: tuple[Stage, float] | None = None
    """Set Redis's clock by so many seconds as soon as a run is seen in this stage."""
    passed_seconds: float = 0.0
    """How much time passed by Redis's clock and by no other."""
    faults: tuple[FaultRule, ...] = ()
    """How the provider misbehaves."""
    dies_at: tuple[Point, ...] = ()
    """Where somebody dies in every life of this kind, so that the points of the recovery are tried too."""

    def set_in(self, stage: Stage, seconds: float) -> Kind:
        """Give the same kind with Redis's clock set in a stage."""
        return replace(self, jump=(stage, seconds))

    def after_a_forgotten_jump(self) -> Kind:
        """Give the same kind with the jump taken for time that has passed, which ends a run in time's name."""
        assert self.jump is not None
        return replace(self, outcomes=self.outcomes | {"timed_out"}, passed_seconds=self.jump[1])


def cancelled(in_: Stage, script: str, **more: Any) -> Kind:
    return Kind([script], frozenset({"cancelled"}), cancel_in=in_, **more)


KINDS: dict[str, Kind] = {
    "no tool": Kind(["say hi"]),
    "one tool": Kind([ADD]),
    "three in parallel": Kind(['call add {"a": 1, "b": 2} and look {} and add {"a": 3, "b": 4}; say $1']),
    "two rounds": Kind(['call add {"a": 1, "b": 2}; then call look {}; say $1']),
    "failing tool": Kind(["call fail {}; say $1"], kinds=frozenset({"exception"})),
    "tool that succeeds when tried again": Kind(["call flaky {}; say $1"]),
    "worker without the handler": Kind(["call elsewhere {}; say $1"]),
    "killed child": Kind(
        ["call killed {} and shot {}; say $1"], kinds=frozenset({"ok", "unknown_outcome"})
    ),
    "killed child that fails its run": Kind(["call fatal {}; say $1"], frozenset({"failed"})),
    "killed child that waits for a person": Kind(
        ["call parked {}; say $1"], frozenset({"timed_out"}), options={"deadline_seconds": 40}
    ),
    "invalid arguments": Kind(['call add {"a": "x"}; say $1'], kinds=frozenset({"invalid_arguments"})),
    "missing tool": Kind(["call fly {}; say $1"], kinds=frozenset({"missing_tool"})),
    "cancelled in waiting": Kind(
        ["think 5; say first", "say second"], frozenset({"completed", "cancelled"}),
        options={"thread_id": THREAD}, cancel_in=Stage.WAITING,
    ),
    "cancelled in create": cancelled(Stage.CREATE, "say hi"),
    "cancelled in poll": cancelled(Stage.POLL, SLOW),
    "cancelled in tools": cancelled(Stage.TOOLS, ADD),
    "cancelled in submit": cancelled(Stage.SUBMIT, ADD),
    "cancelled in cancel": Kind(
        ["cancel_takes 5; think 60; say x"], frozenset({"timed_out", "cancelled"}), options={"deadline_seconds": 5},
        cancel_in=Stage.CANCEL,
    ),
    "cancelled in finalize": Kind(["say hi"], cancel_in=Stage.FINALIZE),
    "expired": Kind([ADD.replace("say $1", "end expired")], frozenset({"expired"})),
    "incomplete": Kind(["end incomplete max_completion_tokens"], frozenset({"incomplete"})),
    "failed": Kind(["end failed rate_limit_exceeded Later."], frozenset({"failed"})),
    "rejected": Kind(
        ["say hi"], frozenset({"rejected"}), options={"thread_id": "thread_that_is_not_there"},
        after_death=frozenset({"lost"}),
    ),
    "two on one thread": Kind(["say first", ADD], options={"thread_id": THREAD}),
    "deadline passed": Kind(
        ["think 100; say late"], frozenset({"timed_out"}), options={"deadline_seconds": 65}
    ),
    "clock set": Kind([ADD], jump=(Stage.TOOLS, -3_600)),
    "rate limited": Kind(["say hi"], faults=(FaultRule(fault=Fault.RATE_LIMITED, operation="get_run", nth=1),)),
    "provider down for a while": Kind(
        ["say hi"], faults=(FaultRule(fault=Fault.SERVER_ERROR, operation="get_run", times=2, when=Moment.BEFORE),)
    ),
    "create interrupted": Kind([ADD], dies_at=(("http POST /threads/{thread_id}/runs after", 1),)),
    "submit interrupted": Kind(
        [ADD], dies_at=(("http POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs after", 1),)
    ),
    "cancel interrupted": cancelled(
        Stage.POLL, SLOW, dies_at=(("http POST /threads/{thread_id}/runs/{run_id}/cancel after", 1),)
    ),
    "handler interrupted": Kind([ADD], dies_at=(("handler entry after", 1),)),
    "idempotent handler interrupted": Kind(["call look {}; say $1"], dies_at=(("handler exit", 1),)),
    "on_done": Kind([ADD], options={"on_done": "shop.done"}),
}  # fmt: skip


def play(deployment: Deployment, kind: Kind, thread_id: str, prefix: str = "") -> list[str]:
    """Enqueue a kind's runs and carry them to their ends; gives their keys."""
    keys = [f"{prefix}run{number}" for number in range(len(kind.scripts))]
    options = dict(kind.options)
    if options.get("thread_id") == THREAD:
        options["thread_id"] = thread_id
    for key, script in zip(keys, kind.scripts, strict=True):
        deployment.ask(
            lambda client, key=key, script=script: client.enqueue(
                "asst_demo", idempotency_key=key, messages=script, **options
            )
        )
    wished = jumped = False

    def between() -> None:
        nonlocal wished, jumped
        if not jumped and kind.jump and deployment.watched and kind.jump[0] in deployment.due():
            jumped = True
            deployment.jump(kind.jump[1])
        if not wished and kind.cancel_in is not None and kind.cancel_in in deployment.due():
            wished = True
            deployment.ask(lambda client: client.cancel(keys[-1]))

    deployment.carry(between)
    return keys
