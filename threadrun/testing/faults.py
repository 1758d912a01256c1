"""The plan of a run server's faults: set from Python, or over HTTP at `/_control/faults`.

    plan = FaultPlan([FaultRule(fault=Fault.CONNECTION_CLOSED, operation="create_run", nth=1)])
    with RunServer(faults=plan) as server:
        …
        plan.counts()[0].injected == 1
        server.faults = None

Each fault that came is in the effect log, in the field `fault`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter

from threadrun.testing.fault_kinds import SHOWN_BY_THE_WORLD, Fault, Moment, RetryAfter
from threadrun.testing.fault_rule import FaultRule

__all__ = ["Fault", "FaultPlan", "FaultRule", "Moment", "RetryAfter", "RuleCount"]


@dataclass(slots=True)
class RuleCount:
    """Count what one rule saw and did."""

    matched: int = 0
    """Requests that matched its operation and run key."""
    injected: int = 0
    """Of these, those that met its fault."""


@dataclass(frozen=True, slots=True)
class _Wire:
    """Be a plan as JSON says it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    rules: tuple[FaultRule, ...]
    seed: int = 0


class FaultPlan:
    """Choose the fault of each request: the first rule that wants it; the same plan, the same choices.

    A plan counts; give each server its own.
    """

    def __init__(self, rules: Sequence[FaultRule] = (), *, seed: int = 0) -> None:
        """Take the rules, in order; `seed` makes the draws of those with a probability."""
        self.rules = tuple(rules)
        """The rules; the first that wants a request gets it."""
        self.seed = seed
        """What the draws come from, each rule's on its own."""
        # No secrets are drawn here, and each rule draws alone: adding one changes no other's choices.
        self._draws = [random.Random(f"{seed}/{number}") for number in range(len(self.rules))]  # noqa: S311
        self._counts = [RuleCount() for _ in self.rules]
        self._matched: Counter[tuple[int, str | None]] = Counter()

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a plan: `{"seed": 1, "rules": [{"fault": "drip", "operation": "get_run"}]}`.

        Raises:
            ValueError: It is no plan; the text says what is wrong where.
        """
        wire = TypeAdapter(_Wire).validate_python(value)
        return cls(wire.rules, seed=wire.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the plan as JSON that `from_json` reads; what a rule does not say is left out."""
        rules = [
            {name: value for name, value in asdict(rule).items() if value is not None} for rule in self.rules
        ]
        return {"seed": self.seed, "rules": rules}

    def counts(self) -> list[RuleCount]:
        """Tell what each rule saw and did, in the rules' order."""
        return [RuleCount(count.matched, count.injected) for count in self._counts]

    @property
    def asks_for_run_keys(self) -> bool:
        """Tell whether a rule must know a request's run key."""
        return any(rule.per_run or rule.run_key is not None for rule in self.rules)

    @property
    def shows_the_past(self) -> bool:
        """Tell whether a rule needs the server to remember what was."""
        return any(rule.fault in SHOWN_BY_THE_WORLD for rule in self.rules)

    def choose(self, operation: str, run_key: str | None) -> FaultRule | None:
        """Choose the rule that a request meets, if any; every rule counts the request."""
        wanting = [number for number in range(len(self.rules)) if self._wants(number, operation, run_key)]
        if not wanting:
            return None
        self._counts[wanting[0]].injected += 1
        return self.rules[wanting[0]]

    def _wants(self, number: int, operation: str, run_key: str | None) -> bool:
        rule, count = self.rules[number], self._counts[number]
        if not rule.matches(operation, run_key):
            return False
        count.matched += 1
        place = (number, run_key if rule.per_run else None)
        self._matched[place] += 1
        if rule.times is not None and count.injected >= rule.times:
            return False
        chance = rule.probability
        return rule.chooses(self._matched[place]) and (
            chance is None or self._draws[number].random() < chance
        )
