"""The command line looks at the whole: stats, tools, doctor."""

from __future__ import annotations

from pathlib import Path

from tests.integration.cli_scene import Scene
from threadrun.cli import ExitCode


def test_stats_shows_agendas_workers_and_tools(scene: Scene) -> None:
    scene.workers()
    scene.enqueue("order-7")
    told = scene.cli("stats")
    document = scene.cli("stats", "-o", "json").json

    assert "default  create     1    1" in told.out
    assert "tools: add" in told.out
    assert list(document) == ["at", "agendas", "pauses", "workers", "tools", "quarantined"]
    assert {worker["kind"]: worker["alive"] for worker in document["workers"]} == {
        "runs": True,
        "tools": True,
    }


def test_stats_and_doctor_tell_of_a_paused_profile(scene: Scene) -> None:
    scene.workers()
    seconds, _ = scene.redis.time()
    scene.redis.hset(scene.keys.permits("default"), "GET_until", (seconds + 3_600) * 1000)

    assert "default: GET paused for" in scene.cli("stats").out
    assert scene.cli("stats", "-o", "json").json["pauses"][0]["reason"] == "rate_limited"
    assert "no GET is sent to the provider of profile default" in scene.cli("doctor").out.replace("\n", " ")


def test_tools_are_listed_and_their_definitions_shown(scene: Scene) -> None:
    scene.workers()

    assert "add   tools       60        0  no          Add." in scene.cli("tools", "list").out
    assert scene.cli("tools", "list", "-o", "json").json["tools"][0]["queue"] == "tools"
    assert scene.cli("tools", "schema", "add").json["function"]["name"] == "add"
    missing = scene.cli("tools", "schema", "nobody")
    assert (missing.code, missing.out) == (ExitCode.NOT_FOUND, "")


def test_doctor_is_content_with_a_healthy_deployment(scene: Scene) -> None:
    scene.workers()
    scene.in_tools("order-7", claim=False)
    scene.enqueue("waiting", thread_id="thread_1")
    told = scene.cli("doctor")

    assert (told.code, told.err) == (ExitCode.OK, "")
    assert told.out.endswith("All is well.\n")


def test_doctor_ends_with_5_where_redis_cannot_be_used(scene: Scene, tmp_path: Path) -> None:
    told = scene.cli("doctor", "-o", "json", "--redis-url", f"unix://{tmp_path}/nobody.sock")

    assert told.code == ExitCode.UNREACHABLE
    assert [finding["check"] for finding in told.json["findings"]] == ["redis.unreachable"]


def test_doctor_finds_a_lost_run_and_its_remedy_mends_it(scene: Scene) -> None:
    scene.workers()
    scene.polled("order-7")
    scene.redis.zrem(scene.keys.agenda("poll", "default"), "order-7")
    told = scene.cli("doctor", "-o", "json")
    (finding,) = told.json["findings"]

    assert told.code == ExitCode.BAD
    assert (finding["severity"], finding["check"]) == ("error", "agenda.astray")
    remedy = finding["message"].rpartition("redis-cli ")[2].split()
    scene.redis.execute_command(*remedy)
    # Due since 1970 until a worker takes it, so it counts as stuck for that moment.
    assert {found["check"] for found in scene.cli("doctor", "-o", "json").json["findings"]} == {"runs.stuck"}
    scene.finish("order-7")
    assert scene.cli("doctor").code == ExitCode.OK


def test_doctor_names_records_that_cannot_be_read_and_judges_the_others(scene: Scene) -> None:
    scene.workers()
    for key in ("order-7", "order-8", "order-9"):
        scene.enqueue(key)
    scene.redis.hset(scene.keys.run("order-7"), "progress", "xx")
    scene.redis.set(scene.keys.run("order-8"), "xx")
    told = scene.cli("doctor", "-o", "json")
    (finding,) = told.json["findings"]

    assert told.code == ExitCode.BAD
    assert (finding["severity"], finding["check"]) == ("error", "runs.damaged")
    assert finding["message"].startswith("2 records cannot be read: order-7, order-8.")
    assert "threadrun purge --run KEY --damaged" in finding["message"]
    assert "1 open run looked at" in scene.cli("doctor").out


def test_doctor_finds_calls_that_nobody_serves(scene: Scene) -> None:
    scene.workers(tools=False)
    scene.in_tools("order-7", claim=False)
    checks = {finding["check"] for finding in scene.cli("doctor", "-o", "json").json["findings"]}

    assert checks == {"workers.no_tools", "tools.unserved"}
