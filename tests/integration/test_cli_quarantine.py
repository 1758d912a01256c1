"""`threadrun quarantine`: what waits for a person, and what the person decides."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.integration.carrying import set_aside
from tests.integration.cli_scene import SECRET, Scene
from threadrun.cli import ExitCode
from threadrun.status import CallState
from worker.store.ledger import CallAddress
from worker.store.runs import RunStore

OUTPUT = "what the person knows"


@pytest.fixture
def parked(scene: Scene) -> Scene:
    """A run whose one call is parked."""
    scene.in_tools("order-7", claim=True)

    async def act(store: RunStore) -> None:
        assert await set_aside(store, CallAddress("order-7", 1, 0), "token", deaths=1)

    scene.play(act)
    return scene


def test_nothing_waits_in_a_healthy_deployment(scene: Scene) -> None:
    scene.in_tools("order-7", claim=True)
    told = scene.cli("quarantine", "list")

    assert (told.code, told.out, told.err) == (ExitCode.OK, "", "Nothing waits for a person.\n")
    assert scene.cli("quarantine", "list", "-o", "json").json == {"quarantined": []}


def test_a_parked_call_is_listed_with_the_word_that_the_other_commands_take(parked: Scene) -> None:
    lines = parked.cli("quarantine", "list").out.splitlines()
    (document,) = parked.cli("quarantine", "list", "-o", "json").json["quarantined"]

    assert lines[0].split() == ["PLACE", "STATE", "TOOL", "DEATHS", "SINCE", "LEFT", "s"]
    assert lines[1].split()[:4] == ["order-7/1/0", "parked", "add", "1"]
    assert (document["place"], document["state"], document["stage"]) == ("order-7/1/0", "parked", "tools")
    assert SECRET not in str(document)


def test_show_stats_and_doctor_tell_of_it(parked: Scene) -> None:
    parked.workers()

    assert "threadrun quarantine resolve order-7/1/0" in parked.cli("show", "order-7").out
    assert parked.cli("stats", "-o", "json").json["quarantined"] == 1
    assert "in quarantine: 1" in parked.cli("stats").out
    assert "threadrun quarantine list" in parked.cli("doctor").out


@pytest.mark.parametrize("way", ["text", "file", "stdin"])
def test_a_call_is_resolved_with_what_a_person_gives(
    parked: Scene, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "output.json"
    file.write_text(OUTPUT)
    monkeypatch.setattr(sys, "stdin", io.StringIO(OUTPUT))
    options = {"text": ("--text", OUTPUT), "file": ("--file", str(file)), "stdin": ("--file", "-")}[way]
    told = parked.cli("quarantine", "resolve", "order-7/1/0", *options)

    assert (told.code, told.out) == (ExitCode.OK, "order-7/1/0  resolved\n")
    call = parked.client.get("order-7").tool_calls[0]
    assert (call.state, call.kind, call.output) == (CallState.SETTLED, "resolved", OUTPUT)


def test_a_call_is_released_once(parked: Scene) -> None:
    told = parked.cli("quarantine", "release", "order-7/1/0", "-o", "json")
    again = parked.cli("quarantine", "release", "order-7/1/0")

    assert told.json == {"place": "order-7/1/0", "done": "released"}
    assert parked.client.get("order-7").tool_calls[0].state is CallState.PENDING
    assert (again.code, again.out) == (ExitCode.CONFLICT, "")
    assert "the call is pending" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("release", "order-7"), ExitCode.CONFLICT, "it is in no quarantine"),
        (("release", "nobody"), ExitCode.NOT_FOUND, "nobody"),
        (("release", "order-7/1"), ExitCode.USAGE, "PLACE: give a run key, or run key/round/index"),
        (("resolve", "order-7", "--text", "x"), ExitCode.USAGE, "cancel a run to end it, or release it"),
        (("resolve", "order-7/1/0"), ExitCode.USAGE, "--text or --file: give one of them"),
        (("resolve", "order-7/1/0", "--file", "/none"), ExitCode.USAGE, "cannot be read"),
        (("resolve", "order-7/1/9", "--text", "x"), ExitCode.CONFLICT, "there is no such call"),
    ],
)
def test_what_cannot_be_decided_is_told(
    parked: Scene, arguments: tuple[str, ...], code: ExitCode, said: str
) -> None:
    told = parked.cli("quarantine", *arguments)

    assert (told.code, told.out) == (code, "")
    assert said in told.err
    assert parked.client.get("order-7").tool_calls[0].state is CallState.UNKNOWN
