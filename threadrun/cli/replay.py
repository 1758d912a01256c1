"""`threadrun replay`: enqueue a new run from an old one's request."""

from __future__ import annotations

from typing import Annotated

import typer

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Key

_NewKey = Annotated[
    str | None,
    typer.Option("--key", metavar="NEW", show_default=False, help="The new run's key; by default a new one."),
]


def replay(at: Invocation, key: Key, new_key: _NewKey = None) -> ExitCode:
    """Enqueue a new run from the request of an old one and print its key."""
    handle = at.client.replay(key, idempotency_key=new_key)
    if at.json:
        at.screen.document({"key": handle.key, "created": handle.created, "replay_of": key})
        return ExitCode.OK
    if not handle.created:
        at.screen.note("The same request was enqueued before under this key; this is its run.")
    at.screen.text(handle.key)
    return ExitCode.OK
