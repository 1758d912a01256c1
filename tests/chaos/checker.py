"""The verdict: what `threadrun doctor --audit` finds in the records and the effect logs; it asks nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from tests.chaos.figures import Figures
from threadrun.audit import Audit, Evidence, Rule
from threadrun.client import RunClient

_TOLD = 20


def check(
    figures: Figures,
    client: RunClient,
    accepted: Collection[str],
    *,
    server_log: Path | None = None,
    effects: Path | None = None,
    excused: Collection[tuple[Rule, str]] = (),
) -> Audit:
    """Demand that every accepted run has its one final record and that no rule is broken.

    `excused` names rules and runs that the nemesis itself makes unfit for each other; they are counted, no more.
    """
    logs = Evidence.read(server_log, effects if effects and effects.exists() else None)
    audit = client.audit(replace(logs, accepted=frozenset(accepted)))
    broken = Counter(breach.rule for breach in audit.breaches)
    tally = audit.tally
    figures.demand("terminal records", tally.finished, exactly=len(accepted))
    figures.demand("lost", broken[Rule.RUN_MISSING], exactly=0)
    if server_log is not None:
        figures.demand("uncancelled duplicates", broken[Rule.PROVIDER_TWIN], exactly=0)
    if effects is not None:
        figures.demand("double entries", broken[Rule.CALL_ENTERED_TWICE], exactly=0)
        figures.show("unknown outcomes", tally.unknown_outcomes)
        figures.demand("unknown outcomes hidden", broken[Rule.OUTCOME_HIDDEN], exactly=0)
    breaches = [breach for breach in audit.breaches if (breach.rule, breach.run_key) not in excused]
    if excused:
        figures.show("records of a run that never was", len(audit.breaches) - len(breaches))
    for breach in breaches[:_TOLD]:
        figures.fail(f"{breach.rule}: run {breach.run_key}: {breach.message}")
    return audit
