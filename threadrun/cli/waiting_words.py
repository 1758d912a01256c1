"""Say plainly what a run waits for at this moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from threadrun.cli.calls import open_since, worker_name
from threadrun.cli.screen import brief, plain
from threadrun.client import CallWait, WaitsFor
from threadrun.records import Transition
from threadrun.status import CallState, Stage

_HELD = {
    "unauthorized": "the provider refuses the key of profile {profile}; check the profile's key and its rights",
    "rate_limited": "the provider asked to slow down",
    "busy_thread": "a run that is not ours holds the thread at the provider",
    "never_sent": "the provider cannot be reached; check the profile's base URL and the network",
    "invalid": "the provider refused the request",
    "no_route": "the server has no such address; check the profile's base URL",
    "not_found": "the provider does not know it (any more); lost if that stays so for a minute",
    "wrong_status": "the run's status does not allow the request",
}
_POSTS = {
    "create_thread": "the creation of its thread",
    "create_run": "its creation",
    "submit_outputs": "the tool outputs",
    "cancel_run": "the cancel",
}


def why_held(held: str, profile: str) -> str:
    """Say in words what holds runs of a profile, and what to look at."""
    return _HELD.get(held, "see `threadrun events`").format(profile=plain(profile))


def waiting_lines(waits: WaitsFor, events: Sequence[Transition] = ()) -> list[str]:
    """Say what a run waits for: the cause first, then when it is looked at again; its events tell since when."""
    if waits.final:
        return [_done(waits)]
    if waits.quarantined_at:
        return [_quarantined(waits)]
    return [*_stage(waits, events), *troubles(waits), _next_look(waits)]


def _done(waits: WaitsFor) -> str:
    if waits.tells:
        return f"done; its on_done task is still to be sent, {_due(waits)}"
    return "done"


def _quarantined(waits: WaitsFor) -> str:
    key, left = plain(waits.key), brief(waits.deadline_at - waits.at)
    return (
        f"in quarantine: its workers died with it in stage {waits.stage}; ends in {left} s, unless "
        f"`threadrun quarantine release {key}` has it carried on"
    )


def _stage(waits: WaitsFor, events: Sequence[Transition]) -> Iterator[str]:
    match waits.stage:
        case Stage.WAITING:
            yield _thread(waits)
        case Stage.CREATE:
            yield "waits to be created at the provider"
        case Stage.POLL:
            yield f"the provider has it: {waits.status or 'no status yet'}"
        case Stage.TOOLS if waits.calls:
            yield from (_call(waits, call, events) for call in waits.calls)
        case Stage.TOOLS | Stage.SUBMIT:
            yield "its tool outputs wait to be sent"
        case Stage.CANCEL:
            yield f"waits until the provider shows it ended; now: {waits.status or 'no status'}"
        case Stage.FINALIZE:
            yield "has ended; its steps, messages and usage are being read"
        case _:
            return


def _thread(waits: WaitsFor) -> str:
    if waits.thread_holder == waits.key:
        return "its thread is free; waits to be admitted"
    if waits.thread_holder is None:
        return "waits for its thread, which nobody holds; see `threadrun doctor`"
    where = f"stage {waits.thread_holder_stage}" if waits.thread_holder_stage else "without a record"
    ahead = f", {waits.runs_ahead} more before it" if waits.runs_ahead else ""
    since = brief(waits.at - waits.created_at)
    return f"waits for the thread held by run {plain(waits.thread_holder)} ({where}) since {since} s{ahead}"


def _call(waits: WaitsFor, call: CallWait, events: Sequence[Transition]) -> str:
    tool = plain(call.tool)
    if call.state is CallState.UNKNOWN:
        return _parked(waits, call)
    if call.state is CallState.CLAIMED and call.claimed_at is not None:
        limit = f" of {brief(call.deadline_at - call.claimed_at)} s" if call.deadline_at else ""
        text = f"handler {tool} (attempt {call.attempt}) runs on {worker_name(call.worker)}, "
        text += f"{brief(waits.at - call.claimed_at)} s{limit}"
        if not waits.is_alive(call.worker_seen_at):
            text += "; that worker gives no sign of life"
        return text
    since = open_since(events, call.round, call.index) or call.sent_at
    took = f" for {brief(waits.at - since)} s" if since else ""
    text = f"call of {tool} waits for a worker of queue {plain(call.queue)}{took}"
    if call.sends > 1:
        text += f", sent {call.sends} times"
    if not waits.is_alive(call.tool_seen_at):
        text += f"; no living worker serves {tool}"
    return text


def _parked(waits: WaitsFor, call: CallWait) -> str:
    how = "quarantined, for its handlers died with it" if call.quarantined else "parked"
    left = f" for {brief(waits.tools_until - waits.at)} s" if waits.tools_until else ""
    place = f"{plain(waits.key)}/{call.round}/{call.index}"
    return (
        f"call of {plain(call.tool)} (attempt {call.attempt}) is {how}: nobody knows how it ended; waits{left} for "
        f"`threadrun quarantine resolve {place}` or `release`"
    )


def troubles(waits: WaitsFor) -> Iterator[str]:
    """Say what keeps a run from going on, if anything does."""
    if waits.cancel_requested and waits.stage is not Stage.CANCEL:
        yield "somebody wished it cancelled"
    if waits.unconfirmed_post:
        what = _POSTS.get(waits.unconfirmed_post, plain(waits.unconfirmed_post))
        yield f"{what} was posted, and the answer is not known yet"
    if waits.held:
        yield f"held: {plain(waits.held)} — {why_held(waits.held, waits.profile)}"
    elif waits.errors:
        yield f"{waits.errors} looks in a row got no usable answer from the provider"
    if not waits.profile_served:
        yield (
            f"no living worker serves profile {plain(waits.profile)}: start a worker of queue runs that has it"
        )


def _next_look(waits: WaitsFor) -> str:
    if waits.next_look_at is None:
        return "no agenda has it, so nobody will look at it; see `threadrun doctor`"
    if waits.in_hand:
        return "a worker has it in hand"
    return _due(waits)


def _due(waits: WaitsFor) -> str:
    if waits.next_look_at is None:
        return "never"
    left = (waits.next_look_at - waits.at).total_seconds()
    return f"next look in {brief(left)} s" if left >= 0 else f"due since {brief(-left)} s"
