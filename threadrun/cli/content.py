"""Write what users and models wrote, for `--content` only."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from threadrun.cli.screen import plain
from threadrun.records import RunRecord, ToolCallRecord
from threadrun.request import MessageInput


def content_lines(record: RunRecord) -> Iterator[Text]:
    """Write the request's texts, each tool call, and the output text."""
    request = record.request
    yield from _part("instructions", request.instructions)
    yield from _part("additional instructions", request.additional_instructions)
    for message in request.messages:
        yield from _part(f"message ({message.role})", _text(message))
    for call in record.tool_calls:
        yield from _call(call)
    if record.run and record.run.last_error:
        yield from _part("error", record.run.last_error.message)
    yield from _part("output", record.output_text)


def _text(message: MessageInput) -> str:
    if isinstance(message.content, str):
        return message.content
    texts = [
        part.get("text") if part.get("type") == "text" else f"[{part.get('type')}]"
        for part in message.content
    ]
    return "\n".join(str(text) for text in texts)


def _call(call: ToolCallRecord) -> Iterator[Text]:
    place = f"{plain(call.tool)} ({call.round}.{call.index})"
    yield from _part(f"arguments of {place}", call.arguments)
    yield from _part(f"output of {place}", call.output)
    yield from _part(f"error of {place}", call.error)


def _part(title: str, text: str | None) -> Iterator[Text]:
    if text:
        yield Text(f"\n{title}", "bold")
        yield Text(plain(text.strip("\n"), lines=True))
