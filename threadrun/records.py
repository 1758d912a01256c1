"""What is kept of a run: the record, its tool calls, its transitions and the provider's last answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from pydantic_core import from_json

from threadrun.compact_json import compact_json
from threadrun.errors import RecordDamaged, RecordTooNew, ThreadrunError
from threadrun.models import Message, Run, RunStep, Usage
from threadrun.models.item_texts import item_texts
from threadrun.request import RunRequest
from threadrun.status import CallState, Outcome, RunStatus, Stage

SCHEMA = 1
"""The record schema that this version writes, and the newest that it reads."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Keep the HTTP side of the provider's last answer (Aspose's BaseResponse members have their place here).

    Holds no body and no request header, so no secret and no user content.
    """

    http_status: int | None = None
    """The status code; none when no answer came."""
    reason: str = ""
    """The reason phrase, or in one line why no answer came."""
    headers: dict[str, str] = field(default_factory=dict)
    """Response headers worth keeping: request ids, rate limits, retry hints; lower-case names."""
    error: dict[str, str | None] | None = None
    """`{message, type, param, code}` of the error body, whatever form the server gave it."""

    @property
    def successful(self) -> bool:
        """Tell whether the status code said so (2xx)."""
        return self.http_status is not None and 200 <= self.http_status < 300

    @property
    def error_message(self) -> str | None:
        """The provider's text of the error, wherever its body had it (`error.message`, `detail`, …)."""
        return self.error["message"] if self.error else None

    def dump(self) -> str:
        """Write as JSON."""
        shown = {
            "http_status": self.http_status, "reason": self.reason, "headers": self.headers, "error": self.error,
        }  # fmt: skip
        return compact_json(shown)

    @classmethod
    def load(cls, text: str) -> ProviderAnswer:
        """Read what `dump` wrote."""
        return cls(**from_json(text))


@dataclass(frozen=True, slots=True)
class Transition:
    """Keep one event of a run; `seq` counts from 1 without gaps."""

    seq: int
    """Its number; resume reading after it."""
    at: datetime
    """Redis's time, UTC."""
    type: str
    """Dotted, past tense: `run.created`, `tool.settled`."""
    data: Mapping[str, Any]
    """Identifiers and numbers; never user content."""

    @classmethod
    def load(cls, text: str) -> Transition:
        """Read a stored event."""
        data = from_json(text)
        return cls(data.pop("seq"), utc(data.pop("at_ms")), data.pop("type"), data)


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """Keep one tool call: what was asked, by whom it was run, what went back."""

    round: int
    """The round of required action it belongs to, from 1."""
    index: int
    """Its place in the round, from 0; with the round its identity, for wire ids can repeat or be empty."""
    tool_call_id: str
    """The wire's id, sent back with the output."""
    type: str
    """`function`, or another kind of the wire."""
    tool: str
    """The name the model called."""
    arguments: str
    """The JSON text the model gave."""
    state: CallState
    """Where it is in the ledger."""
    attempts: int = 0
    """How often a handler was entered."""
    output: str | None = None
    """What goes, or went, to the provider."""
    kind: str = ""
    """`ok`, or how it failed: `tool_error`, `invalid_arguments`, `exception`, `timeout`, `unknown_outcome`, …"""
    error: str | None = None
    """The whole error, which the model does not see."""
    worker: str = ""
    """The worker that claimed it last."""
    claimed_at: datetime | None = None
    """When a handler was last entered."""
    settled_at: datetime | None = None
    """When its output was stored."""
    deaths: int = 0
    """How many processes died with it in their hands."""
    quarantined: bool = False
    """So many died with it that it was not run again."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Show a run in a list."""

    key: str
    stage: Stage | str
    """Where we are with it; text if a newer threadrun has a stage that this one does not know."""
    status: RunStatus | str | None
    outcome: Outcome | str | None
    profile: str
    thread_id: str | None
    run_id: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Keep everything about a run; final and unchanging once `stage` is done."""

    key: str
    """Our run key."""
    schema: int
    """The record schema it was written with."""
    profile: str
    """The provider profile that carries it."""
    stage: Stage
    """Where we are with it."""
    status: RunStatus | None
    """The provider's last status; none before creation."""
    outcome: Outcome | None
    """How it ended for its caller; none before."""
    request: RunRequest
    """What was asked."""
    thread_id: str | None
    run_id: str | None
    run: Run | None
    """The last Run the provider showed, with every field it sent."""
    steps: tuple[RunStep, ...]
    """All run steps, oldest first; once final."""
    messages: tuple[Message, ...]
    """The messages the run wrote, oldest first; once final."""
    usage: Usage | None
    """Tokens; from the steps where the run's own stayed null (see `usage_source`)."""
    usage_source: str
    """`run`, `steps`, or empty if neither told."""
    tool_calls: tuple[ToolCallRecord, ...]
    """Every tool call of every round, in order."""
    transitions: tuple[Transition, ...]
    """Every event, in order of `seq`."""
    last_answer: ProviderAnswer | None
    """The HTTP side of the provider's last answer that told something."""
    missing: tuple[str, ...]
    """What could not be read for the final record: `steps`, `messages`, `usage`."""
    unconfirmed: bool
    """The run was given up without the provider showing a terminal status."""
    cancel_requested_at: datetime | None
    created_at: datetime
    """When it was enqueued."""
    deadline_at: datetime
    finished_at: datetime | None
    """When the final record was written."""
    polls: int
    requests: int
    """HTTP requests made for it, polls included; a worker that died may have made a few more."""
    held: str = ""
    """Why it is held back at the moment, if it is."""
    quarantined_at: datetime | None = None
    """When it was put in quarantine, for its workers died with it."""

    @property
    def final(self) -> bool:
        """Tell whether the record is written for good."""
        return self.stage is Stage.DONE

    @property
    def output_text(self) -> str:
        """Join the texts of the messages that the run wrote."""
        return "\n".join(message.text for message in self.messages if message.text)


def utc(ms: int | str) -> datetime:
    """Turn Redis's milliseconds into a UTC time."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def utc_or_none(ms: str | None) -> datetime | None:
    """Turn a stored time into a UTC time; empty and 0 mean none."""
    return utc(ms) if ms and ms != "0" else None


def run_record(
    run_key: str, fields: Mapping[str, str], events: Sequence[str], calls: Mapping[str, str]
) -> RunRecord:
    """Assemble a record from its three keys.

    Raises:
        RecordTooNew: The record was written by a newer threadrun.
        RecordDamaged: A field lacks, or holds what it cannot hold.
    """
    with telling_damage(run_key):
        schema = int(fields["schema"])
        if schema <= SCHEMA:
            return _assembled(run_key, schema, fields, events, calls)
    raise RecordTooNew(run_key, schema, SCHEMA)


@contextmanager
def telling_damage(run_key: str) -> Iterator[None]:
    """Tell whatever error the reading of stored fields ends with as RecordDamaged.

    Raises:
        RecordDamaged: A field lacks, or holds what it cannot hold.
    """
    try:
        yield
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        OSError,
        ThreadrunError,
    ) as error:
        raise RecordDamaged(run_key, type(error).__name__) from None  # its text may quote the field


def _assembled(
    run_key: str, schema: int, fields: Mapping[str, str], events: Sequence[str], calls: Mapping[str, str]
) -> RunRecord:
    get = fields.get
    progress = from_json(get("progress") or "{}")
    return RunRecord(
        key=run_key,
        schema=schema,
        profile=fields["profile"],
        stage=Stage(fields["stage"]),
        status=RunStatus(fields["status"]) if get("status") else None,
        outcome=Outcome(fields["outcome"]) if get("outcome") else None,
        request=RunRequest.model_validate_json(fields["request"]),
        thread_id=get("thread_id") or None,
        run_id=get("run_id") or None,
        run=Run.from_wire(fields["run"]) if get("run") else None,
        steps=tuple(RunStep.from_wire(step) for step in item_texts(get("steps") or "[]")),
        messages=tuple(Message.from_wire(message) for message in item_texts(get("messages") or "[]")),
        usage=Usage.from_wire(fields["usage"]) if get("usage") else None,
        usage_source=get("usage_source") or "",
        tool_calls=tool_calls(calls),
        transitions=tuple(Transition.load(text) for text in events),
        last_answer=ProviderAnswer.load(fields["last_answer"]) if get("last_answer") else None,
        missing=tuple(from_json(get("missing") or "[]")),
        unconfirmed=bool(progress.get("unconfirmed", False)),
        cancel_requested_at=utc_or_none(get("cancel_ms")),
        created_at=utc(fields["created_ms"]),
        deadline_at=utc(fields["deadline_ms"]),
        finished_at=utc_or_none(get("finished_ms")),
        polls=int(get("polls") or 0),
        requests=int(get("requests") or 0),
        held=progress.get("held", ""),
        quarantined_at=utc_or_none(get("quarantined_ms")),
    )


def tool_calls(rows: Mapping[str, str]) -> tuple[ToolCallRecord, ...]:
    """Assemble the ledger's rows, in order of round and index."""
    grouped: dict[tuple[str, str], dict[str, str]] = {}
    for name, value in rows.items():
        round_, index, *rest = name.split(":", 2)
        if rest:
            grouped.setdefault((round_, index), {})[rest[0]] = value
    calls = [_tool_call(int(round_), int(index), row) for (round_, index), row in grouped.items()]
    return tuple(sorted(calls, key=attrgetter("round", "index")))


def _tool_call(round_: int, index: int, row: Mapping[str, str]) -> ToolCallRecord:
    get = row.get
    return ToolCallRecord(
        round=round_,
        index=index,
        tool_call_id=get("tool_call_id", ""),
        type=get("type", ""),
        tool=get("tool", ""),
        arguments=get("arguments", ""),
        state=CallState(get("state", "pending")),
        attempts=int(get("attempts") or 0),
        output=get("output"),
        kind=get("kind", ""),
        error=get("error") or None,
        worker=get("worker", ""),
        claimed_at=utc_or_none(get("claimed_ms")),
        settled_at=utc_or_none(get("settled_ms")),
        deaths=int(get("deaths") or 0),
        quarantined=get("quarantined_ms", "0") not in {"", "0"},
    )
