"""The table of a run's tool calls: pending, claimed, settled, submitted.

The same rows are read and written by the engine (asyncio) and by the tools workers' children (sync), so this
file builds and reads arguments; `call` is the only place that talks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from threadrun.compact_json import compact_json
from threadrun.keys import Keys
from threadrun.status import CallState, OnUnknown
from worker.store.scripts import Arg, Scripts
from worker.view import HARD_LIMIT_GRACE_SECONDS, CallView

ROW_FIELDS = (
    "state", "tool", "tool_call_id", "type", "attempts", "sends", "sent_ms", "not_before_ms", "worker", "token",
    "deadline_ms", "idempotent", "queue", "timeout_seconds", "on_unknown", "strikes", "deaths", "quarantined_ms",
)  # fmt: skip
"""What a look at a round reads of each row."""


IN_HAND_MS = 20_000
"""How long after its deadline a call may still be in its worker's hands: by then its child was killed."""

HANDS_LIFE_SECONDS = 86_400

FIRST_PASS_MS, LONGEST_PASS_MS = 250, 15_000
"""How soon a call that came to a worker without its handler is sent again; the pause doubles in two times."""


def row_field(round_: int, index: int, name: str) -> str:
    """Name a field of a row in the ledger's hash."""
    return f"{round_}:{index}:{name}"


def call_view(index: int, values: Sequence[str | None], output: str | None = None) -> CallView:
    """Type one row, and its output where that was read too."""
    raw: Mapping[str, str] = {name: value or "" for name, value in zip(ROW_FIELDS, values, strict=True)}
    return CallView(
        index=index,
        state=CallState(raw["state"]),
        tool=raw["tool"],
        tool_call_id=raw["tool_call_id"],
        type=raw["type"] or "function",
        attempts=int(raw["attempts"] or 0),
        sends=int(raw["sends"] or 0),
        sent_ms=int(raw["sent_ms"] or 0),
        not_before_ms=int(raw["not_before_ms"] or 0),
        worker=raw["worker"],
        token=raw["token"],
        deadline_ms=int(raw["deadline_ms"] or 0),
        idempotent=raw["idempotent"] == "1",
        queue=raw["queue"] or "tools",
        timeout_seconds=float(raw["timeout_seconds"] or 60),
        on_unknown=OnUnknown(raw["on_unknown"] or OnUnknown.TELL),
        strikes=int(raw["strikes"] or 0),
        deaths=int(raw["deaths"] or 0),
        quarantined=raw["quarantined_ms"] not in {"", "0"},
        output=output or "",
    )


@dataclass(frozen=True, slots=True)
class CallAddress:
    """Point at one call: all that a message about it carries."""

    run_key: str
    round: int
    index: int


@dataclass(frozen=True, slots=True)
class CallClaim:
    """Say what a claim of a call was answered."""

    verdict: str
    """`yes`, `gone` (the run moved on), `taken` (by another, or settled), `late` (no time left), `unknown` (no such
    call), `refused` (its child would be killed too early) or `not_served_here`."""
    now_ms: int
    deadline_ms: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ClaimedCall:
    """Tell a child what it has claimed."""

    tool_call_id: str
    arguments: str
    run_id: str
    thread_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallResult:
    """Carry what settles a call."""

    output: str
    """What the model gets."""
    kind: str
    """`ok`, or how it failed."""
    error: str = ""
    """The whole error, for log and record only."""


class Ledger:
    """Read and write rows through a client; with an asyncio client every method returns an awaitable."""

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    def _key_names(self, run_key: str, worker_id: str) -> list[str]:
        keys = self._keys
        hands = keys.hands(worker_id) if worker_id else keys.nothing()
        return [keys.run(run_key), keys.calls(run_key), keys.stream(), hands]

    def claim(
        self,
        at: CallAddress,
        token: str,
        worker_id: str,
        pid: int,
        served_ms: Mapping[str, int],
        event: str,
        hard_limit_seconds: float | None = None,
    ) -> Any:
        """Claim a pending call, and read it; answers the script's list, for `call_claim` and `claimed_call`.

        Args:
            at: The call.
            token: Names this claim.
            worker_id: Who claims.
            pid: That of the child which will run it.
            served_ms: The tools that it serves, each with its limit.
            event: The event's body, which the script completes with tool and attempt.
            hard_limit_seconds: After how long the child will be killed; none: never.
        """
        args: list[Arg] = [
            at.run_key, at.round, at.index, token, worker_id, pid, event, IN_HAND_MS, HANDS_LIFE_SECONDS,
            "" if hard_limit_seconds is None else hard_limit_seconds, round(HARD_LIMIT_GRACE_SECONDS * 1000),
        ]  # fmt: skip
        for tool, limit_ms in served_ms.items():
            args += [tool, limit_ms]
        return self._scripts.call("call_claim", self._key_names(at.run_key, worker_id), args)

    def settle(
        self,
        at: CallAddress,
        token: str,
        result: CallResult,
        event: str,
        op: str,
        *,
        worker_id: str = "",
        after: CallView | None = None,
    ) -> Any:
        """Store a call's output once; answers `[verdict, open calls]`, to a repeat of `op` what it was first.

        Args:
            at: The call.
            token: That of its claim; empty for a call that nobody claimed.
            result: What becomes of it.
            event: The event's body.
            op: Names this write.
            worker_id: The worker that settles what it had in its own hands.
            after: The call as it was decided about, with its deaths.
        """
        moved = compact_json({"type": "run.outputs_ready", "round": at.round})
        args: list[Arg] = [
            self._keys.prefix, at.run_key, at.round, at.index, token,
            result.output, result.kind, result.error, event, moved, op, *_deaths(at, after),
        ]  # fmt: skip
        return self._scripts.call("settle", self._key_names(at.run_key, worker_id), args)

    def reopen(
        self,
        at: CallAddress,
        token: str,
        delay_ms: int,
        event: str,
        *,
        worker_id: str = "",
        after: CallView | None = None,
    ) -> Any:
        """Give a claimed call back, to be sent again after a delay; answers 1 or 0."""
        _, strikes, deaths = _deaths(at, after)
        args: list[Arg] = [
            self._keys.prefix, at.run_key, at.round, at.index, token, delay_ms, event, strikes, deaths,
        ]  # fmt: skip
        return self._scripts.call("reopen", self._key_names(at.run_key, worker_id), args)

    def pass_on(self, at: CallAddress) -> Any:
        """Have a pending call that came to a worker without its handler sent again soon; answers 1 or 0."""
        args: list[Arg] = [
            self._keys.prefix, at.run_key, at.round, at.index, FIRST_PASS_MS, LONGEST_PASS_MS,
        ]  # fmt: skip
        names = [self._keys.run(at.run_key), self._keys.calls(at.run_key)]
        return self._scripts.call("pass_on", names, args)

    def set_aside(
        self, at: CallAddress, after: CallView, kind: str, error: str, event: str, *, worker_id: str = ""
    ) -> Any:
        """Note that a claimed call's outcome is unknown, without answering it; answers 1 or 0."""
        quarantine, strikes, deaths = _deaths(at, after)
        args: list[Arg] = [
            self._keys.prefix, at.run_key, at.round, at.index, after.token, kind, error, event, quarantine,
            strikes, deaths, int(after.on_unknown is OnUnknown.PARK),
        ]  # fmt: skip
        return self._scripts.call("call_unknown", self._key_names(at.run_key, worker_id), args)


def _deaths(at: CallAddress, after: CallView | None) -> tuple[str, Arg, Arg]:
    """Give the event of a quarantine that begins now, and how many have died with the call."""
    if after is None:
        return "", "", ""
    told = {"attempt": after.attempts, "strikes": after.strikes, "deaths": after.deaths}
    event = {"type": "tool.quarantined", "round": at.round, "index": at.index, "tool": after.tool, **told}
    begins = after.quarantined and after.state is CallState.CLAIMED
    return compact_json(event) if begins else "", after.strikes, after.deaths


def call_claim(answer: Sequence[Any]) -> CallClaim:
    """Type the answer of a claim."""
    verdict, now_ms, deadline_ms, attempt = answer[:4]
    return CallClaim(str(verdict), int(now_ms), int(deadline_ms), int(attempt))


def claimed_call(answer: Sequence[Any]) -> ClaimedCall:
    """Type what a claim that succeeded has read."""
    call_id, arguments, run_id, thread_id, request = answer[5:]
    return ClaimedCall(call_id, arguments, run_id, thread_id, json.loads(request).get("metadata") or {})
