"""The files of a deployment agree with the settings, and stop workers without killing handlers."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from config.settings import load_settings

ROOT = Path(__file__).parents[2]
SETTINGS = load_settings({}, None)


def read(path: str, *, comments: tuple[str, ...] = ("#", ";")) -> RawConfigParser:
    parser = RawConfigParser(strict=False, comment_prefixes=comments, inline_comment_prefixes=(" ;",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(ROOT / path)
    return parser


@pytest.mark.parametrize("program", ["program:runs", "program:tools"])
def test_supervisor_lets_a_worker_drain_and_spares_its_children(program):
    options = read("config/supervisord.conf")[program]
    assert float(options["stopwaitsecs"]) == SETTINGS.engine.stop_wait_seconds
    assert (options["stopsignal"], options["stopasgroup"], options["killasgroup"]) == (
        "TERM",
        "false",
        "true",
    )


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_systemd_lets_a_worker_drain_and_spares_its_children(kind):
    options = read(f"config/systemd/threadrun-{kind}@.service")["Service"]
    assert float(options["TimeoutStopSec"]) == SETTINGS.engine.stop_wait_seconds
    assert (options["KillMode"], options["KillSignal"]) == ("mixed", "SIGTERM")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("runs", ["-P threads", "-Q runs"]), ("tools", ["-P prefork", "-Q tools", "-c "])],
)
def test_every_way_to_start_a_worker_gives_it_its_pool_and_queue(kind, options):
    commands = [
        parse_procfile((ROOT / "Procfile").read_text()).processes[kind],
        read("config/supervisord.conf")[f"program:{kind}"]["command"],
        read(f"config/systemd/threadrun-{kind}@.service")["Service"]["ExecStart"],
    ]
    for command in commands:
        assert "python -m celery " in command
        assert not [
            option for option in (*options, "--without-mingle", "--without-gossip") if option not in command
        ]
    assert f"-n {kind}@%h" in commands[0]


def test_flower_is_started_with_its_configuration():
    commands = [
        parse_procfile((ROOT / "Procfile").read_text()).processes["flower"],
        read("config/supervisord.conf")["program:flower"]["command"],
    ]
    for command in commands:
        assert (ROOT / command.partition("--conf=")[2]).name == "flowerconfig.py"
        assert (ROOT / command.partition("--conf=")[2]).is_file()
