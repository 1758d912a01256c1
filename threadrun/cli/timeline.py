"""Turn a record's transitions into a timeline: one row for each spell in a stage and for each tool call.

Pure: a record and the present time go in, rows come out. Overlaps are meant: calls of a round run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from threadrun.cli.calls import CallSpell, call_spells
from threadrun.cli.remarks import remark
from threadrun.records import RunRecord, Transition
from threadrun.status import RunStatus, Stage

_ENTERED_BY = {
    "run.created": Stage.POLL,
    "run.adopted": Stage.POLL,
    "run.outputs_ready": Stage.SUBMIT,
    "tool_outputs.submitted": Stage.POLL,
    "run.finished": Stage.DONE,
}
"""Events that enter a stage without carrying `to`; all others that do carry it."""

_BY_CALLERS = frozenset({"run.enqueued", "run.cancel_requested"})
"""Events that no worker writes."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hold one stretch of time."""

    start: datetime
    end: datetime
    working: bool = True
    """False: nothing ran, something was waited for."""


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one line of the timeline."""

    label: str
    """`poll`, `tools 2`, or the tool's name."""
    stage: Stage
    spans: tuple[Span, ...]
    open: bool = False
    """It goes on."""
    is_call: bool = False
    """A tool call, drawn beneath the spell in stage tools that it belongs to."""
    remarks: tuple[str, ...] = ()

    @property
    def start(self) -> datetime:
        """When it began."""
        return self.spans[0].start

    @property
    def took(self) -> timedelta:
        """How long it lasted; for a call, how long its handler ran."""
        counted = [span for span in self.spans if span.working or not self.is_call]
        return sum((span.end - span.start for span in counted), timedelta())


@dataclass(slots=True)
class _Spell:
    stage: Stage
    start: datetime
    end: datetime | None = None
    begun: datetime | None = None
    """When an event first told that a worker has it in hand."""
    round: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def untouched(self) -> bool:
        return self.begun is None and self.end is None


def timeline(record: RunRecord, now: datetime) -> tuple[Row, ...]:
    """Draw up the rows of a run, oldest first; a spell that goes on ends at `now`."""
    spells = [spell for spell in _spells(record) if spell.stage is not Stage.DONE]
    rounds = sum(spell.stage is Stage.TOOLS for spell in spells)
    rows: list[Row] = []
    for spell in spells:
        end = spell.end or max(now, spell.start)
        label = f"tools {spell.round}" if spell.stage is Stage.TOOLS and rounds > 1 else spell.stage.value
        is_open = spell.end is None
        rows.append(Row(label, spell.stage, _spans(spell, end), is_open, remarks=tuple(spell.remarks)))
        if spell.stage is Stage.TOOLS:
            calls = call_spells(record, spell.round, spell.start, end, goes_on=is_open)
            rows += [_call_row(call) for call in calls]
    return tuple(rows)


def _spans(spell: _Spell, end: datetime) -> tuple[Span, ...]:
    """Tell the wait for a worker from what the worker then did."""
    if spell.stage is Stage.WAITING or (spell.stage is Stage.CREATE and spell.untouched):
        return (Span(spell.start, end, working=False),)
    if spell.stage is not Stage.CREATE or spell.begun in {None, spell.start}:
        return (Span(spell.start, end),)
    return Span(spell.start, spell.begun, working=False), Span(spell.begun, end)


def _spells(record: RunRecord) -> list[_Spell]:
    spells = [_Spell(_first_stage(record), record.created_at)]
    for event in record.transitions:
        if event.type == "run.requires_action":
            _enter(spells, Stage.TOOLS, event)
        entered = _entered(event, spells[-1].stage)
        if entered is not None and entered is not spells[-1].stage:
            _enter(spells, entered, event)
        elif event.type not in _BY_CALLERS and spells[-1].begun is None:
            spells[-1].begun = event.at
        text = remark(event, record.created_at)
        if text and text not in spells[-1].remarks:
            spells[-1].remarks.append(text)
    if spells[-1].stage is not record.stage:  # a move that left no event
        spells[-1].end = record.transitions[-1].at if record.transitions else record.created_at
        spells.append(_Spell(record.stage, spells[-1].end))
    return [spell for spell in spells if _is_shown(spell)]


def _enter(spells: list[_Spell], stage: Stage, event: Transition) -> None:
    spells[-1].end = event.at
    number = event.data.get("round")
    spells.append(_Spell(stage, event.at, round=number if isinstance(number, int) else spells[-1].round))


def _is_shown(spell: _Spell) -> bool:
    passed_through = spell.end is not None and spell.end <= spell.start
    return not passed_through or bool(spell.remarks) or spell.stage is Stage.TOOLS


def _first_stage(record: RunRecord) -> Stage:
    waited = any(event.data.get("from") == Stage.WAITING for event in record.transitions)
    return Stage.WAITING if waited or record.stage is Stage.WAITING else Stage.CREATE


def _entered(event: Transition, stage: Stage) -> Stage | None:
    if event.type == "run.status_changed":  # its `from` and `to` are statuses
        moved_on = stage is Stage.TOOLS and event.data.get("to") != RunStatus.REQUIRES_ACTION
        return Stage.POLL if moved_on else None
    if event.type in _ENTERED_BY:
        return _ENTERED_BY[event.type]
    to = event.data.get("to")
    return Stage(to) if to in set(Stage) else None


def _call_row(call: CallSpell) -> Row:
    return Row(
        label=call.tool,
        stage=Stage.TOOLS,
        spans=tuple(_call_spans(call)),
        open=call.open,
        is_call=True,
        remarks=call.remarks,
    )


def _call_spans(call: CallSpell) -> Iterator[Span]:
    at = call.start
    for began, ended in call.runs:
        if began > at:
            yield Span(at, began, working=False)
        yield Span(began, ended)
        at = ended
    if call.end > at or not call.runs:
        yield Span(at, call.end, working=False)
