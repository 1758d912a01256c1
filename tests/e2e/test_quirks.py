"""Every run ends in one true record, whatever its server does otherwise: real workers, a server for each quirk."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Effects
from tests.e2e.quirky_runs import KINDS, PATIENCE_SECONDS, Scene, counted, faults, usage_at
from threadrun import Outcome, RunRecord, RunStatus
from threadrun.testing import FaultRule, LocalStack, Quirk, RunServer, ServerOptions
from threadrun.testing.faults import Fault

TOUCHED: dict[str, tuple[str, ...]] = {
    Quirk.METADATA_NULL: ("lost_create",),
    Quirk.FLOAT_TIMES: ("answered", "cancelled_at_tools"),
    Quirk.REQUIRED_ACTION_EMPTY_OBJECT: ("answered", "lost_submit"),
    Quirk.USAGE_NULL: ("answered", "cancelled_at_tools"),
    Quirk.STEPS_WITHOUT_USAGE: ("answered", "cancelled_in_queue"),
    Quirk.PARTIAL_OUTPUTS_ACCEPTED: (
        "answered", "lost_submit", "asked_again_meanwhile", "answered_in_part_by_another",
    ),
    Quirk.UNKNOWN_CALL_500: ("lost_submit", "asked_again_meanwhile"),
    Quirk.NOT_FOUND_INSTEAD_OF_WRONG_STATUS: (
        "answered_by_another", "cancelled_by_another", "lost_submit",
    ),
    Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS: ("cancelled_in_queue", "cancelled_at_tools"),
    Quirk.CANCEL_FINISHED_200: ("cancelled_too_late", "cancelled_at_tools"),
    Quirk.NO_THREAD_AND_RUN_CREATE: ("answered",),
    Quirk.NO_ACTIVE_RUN_LIMIT: ("answered", "lost_create"),
    Quirk.RUN_ID_FILTER_IGNORED: ("answered",),
    "regression": ("cancelled_at_tools",),
    "open_assistant_api": ("answered", "cancelled_in_queue", "lost_create", "lost_submit", "answered_by_another"),
    "fakeai": ("answered", "cancelled_at_tools", "cancelled_too_late", "lost_create", "lost_submit"),
}  # fmt: skip
"""Which kinds of runs a quirk can touch; the last two are whole servers with many."""

SERVERS = {
    "open_assistant_api": frozenset(Quirk) - {Quirk.CANCEL_FINISHED_200, Quirk.RUN_ID_FILTER_IGNORED},
    "fakeai": {
        Quirk.CANCEL_FINISHED_200, Quirk.NO_THREAD_AND_RUN_CREATE, Quirk.NO_ACTIVE_RUN_LIMIT, Quirk.USAGE_NULL,
    },
    "regression": frozenset[Quirk](),
}  # fmt: skip
REGRESSES = {"regression", "fakeai"}
REGRESSED = {(profile, "cancelled_at_tools") for profile in REGRESSES}

EXPECTED = {
    "answered": (Outcome.COMPLETED, "10"),
    "second": (Outcome.COMPLETED, "again"),
    "cancelled_too_late": (Outcome.COMPLETED, "done"),
    "lost_create": (Outcome.COMPLETED, "found"),
    "lost_submit": (Outcome.COMPLETED, "4"),
    "answered_by_another": (Outcome.COMPLETED, "mine"),
    "answered_in_part_by_another": (Outcome.COMPLETED, "mine, let go"),
    "asked_again_meanwhile": (Outcome.COMPLETED, "2"),
}
"""What a run of each kind ends with; the others end cancelled and say nothing."""

RUNS = [
    (profile, kind)
    for profile, kinds in TOUCHED.items()
    for touched in kinds
    for kind in ((touched, "second") if touched == "answered" else (touched,))
]


def server_for(profile: str) -> RunServer:
    quirks = SERVERS[profile] if profile in SERVERS else {Quirk(profile)}
    regression = FaultRule(fault=Fault.REGRESSION, operation="cancel", seconds=4)
    return RunServer(
        ServerOptions(quirks=quirks), faults=faults(profile, *([regression] if profile in REGRESSES else []))
    )


@pytest.fixture(scope="module")
def scenes(effects_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    """Start a server for each quirk and one stack, and carry all the runs at once."""
    gates = tmp_path_factory.mktemp("gates")
    with ExitStack() as open_:
        servers = {profile: open_.enter_context(server_for(profile)) for profile in TOUCHED}
        env = {"E2E_EFFECTS_FILE": str(effects_file), "E2E_GATES": str(gates)}
        for name, server in servers.items():
            env[f"THREADRUN_PROFILES__{name.upper()}__BASE_URL"] = server.base_url
            env[f"THREADRUN_PROFILES__{name.upper()}__API_KEY"] = "any"
        module = "tests.e2e.gate_handlers"
        stack = open_.enter_context(LocalStack([module], checkout=ROOT, tools_workers=2, env=env))
        found = {name: Scene(stack.client, at, name, gates) for name, at in servers.items()}
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(carry, found.values()))
        yield found


def carry(scene: Scene) -> None:
    for kind in TOUCHED[scene.profile]:
        KINDS[kind](scene)
    for profile, kind in RUNS:
        if profile == scene.profile:
            scene.client.wait(scene.key(kind), PATIENCE_SECONDS)


@pytest.fixture(params=RUNS, ids="-".join)
def ended(request: pytest.FixtureRequest, scenes: dict[str, Scene]) -> tuple[Scene, str, RunRecord]:
    profile, kind = request.param
    scene = scenes[profile]
    return scene, kind, scene.client.get(scene.key(kind))


def test_a_run_ends_in_one_true_record(ended: tuple[Scene, str, RunRecord], effects: Effects) -> None:
    scene, kind, record = ended
    assert (record.outcome, record.output_text) == EXPECTED.get(kind, (Outcome.CANCELLED, ""))
    assert (record.status, record.unconfirmed) == (record.outcome, False)
    assert [event.seq for event in record.transitions] == list(range(1, len(record.transitions) + 1))
    assert sum(event.type == "run.finished" for event in record.transitions) == 1
    assert scene.run_ids(record.key) == [record.run_id]
    if (scene.profile, kind) not in REGRESSED:
        usage = counted(record.usage.to_wire()) if record.usage else None
        assert (usage, record.usage_source) == usage_at(scene, record)
    assert record.missing == (() if record.usage else ("usage",))
    assert [step.id for step in record.steps] == [step["id"] for step in scene.server.steps(record.run_id)]
    written = [m["id"] for m in scene.server.messages(record.thread_id) if m["run_id"] == record.run_id]
    assert [message.id for message in record.messages] == written
    assert sum(effects(record.key).values()) == len(record.tool_calls)
    assert all(call.attempts == 1 for call in record.tool_calls)


@pytest.mark.parametrize("profile", sorted(REGRESSES))
def test_a_cancelled_run_that_goes_on_keeps_its_first_end_and_is_not_answered(
    scenes: dict[str, Scene], profile: str
) -> None:
    scene = scenes[profile]
    key = scene.key("cancelled_at_tools")
    shown = scene.until(key, RunStatus.REQUIRES_ACTION)

    record = scene.client.get(key)
    assert record.run is not None
    assert (record.outcome, record.run.status) == (Outcome.CANCELLED, "cancelled")
    assert [
        effect for effect in scene.server.effects("outputs.accepted") if effect.run_id == shown["id"]
    ] == []


def test_a_call_that_another_client_left_to_us_is_run_once(
    scenes: dict[str, Scene], effects: Effects
) -> None:
    scene = scenes[Quirk.PARTIAL_OUTPUTS_ACCEPTED]
    record = scene.client.get(scene.key("answered_in_part_by_another"))

    assert sum(effects(record.key).values()) == 2
    assert [(call.tool, call.round, call.state) for call in record.tool_calls] == [
        ("plus", 1, "settled"),
        ("gated", 1, "submitted"),
    ]


MET: dict[str, tuple[str, str, int]] = {
    Quirk.UNKNOWN_CALL_500: ("asked_again_meanwhile", "submit_tool_outputs", 500),
    Quirk.PARTIAL_OUTPUTS_ACCEPTED: ("asked_again_meanwhile", "submit_tool_outputs", 400),
    Quirk.NOT_FOUND_INSTEAD_OF_WRONG_STATUS: ("answered_by_another", "submit_tool_outputs", 404),
    Quirk.CANCEL_REFUSED_OUTSIDE_IN_PROGRESS: ("cancelled_at_tools", "cancel", 400),
    Quirk.CANCEL_FINISHED_200: ("cancelled_too_late", "cancel", 200),
}
"""In which run a quirk shows in an answer to a POST, and as which status."""


@pytest.mark.parametrize("profile", MET)
def test_the_runs_really_met_the_quirk(scenes: dict[str, Scene], profile: str) -> None:
    kind, action, status = MET[profile]
    (run_id,) = scenes[profile].run_ids(scenes[profile].key(kind))
    seen = [
        effect.status for effect in scenes[profile].server.log if effect.path.endswith(f"{run_id}/{action}")
    ]
    assert status in seen
