"""Decide in stage create: make the thread, then the run, and never make the run twice.

A create-thread-and-run call is not used: its run could not be found again. When the outcome of a create is
unknown, the thread's runs are searched for the one that carries our run key before anything is posted again.
Where metadata does not come back, the search proves nothing, and nothing is posted again.
"""

from __future__ import annotations

from threadrun.models import Run
from threadrun.records import ProviderAnswer
from threadrun.status import Outcome, Stage
from worker.decide.decision import Ask, Changes, Decision, Event, Move, Post, Question, Rest, ThreadMove
from worker.decide.ending import due_ending, end
from worker.decide.observe import observed
from worker.decide.rules import Rules
from worker.decide.seen import CreateAnswered, Look, NewestSeen, RunSeen, RunsSearched, Seen, ThreadAnswered
from worker.decide.trouble import end_refused, look_later
from worker.providers.base import OUTSIDE, No, Refusal, Reply, Unknown, Yes
from worker.replace import replace
from worker.view import Effect, RunView


def create(run: RunView, seen: Seen, now: int, rules: Rules) -> Decision:
    """Carry the run from nothing to a run id."""
    match seen:
        case Look():
            return _look(run, now)
        case ThreadAnswered(reply):
            return _thread_answered(run, reply, now, rules)
        case CreateAnswered(reply):
            return _create_answered(run, reply, now, rules)
        case RunsSearched(reply):
            return _watched(run, _searched(run, reply, now, rules))
        case NewestSeen(reply=newest):
            return _newest_seen(run, newest, rules)
        case _:
            return Rest(0)


def _look(run: RunView, now: int) -> Decision:
    if run.run_id is not None:  # a holder that came too late left the fact behind
        since = _made_at_ms(run, now)
        return Move(Stage.POLL, 0, Changes(replace(run.progress, intent=None, created_seen_ms=since)))
    intent = run.progress.intent
    if intent is not None and now < intent.not_after_ms:
        return Rest(intent.not_after_ms - now)
    if intent is not None and intent.effect is Effect.CREATE_RUN:
        return Ask(Question.SEARCH)
    if ending := due_ending(run, now):
        return end(run, Changes(run.progress), ending[1], now)
    if (run.search_first or _held_by_thread(run)) and run.thread_id is not None:
        return Ask(Question.SEARCH)
    return _begin(run, Changes(run.progress))


def _begin(run: RunView, changes: Changes) -> Ask | Post:
    """Post what comes next; where metadata does not come back, first note which run is the newest."""
    if run.thread_id is None or run.own_thread or run.metadata_echoed:
        return _post(run, changes, has_thread=run.thread_id is not None)
    return Ask(Question.NEWEST)


def _newest_seen(run: RunView, reply: Reply[str], rules: Rules) -> Decision:
    match reply:
        case Yes(value=newest, answer=answer):
            progress = replace(run.progress, errors=0, held="", newest_before=newest)
            return _post(run, Changes(progress, answer=answer), has_thread=True)
        case No(refusal=Refusal.NOT_FOUND | Refusal.NO_ROUTE):  # the create will say why
            return _post(run, Changes(run.progress), has_thread=True)
        case No() | Unknown():
            return look_later(run, reply, rules)


def _post(run: RunView, changes: Changes, *, has_thread: bool) -> Post:
    if not has_thread:  # a thread posted twice leaves an empty one behind, which harms nobody
        return Post(Effect.CREATE_THREAD, changes)
    attempt = changes.progress.attempts + 1
    progress = replace(changes.progress, attempts=attempt, looks=0)
    event = Event("run.create_sent", {"attempt": attempt})
    learnt = changes if changes.facts else None
    return Post(Effect.CREATE_RUN, replace(changes, progress=progress).adding(event), learnt)


def _thread_answered(run: RunView, reply: Reply[str], now: int, rules: Rules) -> Decision:
    match reply:
        case Yes(value=thread_id, answer=answer):
            changes = Changes(
                replace(run.progress, intent=None, errors=0, held=""),
                facts={"thread_id": thread_id},
                fact_events=(Event("thread.created", {"thread_id": thread_id}),),
                answer=answer,
                thread=ThreadMove.TAKE,
            )
            if due_ending(run, now):
                return Move(Stage.CREATE, 0, changes)
            return _post(run, changes, has_thread=True)
        case No(refusal=Refusal.INVALID | Refusal.NOT_FOUND | Refusal.WRONG_STATUS | Refusal.BUSY_THREAD):
            return end_refused(run, reply, Outcome.REJECTED, now)
        case No() | Unknown():
            return look_later(run, reply, rules)


def _create_answered(run: RunView, reply: Reply[Run], now: int, rules: Rules) -> Decision:
    match reply:
        case Yes():
            return _exists(run, reply, "run.created", now, rules)
        case Unknown(reason=reason, answer=answer):
            return _search_soon(run, Changes(run.progress, answer=answer), reason, now, rules)
        case No(refusal=Refusal.BUSY_THREAD):
            return _busy_thread(run, reply, rules)
        case No(refusal=refusal) if refusal in OUTSIDE:
            return look_later(run, reply, rules)
        case No():
            return end_refused(run, reply, Outcome.REJECTED, now)


def _exists(run: RunView, reply: Yes[Run], event: str, now: int, rules: Rules) -> Decision:
    """The run exists: its id is a fact, and what its first reply shows is decided like any other look."""
    since = _made_at_ms(run, now)
    fresh = replace(run, progress=replace(run.progress, intent=None, created_seen_ms=since), stage=Stage.POLL)
    decision = observed(fresh, reply, RunSeen(reply), now, rules)
    if not isinstance(decision, Move):
        decision = Move(Stage.POLL, 0, Changes(fresh.progress, run=reply.value, answer=reply.answer))
    changes = replace(
        decision.changes,
        facts={"run_id": reply.value.id},
        fact_events=(Event(event, {"run_id": reply.value.id, "status": reply.value.status}),),
    )
    return replace(decision, changes=changes)


def _made_at_ms(run: RunView, now: int) -> int:
    """Give the earliest time at which the run can have been made; its expiry counts from there."""
    return run.progress.intent.sent_ms if run.progress.intent else now


def _busy_thread(run: RunView, reply: No, rules: Rules) -> Decision:
    """A run holds the thread: try again soon, until our deadline, but first see that it is not our own."""
    move = look_later(run, reply, rules)
    return replace(move, delay_ms=max(rules.busy_thread_ms, round((reply.retry_after_seconds or 0) * 1000)))


def _held_by_thread(run: RunView) -> bool:
    return run.progress.held == Refusal.BUSY_THREAD


def _search_soon(run: RunView, changes: Changes, reason: str, now: int, rules: Rules) -> Decision:
    intent = changes.progress.intent
    known_over = replace(intent, not_after_ms=now) if intent is not None else None
    progress = replace(changes.progress, intent=known_over, looks=0)
    changes = replace(changes, progress=progress).adding(Event("run.create_unknown", {"reason": reason}))
    return Move(Stage.CREATE, rules.adoption_looks_ms[0], changes)


def _searched(run: RunView, reply: Reply[tuple[Run, ...]], now: int, rules: Rules) -> Decision:
    match reply:
        case Yes(value=(found,)):
            return _exists(run, Yes(found, reply.answer), "run.adopted", now, rules)
        case Yes(value=(), answer=answer):
            return _not_found(run, answer, now, rules)
        case Yes(answer=answer):  # several that cannot be told apart: never guess
            return end(run, Changes(run.progress, answer=answer), Outcome.LOST, now)
        case No(refusal=Refusal.NOT_FOUND | Refusal.NO_ROUTE, answer=answer) if run.progress.intent is None:
            return _not_found(run, answer, now, rules)  # nothing was sent yet, and the create will say why
        case No(refusal=Refusal.NOT_FOUND):
            return end_refused(run, reply, Outcome.LOST, now)
        case No() | Unknown():
            return _search_failed(run, reply, now, rules)


def _watched(run: RunView, decision: Decision) -> Decision:
    """Have the thread watched where a create of unknown outcome may still make a run beside what is decided."""
    doubtful = run.progress.intent is not None or run.search_first
    match decision:
        case Post(changes=changes) if doubtful:
            return replace(decision, changes=replace(changes, watch_twins=True))
        case Move(stage=stage, changes=changes) if stage is not Stage.CREATE:
            return replace(decision, changes=replace(changes, watch_twins=True))
        case _:
            return decision


def _search_failed(run: RunView, reply: No | Unknown, now: int, rules: Rules) -> Decision:
    """Search again later; a run that can be neither found nor ruled out long after it should end is lost."""
    left_ms = search_deadline_ms(run, rules) - now
    if left_ms <= 0:
        return _unfound(run, Changes(run.progress, answer=reply.answer), now)
    move = look_later(run, reply, rules, keep_intent=True)
    move = replace(move, delay_ms=min(move.delay_ms, left_ms))
    if not _held_by_thread(run):
        return move
    progress = replace(move.changes.progress, held=run.progress.held)  # the next look must search too
    return replace(move, changes=Changes(progress, answer=reply.answer))


def search_held(run: RunView, wait_ms: int, now: int, rules: Rules) -> Rest | Move:
    """Decide when the search may not be sent yet: wait, but not for longer than a failing search would."""
    left_ms = search_deadline_ms(run, rules) - now
    return Rest(min(wait_ms, left_ms)) if left_ms > 0 else _unfound(run, Changes(run.progress), now)


def search_deadline_ms(run: RunView, rules: Rules) -> int:
    """Say until when a run whose creation is unknown is searched for."""
    return min(run.deadline_ms, run.cancel_ms or run.deadline_ms) + rules.cancel_deadline_ms


def _unfound(run: RunView, changes: Changes, now: int) -> Move:
    return end(run, replace(changes, progress=replace(changes.progress, unconfirmed=True)), Outcome.LOST, now)


def _not_found(run: RunView, answer: ProviderAnswer, now: int, rules: Rules) -> Decision:
    progress = replace(run.progress, errors=0, held=run.progress.held if _held_by_thread(run) else "")
    if progress.intent is not None:
        looks = progress.looks + 1
        if looks < len(rules.adoption_looks_ms):
            progress = replace(progress, looks=looks)
            return Move(Stage.CREATE, rules.adoption_looks_ms[looks], Changes(progress, answer=answer))
        if not run.metadata_echoed:  # it may be there, or come late: a second one could not be told from it
            return end(run, Changes(progress, answer=answer), Outcome.LOST, now)
    changes = Changes(replace(progress, intent=None), answer=answer)
    if ending := due_ending(run, now):
        return end(run, changes, ending[1], now)
    return _begin(run, changes)
