"""Put the command line together: global options, and one function a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from threadrun.cli.cancel import cancel
from threadrun.cli.doctor import doctor
from threadrun.cli.enqueue import enqueue
from threadrun.cli.events import events
from threadrun.cli.exit_codes import ExitCode, epilog
from threadrun.cli.health import health
from threadrun.cli.invocation import GlobalOptions
from threadrun.cli.list_runs import list_runs
from threadrun.cli.purge import purge
from threadrun.cli.quarantine import list_quarantined, release, resolve
from threadrun.cli.registering import KeyPrefix, Output, RedisUrl, command
from threadrun.cli.replay import replay
from threadrun.cli.show import show
from threadrun.cli.stats import stats
from threadrun.cli.tools import list_tools, show_schema
from threadrun.cli.wait import wait


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        number = version("threadrun")
    except PackageNotFoundError:
        number = "unknown (not installed)"
    sys.stdout.write(f"threadrun {number}\n")
    raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]


def _options(
    context: typer.Context,
    redis_url: RedisUrl = None,
    key_prefix: KeyPrefix = None,
    output: Output = None,
    version: _Version = False,
) -> None:
    """Enqueue runs of assistants, watch them, and see how the whole is doing.

    Data goes to standard output, everything else to standard error.
    """
    context.obj = GlobalOptions.from_environment(GlobalOptions(redis_url, key_prefix, output))


_COMMANDS: dict[str, Callable[..., ExitCode]] = {
    "enqueue": enqueue,
    "show": show,
    "list": list_runs,
    "wait": wait,
    "events": events,
    "cancel": cancel,
    "replay": replay,
    "purge": purge,
    "stats": stats,
    "doctor": doctor,
    "health": health,
}


def build() -> typer.Typer:
    """Build the app."""
    made = typer.Typer(
        pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    made.callback(epilog=epilog())(_options)
    for name, serve in _COMMANDS.items():
        command(made, name)(serve)
    tools = typer.Typer(help="See what the tools workers serve.")
    command(tools, "list")(list_tools)
    command(tools, "schema")(show_schema)
    made.add_typer(tools, name="tools")
    quarantine = typer.Typer(help="See what waits for a person: runs and calls that workers died with.")
    command(quarantine, "list")(list_quarantined)
    command(quarantine, "resolve")(resolve)
    command(quarantine, "release")(release)
    made.add_typer(quarantine, name="quarantine")
    return made


app = build()
"""The app of this process."""
