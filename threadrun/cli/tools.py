"""`threadrun tools`: what the tools workers serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.screen import joined, plain, table

_Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The tool's name.")]


def list_tools(at: Invocation) -> ExitCode:
    """List the tools that workers serve or served within the last day."""
    tools = at.client.tools()
    if at.json:
        at.screen.document({"tools": [_document(name, entry) for name, entry in tools.items()]})
        return ExitCode.OK
    if not tools:
        at.screen.note("No tools. Start a tools worker whose THREADRUN_TOOLS__MODULES imports handlers.")
        return ExitCode.OK
    shown = table(
        "TOOL", "QUEUE", "LIMIT s", "RETRIES", "IDEMPOTENT", "DESCRIPTION", right=("LIMIT s", "RETRIES")
    )
    for name, entry in tools.items():
        limit = f"{entry.get('timeout_seconds', 0):g}"
        again = "yes" if entry.get("idempotent") else "no"
        queue, retries = Text(plain(entry.get("queue", ""))), str(entry.get("retries", 0))
        shown.add_row(Text(plain(name)), queue, limit, retries, again, Text(_description(entry)))
    at.screen.out.print(shown)
    return ExitCode.OK


def show_schema(at: Invocation, name: _Name) -> ExitCode:
    """Print a tool's definition as the model gets it, in JSON."""
    tools = at.client.tools()
    if name not in tools:
        text = f"no worker serves the tool {name!r}; served: {joined(tools)}."
        return at.complain(ExitCode.NOT_FOUND, text)
    at.screen.document(tools[name].get("definition"))
    return ExitCode.OK


def _document(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    known = ("queue", "timeout_seconds", "idempotent", "retries", "max_output_bytes")
    return {"name": name, **{field: entry.get(field) for field in known}, "description": _description(entry)}


def _description(entry: Mapping[str, Any]) -> str:
    definition = entry.get("definition") or {}
    text = str((definition.get("function") or {}).get("description") or "")
    return plain(text.strip().partition("\n")[0])
