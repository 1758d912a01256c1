"""`threadrun show`: one run as a timeline, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from threadrun.cli.bars import draw
from threadrun.cli.content import content_lines
from threadrun.cli.documents import run_document, shown_error
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Content, Key
from threadrun.cli.screen import Screen, brief, count, joined, plain
from threadrun.cli.states import styled
from threadrun.cli.timeline import timeline
from threadrun.cli.waiting_words import waiting_lines
from threadrun.client import WaitsFor
from threadrun.records import RunRecord

NAME_WIDTH = 13
"""How many columns the names of values take."""


def show(at: Invocation, key: Key, content: Content = False) -> ExitCode:
    """Draw a run as a timeline and say what it is waiting for.

    Bars: a solid one worked, a light one waited. Offsets count from the enqueue, in seconds.
    """
    record = at.client.get(key)
    waits = at.client.waits_for(key)
    if waits.final and not record.final:  # it ended between the two reads
        record = at.client.get(key)
    if at.json:
        at.screen.document(run_document(record, waits, content=content))
        return ExitCode.OK
    paint(at.screen, record, waits, content=content)
    return ExitCode.OK


def paint(screen: Screen, record: RunRecord, waits: WaitsFor, *, content: bool) -> None:
    """Write a run for people."""
    screen.text(_head(record, waits))
    for name, value in _facts(record, waits, content=content):
        screen.block(Text(name, "dim"), NAME_WIDTH, value)
    screen.text("")
    rows = timeline(record, waits.at)
    options = screen.out.options
    screen.out.print(draw(rows, record.created_at, screen.out.width, ascii_only=options.ascii_only))
    if content:
        for line in content_lines(record):
            screen.text(line)


def _head(record: RunRecord, waits: WaitsFor) -> Text:
    end = record.finished_at or waits.at
    life = brief(end - record.created_at)
    took = f" in {life} s" if record.final else f", enqueued {life} s ago"
    return Text.assemble(
        "run ", (plain(record.key), "bold"), "  ", styled(record.outcome or record.stage), took
    )


def _never(record: RunRecord) -> str:
    return "never created" if record.final else "not created yet"


def _facts(record: RunRecord, waits: WaitsFor, *, content: bool) -> Iterator[tuple[str, str]]:
    if not record.final or waits.tells:
        lines = waiting_lines(waits, record.transitions)
        yield from (("now" if at == 0 else "", line) for at, line in enumerate(lines))
    yield "assistant", f"{plain(record.request.assistant_id)}, profile {plain(record.profile)}"
    yield "thread", plain(record.thread_id or _never(record))
    yield (
        "run id",
        plain(record.run_id or _never(record)) + (f", status {record.status}" if record.status else ""),
    )
    life = brief(record.deadline_at - record.created_at)
    yield "enqueued", f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC, deadline after {life} s"
    yield from _origin(record)
    yield from _troubles(record, content=content)
    yield "cost", _cost(record)
    if record.output_text and not content:
        yield "output", f"{len(record.output_text)} characters (--content shows them)"


def _origin(record: RunRecord) -> Iterator[tuple[str, str]]:
    origin = record.transitions[0].data.get("replay_of") if record.transitions else None
    if origin:
        yield "replay of", plain(origin)


def _cost(record: RunRecord) -> str:
    parts = [count(record.polls, "poll"), count(record.requests, "request")]
    if record.tool_calls:
        parts.append(count(len(record.tool_calls), "tool call"))
    if usage := record.usage:
        counts = f"{usage.prompt_tokens} + {usage.completion_tokens} = {usage.total_tokens} tokens"
        parts.append(counts + (" (from the steps)" if record.usage_source == "steps" else ""))
    return ", ".join(parts)


def _troubles(record: RunRecord, *, content: bool) -> Iterator[tuple[str, str]]:
    run, answer = record.run, record.last_answer
    if run and run.last_error:
        yield "failed with", plain(run.last_error.code or "no code")
    if run and run.incomplete_details and run.incomplete_details.reason:
        yield "incomplete", plain(run.incomplete_details.reason)
    if answer and (answer.http_status is None or answer.http_status >= 400):
        error = shown_error(answer, content=content) or {}
        words = [word for name in ("code", "param", "message") if (word := error.get(name))]
        if answer.error_message and not content:
            words.append("--content shows its text")
        status = f"HTTP {answer.http_status}" if answer.http_status else "none:"
        yield (
            "last answer",
            f"{status} {plain(answer.reason)}{': ' if words else ''}{plain(', '.join(words))}",
        )
    if record.missing:
        yield "missing", f"{joined(record.missing)} could not be read for the record"
    if record.unconfirmed:
        yield "unconfirmed", "the provider never showed a terminal status"
