"""Mark the tool calls whose workers are dead, where that may be judged."""

from __future__ import annotations

from threadrun.status import CallState
from worker.desk import Desk
from worker.replace import replace
from worker.view import CallView


async def judged(desk: Desk, calls: tuple[CallView, ...], now_ms: int) -> tuple[CallView, ...]:
    """Mark the calls whose worker is dead, and whether each was the only one in its hands."""
    claimants = {call.worker for call in calls if call.state is CallState.CLAIMED}
    if not claimants or not desk.observer.may_judge():
        return calls
    dead = desk.observer.dead(await desk.store.heartbeats(sorted(claimants)), now_ms)
    if not dead:
        return calls
    held = await desk.store.calls_in_hand(sorted(dead))
    return tuple(
        replace(call, claimant_dead=True, alone=held[call.worker] == 1)
        if call.state is CallState.CLAIMED and call.worker in dead
        else call
        for call in calls
    )
