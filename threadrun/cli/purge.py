"""`threadrun purge`: remove finished runs from Redis, and prove that nothing names them any more."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.screen import count, plain
from threadrun.cli.since import parse_age
from threadrun.client import Purged

_Run = Annotated[
    list[str] | None,
    typer.Option("--run", metavar="KEY", show_default=False, help="This run; may be given again."),
]
_Thread = Annotated[
    str | None, typer.Option("--thread", metavar="ID", show_default=False, help="All runs of this thread.")
]
_Profile = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="The profile that --thread belongs to.")
]
_OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than",
        metavar="AGE",
        show_default=False,
        help="All runs that ended so long ago: 90s, 15m, 2h, 30d, 4w.",
    ),
]

_Damaged = Annotated[
    bool, typer.Option("--damaged", help="Take open runs of --run too whose records cannot be read.")
]

MAX_NAMED = 20
"""How many of the places that are left are named."""

ELSEWHERE = (
    "Redis's append-only file holds what went until it is rewritten (redis-cli BGREWRITEAOF), backups until they are "
    "replaced; the provider still has its thread and runs."
)
"""What a purge cannot reach."""


def purge(
    at: Invocation,
    runs: _Run = None,
    thread: _Thread = None,
    profile: _Profile = "default",
    older_than: _OlderThan = None,
    damaged: _Damaged = False,
) -> ExitCode:
    """Remove all traces of finished runs from Redis and prove it; a run that is still open is refused.

    With --damaged one whose record cannot be read goes too; its run at the provider, if there is one, is not cancelled.
    Usage counters stay: they hold no content. Exits with 1 if anything is left that names what was purged.
    """
    age = None if older_than is None else parse_age(older_than, "--older-than")
    done = at.client.purge(*(runs or ()), thread_id=thread, profile=profile, older_than=age, damaged=damaged)
    if at.json:
        at.screen.document(purge_document(done))
    else:
        _write(at, done)
    if not done.clean:
        return at.complain(ExitCode.BAD, "something is left; once it is gone, purge again.")
    if not done.run_keys and older_than is None:
        return at.complain(ExitCode.NOT_FOUND, "there was nothing to purge: purged already, or never here.")
    return ExitCode.OK


def purge_document(done: Purged) -> dict[str, Any]:
    """Spell what a purge did and what its proof found."""
    return {
        "clean": done.clean,
        "runs": list(done.run_keys),
        "keys_deleted": done.keys_deleted,
        "entries_removed": done.entries_removed,
        "looked_at": {"keys": done.keys_looked_at, "entries": done.entries_looked_at},
        "left": [{"key": trace.key, "type": trace.type or None, "run": trace.run_key} for trace in done.left],
    }


def _write(at: Invocation, done: Purged) -> None:
    gone = f"{count(done.keys_deleted, 'key')} and {count(done.entries_removed, 'mention')} removed"
    at.screen.text(f"{count(len(done.run_keys), 'run')} purged: {gone}.")
    looked = f"{count(done.keys_looked_at, 'key')} and {done.entries_looked_at} entries looked at"
    at.screen.text(f"Proof: {looked}, {len(done.left) or 'nothing'} left.")
    for trace in done.left[:MAX_NAMED]:
        at.screen.text(f"  {plain(trace.key)} names {plain(trace.run_key or 'the thread')}")
    if done.run_keys:
        at.screen.note(ELSEWHERE)
