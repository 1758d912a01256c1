"""The command line itself: options on either side, one-line errors, exit codes, nothing secret, never a traceback."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from threadrun.cli import ExitCode, run
from threadrun.cli.exit_codes import MEANINGS
from threadrun.cli.screen import ago, brief, seconds
from threadrun.cli.since import parse_since
from threadrun.errors import InvalidRequest

NOBODY = "redis://shop:hunter2@127.0.0.1:1/0"
COMMANDS = ("enqueue", "show", "list", "wait", "events", "cancel", "replay", "stats", "doctor", "health")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADRUN_REDIS_URL", NOBODY)
    monkeypatch.delenv("THREADRUN_KEY_PREFIX", raising=False)
    monkeypatch.setenv("COLUMNS", "120")


def test_help_lists_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == ExitCode.OK
    told = capsys.readouterr().out

    assert [name for name in (*COMMANDS, "tools") if name not in told] == []
    assert [code for code, meaning in MEANINGS.items() if f"{code.value} - {meaning}" not in told] == []
    assert set(MEANINGS) == set(ExitCode)


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == ExitCode.OK
    assert "Exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*COMMANDS, "tools list", "tools schema"])
def test_every_command_has_help_and_takes_the_global_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*name.split(), "-h"]) == ExitCode.OK
    told = capsys.readouterr().out

    assert [option for option in ("--output", "--redis-url", "--key-prefix") if option not in told] == []
    assert "hunter2" not in told


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("threadrun ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["shw"], "No such command 'shw'. Did you mean 'show'?"),
        (["show"], "Missing argument 'KEY'."),
        (["show", "a b"], "KEY: 1 to 128 characters of"),
        (["show", "k", "-o", "yaml"], "'yaml' is not one of"),
        (["show", "k", "--nope"], "--nope"),
        (["events", "k", "--after", "-1"], "'--after'"),
        (["events", "k\udcff"], "argument 2 is not valid UTF-8."),
        (["wait", "k", "--timeout", "nan"], "give seconds, 0 or more"),
        (["wait", "k", "--timeout", "-1"], "give seconds, 0 or more"),
        (["stats", "--watch", "--every", "inf"], "give seconds, 0 or more"),
        (["list", "--since", "yesterday"], "--since: give an age such as 90s"),
        (["list", "--limit", "0"], "--limit: 1 to 1000"),
        (["list", "--status", "odd"], "--status: one of cancelled"),
        (["list", "--key-prefix", "a b"], "--key-prefix: must be"),
        (
            ["list", "--redis-url", "http://shop:hunter2@h"],
            "--redis-url (THREADRUN_REDIS_URL): not a Redis URL",
        ),
        (["list", "--redis-url", "redis://shop:hun#ter2@h"], "percent-encode special characters"),
        (["enqueue"], "ASSISTANT_ID: name the assistant"),
        (["enqueue", "asst_1"], "give --message (a new thread), --thread"),
        (["enqueue", "asst_1", "-m", "hi", "--metadata", "team"], "--metadata: 'team' is not K=V"),
        (["enqueue", "asst_1", "-m", "hi", "--deadline", "0"], "--deadline: must be more than 0"),
        (["enqueue", "asst_1", "-m", "hi", "--key", "a b"], "--key: 1 to 128 characters of"),
        (["enqueue", "--json", "/nowhere.json"], "--json: /nowhere.json cannot be read: No such file"),
    ],
)
def test_a_line_that_cannot_work_is_refused_in_a_line_or_two(
    line: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == ExitCode.USAGE
    out, err = capsys.readouterr()

    assert told in err
    assert len(err.splitlines()) <= 2
    assert err.startswith("threadrun: ")
    assert out == ""
    assert "hun" not in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"assistant_id":', "not valid JSON at line 1"),
        ("[]", "give one object"),
        ("\xff", "not JSON in UTF-8"),
        ("[" * 100_000, "not JSON in UTF-8"),
        ('{"self": 1, "assistant_id": "a"}', "--json self: not known here"),
        (
            '{"assistant_id": "a", "messages": "hi", "metadata": [1]}',
            "--metadata: must be an object",
        ),
    ],
)
def test_a_request_that_is_no_request_is_refused(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_text(text, encoding="latin-1")

    assert run(["enqueue", "--json", str(file), "--metadata", "a=b"]) == ExitCode.USAGE
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [["show", "k"], ["list"], ["wait", "k"], ["events", "k"], ["cancel", "k"], ["replay", "k"], ["stats"],
     ["tools", "list"], ["tools", "schema", "x"], ["enqueue", "asst_1", "-m", "hi"]],
)  # fmt: skip
def test_a_redis_that_is_not_there_is_named_without_its_password(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == ExitCode.UNREACHABLE
    out, err = capsys.readouterr()

    assert "redis://shop:***@127.0.0.1:1/0" in err
    assert "THREADRUN_REDIS_URL" in err
    assert "hunter2" not in out + err


def test_an_enqueue_of_unknown_fate_names_the_key_with_which_repeating_is_safe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["enqueue", "asst_1", "-m", "hi", "--key", "order-7"]) == ExitCode.UNREACHABLE
    assert "repeat with --key order-7" in capsys.readouterr().err


def test_doctor_finds_a_redis_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == ExitCode.UNREACHABLE
    out = capsys.readouterr().out

    assert "redis://shop:***@127.0.0.1:1/0 does not answer" in out
    assert "hunter2" not in out


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_the_command_to_install_it_is_told(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [
        name for name in sys.modules if name.startswith("threadrun.cli.") or name.partition(".")[0] == missing
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    assert run(["list"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        f"threadrun: the command line needs {missing}. Install it: pip install 'threadrun[cli]'\n"
    )


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", "2026-01-31T11:58:30+00:00"),
        ("1.5h", "2026-01-31T10:30:00+00:00"),
        ("3d", "2026-01-28T12:00:00+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T08:00+02:00", "2026-01-31T06:00:00+00:00"),
    ],
)
def test_a_point_in_time_is_an_age_or_an_iso_time(text: str, expected: str) -> None:
    assert parse_since(text, NOW).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "h", "-2h", "2 h ago", "999999999w", "2026-13-01", "0001-01-01T00:00+14:00"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--since"):
        parse_since(text, NOW)


def test_durations_are_spelt_for_their_place() -> None:
    assert [seconds(value) for value in (0.0123, 12.345, 123.45)] == ["0.012", "12.35", "123.5"]
    assert [brief(value) for value in (0.04, 3.24, 60.0, 1_234_567.0)] == ["0", "3.2", "60", "1234567"]
    assert [ago(value) for value in (-3, 42, 119, 120, 7200, 172_800)] == [
        "0s",
        "42s",
        "119s",
        "2m",
        "2h",
        "2d",
    ]
