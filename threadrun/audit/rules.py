"""Apply the rules to one run. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from threadrun.audit.breach import Breach, Rule
from threadrun.audit.call_rules import judge_calls
from threadrun.audit.evidence import Evidence
from threadrun.audit.kept import Kept
from threadrun.status import Stage

END = "run.finished"
"""The event of a run's end."""


def judge(run: Kept, evidence: Evidence) -> Iterator[Breach]:
    """Give every breach that one run shows."""
    yield from _end(run)
    yield from _events(run)
    yield from _agenda(run)
    yield from _thread(run)
    yield from _indexes(run)
    yield from _provider(run, evidence)
    yield from judge_calls(run, evidence)


def missing(run_key: str, known_by: str) -> Breach:
    """Say that a run that was accepted has no record."""
    text = (
        f"{known_by}, and there is no record of it; unless it was purged or its retention is over, it is lost"
    )
    return Breach(Rule.RUN_MISSING, run_key, text)


def damaged(run_key: str, reason: str) -> Breach:
    """Say that a record cannot be read, and so not be judged."""
    return Breach(Rule.RUN_DAMAGED, run_key, f"its record, events or calls cannot be read ({reason})")


def _end(run: Kept) -> Iterator[Breach]:
    ends = [event.seq for event in run.events if event.type == END]
    last = run.events[-1].type if run.events else ""
    if run.finished and (len(ends) != 1 or last != END or not run.outcome):
        text = f"it is done ({run.outcome or 'no outcome'}), with {len(ends)} ends and last event {last or 'none'}"
        yield Breach(Rule.RUN_NOT_ENDED_ONCE, run.key, text)
    if not run.finished and ends:
        text = f"it is in stage {run.stage}, yet its event {ends[0]} says that it is finished"
        yield Breach(Rule.RUN_NOT_ENDED_ONCE, run.key, text)


def _events(run: Kept) -> Iterator[Breach]:
    seqs = [event.seq for event in run.events]
    wrong = next((at for at, seq in enumerate(seqs, 1) if seq != at), None)
    if wrong is not None:
        yield Breach(Rule.EVENT_GAP, run.key, f"its event number {wrong} calls itself {seqs[wrong - 1]}")
    if not seqs:
        yield Breach(Rule.EVENT_GAP, run.key, "it has no event")


def _agenda(run: Kept) -> Iterator[Breach]:
    home = () if run.finished else (run.stage,)
    untold = run.finished and run.tells and run.agendas == (Stage.FINALIZE,)
    if run.agendas != home and not untold:
        text = f"it is in stage {run.stage} and in {_list(run.agendas, 'the agenda of', 'no agenda')}"
        yield Breach(Rule.AGENDA_ASTRAY, run.key, text)


def _thread(run: Kept) -> Iterator[Breach]:
    if run.finished and run.holds_thread:
        yield Breach(Rule.THREAD_LOCKED, run.key, "it is done and still holds its thread", "holds")
    if run.finished and run.waits_for_thread:
        yield Breach(Rule.THREAD_LOCKED, run.key, "it is done and still waits for its thread", "waits")
    if run.stage == Stage.WAITING and not run.waits_for_thread and not run.holds_thread:
        text = "it is in stage waiting, but neither holds its thread nor stands in its queue"
        yield Breach(Rule.THREAD_LOCKED, run.key, text, "astray")


def _indexes(run: Kept) -> Iterator[Breach]:
    for label in run.labels:
        if label != run.label:
            text = f"it is {run.label} and still listed as {label}"
            yield Breach(Rule.INDEX_LEFTOVER, run.key, text, label)
    if run.label not in run.labels:
        yield Breach(Rule.INDEX_MISSING, run.key, f"it is {run.label} and not listed so", "status")
    if not run.in_index:
        yield Breach(Rule.INDEX_MISSING, run.key, "it is not in the index of all runs", "runs")


def _provider(run: Kept, evidence: Evidence) -> Iterator[Breach]:
    if evidence.server is None:
        return
    left = evidence.server.uncancelled(run.key)
    if len(left) > 1:
        text = f"the provider made {len(left)} runs for it that nobody cancelled: {', '.join(left)}"
        yield Breach(Rule.PROVIDER_TWIN, run.key, text)
    made = evidence.server.made.get(run.key, [])
    if run.run_id and made and run.run_id not in made:
        text = f"its record tells of {run.run_id}, but the provider made {', '.join(made)} for it"
        yield Breach(Rule.PROVIDER_OTHER, run.key, text)


def _list(names: tuple[str, ...], before: str, none: str) -> str:
    return f"{before} {', '.join(names)}" if names else none
