"""The files of a deployment agree with the settings, and stop workers without killing handlers."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from config.fatal_listener import WORKERS, listen
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
    assert len({essence(command) for command in commands}) == 1


def essence(command: str) -> tuple[str, ...]:
    """Reduce a command to what must not differ: not where Python is, what the node is called, or the banner."""
    words = shlex.split(command.replace("${TOOLS_CONCURRENCY}", "2").removeprefix("exec "))
    words[0] = Path(words[0]).name
    node = words.index("-n")
    return tuple(word for word in words[:node] + words[node + 2 :] if word != "--quiet")


@pytest.mark.parametrize("kind", ["runs", "tools"])
def test_systemd_itself_finds_nothing_wrong_with_its_units(kind, tmp_path):
    """Where there is no systemd-analyze, the units are only parsed."""
    name = f"threadrun-{kind}@.service"
    text = (ROOT / "config" / "systemd" / name).read_text()
    (tmp_path / name).write_text(text.replace("/opt/threadrun/.venv/bin/python", sys.executable))
    unit = read(f"config/systemd/{name}")
    assert {"Unit", "Service", "Install"} == set(unit.sections())
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [analyze, "verify", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_supervisor_listens_for_workers_that_cannot_start():
    configuration = read("config/supervisord.conf")
    assert configuration["eventlistener:fatal"]["command"] == "python -m config.fatal_listener"
    assert {f"program:{kind}" for kind in WORKERS} <= set(configuration.sections())


FATAL = "processname:{0}_0 groupname:{0} from_state:BACKOFF"


def told(event: str, body: str) -> str:
    return f"ver:3.0 server:supervisor serial:1 pool:fatal poolserial:1 eventname:{event} len:{len(body)}\n{body}"


@pytest.mark.parametrize(
    ("event", "program", "ends"),
    [
        ("PROCESS_STATE_FATAL", "runs", 1),
        ("PROCESS_STATE_FATAL", "tools", 1),
        ("PROCESS_STATE_FATAL", "flower", 0),
        ("PROCESS_STATE_BACKOFF", "runs", 0),
    ],
)
def test_supervisord_is_ended_for_a_worker_that_cannot_start_and_for_nothing_else(event, program, ends):
    answers, ended = io.StringIO(), []
    listen(io.StringIO(told(event, FATAL.format(program)) * 2), answers, lambda: ended.append(program))
    assert ended == [program] * 2 * ends
    assert answers.getvalue() == "READY\nRESULT 2\nOK" * 2 + "READY\n"


def test_the_listener_leaves_another_parent_alone():
    done = subprocess.run(
        [sys.executable, "-m", "config.fatal_listener"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is started by supervisord" in done.stderr


def test_flower_is_started_with_its_configuration():
    commands = [
        parse_procfile((ROOT / "Procfile").read_text()).processes["flower"],
        read("config/supervisord.conf")["program:flower"]["command"],
    ]
    for command in commands:
        assert (ROOT / command.partition("--conf=")[2]).name == "flowerconfig.py"
        assert (ROOT / command.partition("--conf=")[2]).is_file()
