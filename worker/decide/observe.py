"""Decide what a readable Run means for a run that is being watched.

Polling samples: any jump forward is legal. An unknown status is watched on; the deadline decides.
"""

from __future__ import annotations

from threadrun.models import Run
from threadrun.status import RunStatus, Stage
from worker.decide.calls import narrowed, open_round, ours, places_asked
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Question, Rest
from worker.decide.ending import end_as
from worker.decide.rules import Rules
from worker.decide.seen import RunSeen
from worker.providers.base import Yes
from worker.replace import replace
from worker.view import Progress, RunView


def observed(run: RunView, reply: Yes[Run], seen: RunSeen, now: int, rules: Rules) -> Decision:
    """Follow the run's status: end it, open a round of tool calls, or watch on."""
    shown = reply.value
    changes = Changes(refreshed(run.progress, shown, now), run=shown, answer=reply.answer)
    status = shown.known_status
    if status is None:
        return _strange(run, reply, changes, now, rules)
    if status.terminal:
        return end_as(run, changes.adding(*_status_event(run, shown)), status, now)
    if status is RunStatus.REQUIRES_ACTION and ours(shown):
        return _required(run, reply, seen, changes, now, rules)
    return watch(run, reply, changes, now, rules)


def refreshed(progress: Progress, shown: Run, now: int) -> Progress:
    """Forget past trouble, and note when the provider will expire the run.

    Only the difference between its two timestamps is used, counted from our first sight: its clock may be off.
    """
    created_seen = progress.created_seen_ms or now
    expires_ms = progress.expires_ms
    if shown.expires_at is not None and shown.created_at is not None:
        life_ms = _milliseconds(shown.created_at, shown.expires_at)
        expires_ms = created_seen + life_ms if life_ms > 0 else 0
    return replace(
        progress,
        errors=0,
        held="",
        missing_since_ms=0,
        created_seen_ms=created_seen,
        expires_ms=expires_ms,
    )


def _milliseconds(since: float, until: float) -> int:
    try:
        return round((until - since) * 1000)
    except OverflowError:  # a whole number may be too big to be taken from one with a fraction
        return 0


def watch(run: RunView, reply: Yes[Run], changes: Changes, now: int, rules: Rules) -> Decision:
    """Look again after the policy's delay; write only if something changed."""
    delay_ms = poll_delay_ms(run, reply, changes.progress, now, rules)
    changes = replace(changes, progress=replace(changes.progress, intent=None)).adding(
        *_status_event(run, reply.value)
    )
    if run.stage is Stage.POLL and not changes.events and changes.progress == run.progress:
        return Rest(delay_ms)
    return Move(Stage.POLL, delay_ms, changes)


def poll_delay_ms(run: RunView, reply: Yes[Run], progress: Progress, now: int, rules: Rules) -> int:
    """Ask the profile's policy; the provider's hint is a floor."""
    age_ms = max(0, now - max(progress.created_seen_ms, progress.submitted_ms))
    delay_ms = rules.poll.delay_ms(age_ms, f"{run.key}:{now}")
    return max(delay_ms, round((reply.poll_after_seconds or 0) * 1000))


def _status_event(run: RunView, shown: Run) -> tuple[Event, ...]:
    if shown.status == run.status:
        return ()
    return (Event("run.status_changed", {"from": run.status or None, "to": shown.status[:64]}),)


def _strange(run: RunView, reply: Yes[Run], changes: Changes, now: int, rules: Rules) -> Decision:
    status = reply.value.status[:64]
    delay_ms = poll_delay_ms(run, reply, changes.progress, now, rules)
    changes = replace(changes, progress=replace(changes.progress, strange_status=status, intent=None))
    if run.progress.strange_status != status:
        changes = changes.adding(Event("run.status_unknown", {"status": status}))
    elif run.stage is Stage.POLL and changes.progress == run.progress:
        return Rest(delay_ms)
    return Move(Stage.POLL, delay_ms, changes)


def _required(
    run: RunView, reply: Yes[Run], seen: RunSeen, changes: Changes, now: int, rules: Rules
) -> Decision:
    shown, submitted_ms = reply.value, run.progress.submitted_ms
    places = places_asked(run.progress.signature, shown)
    if submitted_ms and places:
        if now - submitted_ms >= rules.stale_read_ms:
            if (left := narrowed(changes.progress, places)) != changes.progress:
                return Move(Stage.POLL, 0, Changes(left))
            return Ask(Question.STEPS)
        # An old read: our outputs are on their way, and not even its status is news.
        return watch(replace(run, status=shown.status), reply, replace(changes, run=None), now, rules)
    changes = changes.adding(*_status_event(run, shown))
    if places:  # it had moved on without our outputs, and is back: its calls may have been begun already
        progress = replace(narrowed(changes.progress, places), looked_ms=now, left_ms=0, intent=None)
        return Move(Stage.TOOLS, 0, replace(changes, progress=progress))
    if seen.tools is None:  # the answer to a POST: the next look reads the catalogue too
        return Move(Stage.POLL, 0, replace(changes, progress=replace(changes.progress, intent=None)))
    return open_round(run, shown, seen, changes, now, rules)
