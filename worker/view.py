"""What the engine reads of a run before it decides: the stored fields, typed, without the big texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic_core import from_json

from threadrun.compact_json import compact_json
from threadrun.status import CallState, OnUnknown, Outcome, Stage
from worker.replace import replace

SCHEMA = 1
"""The newest record schema that this worker carries; newer runs are left for newer workers."""


HARD_LIMIT_GRACE_SECONDS = 10.0
"""How long after a handler's own limit its child is killed."""


class Effect(StrEnum):
    """Name the POSTs of the engine; each is preceded by a stored intent."""

    CREATE_THREAD = "create_thread"
    CREATE_RUN = "create_run"
    SUBMIT_OUTPUTS = "submit_outputs"
    CANCEL_RUN = "cancel_run"


@dataclass(frozen=True)
class Intent:
    """Say that a POST was about to be sent, and until when it may still take effect."""

    effect: Effect
    sent_ms: int
    not_after_ms: int
    """A successor acts only after this time."""


@dataclass(frozen=True)
class Progress:
    """Hold what the engine must remember of a run between two looks; written only by decisions."""

    intent: Intent | None = None
    errors: int = 0
    """Consecutive looks that got no usable answer."""
    held: str = ""
    """Why the run is held back (`unauthorized`, `rate_limited`, `busy_thread`), for people to see."""
    looks: int = 0
    """Searches for a run whose creation is unknown."""
    attempts: int = 0
    """POSTs of the create call."""
    newest_before: str | None = None
    """Where metadata does not come back: the thread's newest run before the create; empty: it had none."""
    created_seen_ms: int = 0
    """When we first saw the run exist; ages and expiry count from here."""
    expires_ms: int = 0
    """When the provider will expire it, on our clock; 0: it did not say."""
    missing_since_ms: int = 0
    """When the provider first answered 404."""
    strange_status: str = ""
    """The last status that we do not know."""
    looked_ms: int = 0
    """The last look at the provider while tools run."""
    left_ms: int = 0
    """When such a look first showed the run at work again, though we submitted nothing; 0: it did not."""
    signature: str = ""
    """Fingerprint of the calls of the present or last round, a word each."""
    wanted: tuple[int, ...] = ()
    """Places of that round's calls that the provider still asks for; empty: of all."""
    submitted_ms: int = 0
    """When the outputs of that round were sent; 0: not yet."""
    repeats: int = 0
    """How often this round's outputs were sent again although the steps did not say that they are wanted."""
    refusals: int = 0
    """How often the present submit or cancel was refused."""
    cancel_since_ms: int = 0
    """When the run entered stage cancel."""
    cancel_accepted_ms: int = 0
    """When the provider accepted the cancel; 0: not yet."""
    ending: Outcome | None = None
    """The outcome to record if the provider ends the run as cancelled, or if it never existed there."""
    reason: str = ""
    """Why we bring it to that end."""
    ended_ms: int = 0
    """When it ended; finalize counts its deadline from here."""
    usage_looks: int = 0
    """Extra looks for a usage that was null."""
    unconfirmed: bool = False
    """The provider never showed a terminal status."""

    def dump(self) -> str:
        """Write as JSON, leaving out what is at its default."""
        return compact_json({name: value for name, value in vars(self).items() if value != _DEFAULTS[name]})

    @classmethod
    def load(cls, text: str | None) -> Progress:
        """Read what `dump` wrote; names of a later version are ignored."""
        if not text:
            return cls()
        values = {name: value for name, value in from_json(text).items() if name in _DEFAULTS}
        if intent := values.get("intent"):
            values["intent"] = Intent(Effect(intent["effect"]), intent["sent_ms"], intent["not_after_ms"])
        values["wanted"] = tuple(values.get("wanted", ()))
        if ending := values.get("ending"):
            values["ending"] = Outcome(ending)
        return replace(_NEW, **values)


_NEW = Progress()
_DEFAULTS = vars(_NEW)


@dataclass(frozen=True)
class CallView:
    """Hold one row of the ledger, without its arguments."""

    index: int
    state: CallState
    tool: str
    tool_call_id: str = ""
    type: str = "function"
    attempts: int = 0
    sends: int = 0
    sent_ms: int = 0
    not_before_ms: int = 0
    worker: str = ""
    token: str = ""
    deadline_ms: int = 0
    idempotent: bool = False
    queue: str = "tools"
    timeout_seconds: float = 60.0
    on_unknown: OnUnknown = OnUnknown.TELL
    strikes: int = 0
    """How often a process died with this call alone in its hands."""
    deaths: int = 0
    """How often one died with it at all."""
    quarantined: bool = False
    """So many died with it that it is not run again."""
    claimant_dead: bool = False
    """Judged by the observer that loaded this view; false while nobody may judge."""
    alone: bool = False
    """The dead claimant had no other call in its hands."""
    output: str = ""
    """Read in stage submit only."""


@dataclass(frozen=True)
class RunView:
    """Hold a claimed run as `decide` sees it."""

    key: str
    profile: str
    stage: Stage
    version: int
    claim: int
    news: str
    created_ms: int
    deadline_ms: int
    assistant_id: str = ""
    thread_id: str | None = None
    run_id: str | None = None
    status: str = ""
    """The run's last status; empty before it was created."""
    cancel_ms: int = 0
    """When somebody wished it cancelled; 0: nobody."""
    round: int = 0
    """The present or last round of tool calls, from 1; 0: none yet."""
    round_size: int = 0
    """Calls of this round."""
    open: int = 0
    """Calls of this round that are not settled."""
    total_calls: int = 0
    """Calls of all rounds."""
    tool_names: str = "*"
    """The function tools this run may call, joined by commas; `*`: any that is served."""
    tells: bool = False
    """The caller named a task to send when the record is final."""
    failures: int = 0
    """How often an advance was broken off by a defect of ours after the run's deadline."""
    own_thread: bool = False
    """The thread is made for this run alone; the caller named none."""
    metadata_echoed: bool = True
    """In stage create: the provider gives metadata back, so a run without our key is not ours."""
    search_first: bool = False
    """Redis may have lost its last second, so a create looks for its run before it posts one."""
    suspect: bool = False
    """The worker that held it last died with it, so it is carried with no other suspect beside it."""
    quarantined: bool = False
    """Three workers died with it alone: it is ended without a look at the provider."""
    request: str = ""
    """What the caller asked for, as JSON; read in stage create only."""
    my_turn: bool = True
    """In stage waiting: the mailbox names this run as the thread's holder."""
    progress: Progress = field(default_factory=Progress)
    calls: tuple[CallView, ...] = ()
    """The ledger rows of this round, in the stages that need them."""

    @property
    def index_label(self) -> str:
        """Name the status index that holds the run."""
        return self.status or "none"


RECORD_FIELDS = (
    "schema", "lease_ms", "holder", "strikes", "quarantined_ms", "deadline_ms", "cancel_ms", "stage", "claim",
    "profile", "version", "news", "created_ms", "assistant_id", "thread_id", "run_id", "status", "round", "open",
    "total_calls", "tool_names", "tells", "own_thread", "progress", "failures", "round_size",
)  # fmt: skip
"""The record fields that a claim reads; it judges by those of the first line (claim.lua)."""


def run_view(run_key: str, row: Sequence[str | None]) -> RunView:
    """Type a claimed row; absent fields read as empty."""
    raw: Mapping[str, str] = {name: value or "" for name, value in zip(RECORD_FIELDS, row, strict=True)}
    return RunView(
        key=run_key,
        profile=raw["profile"],
        stage=Stage(raw["stage"]),
        version=int(raw["version"]),
        claim=int(raw["claim"]),
        news=raw["news"] or "0",
        created_ms=int(raw["created_ms"]),
        deadline_ms=int(raw["deadline_ms"]),
        assistant_id=raw["assistant_id"],
        thread_id=raw["thread_id"] or None,
        run_id=raw["run_id"] or None,
        status=raw["status"],
        cancel_ms=int(raw["cancel_ms"] or 0),
        round=int(raw["round"] or 0),
        round_size=int(raw["round_size"] or 0),
        open=int(raw["open"] or 0),
        total_calls=int(raw["total_calls"] or 0),
        tool_names=raw["tool_names"] or "*",
        tells=raw["tells"] == "1",
        own_thread=raw["own_thread"] == "1",
        failures=int(raw["failures"] or 0),
        progress=Progress.load(raw["progress"]),
        suspect=raw["strikes"] != "" and raw["quarantined_ms"] == "",
        quarantined=raw["quarantined_ms"] != "",
    )


def with_calls(view: RunView, calls: Sequence[CallView]) -> RunView:
    """Add the ledger rows to a view."""
    return replace(view, calls=tuple(calls))
