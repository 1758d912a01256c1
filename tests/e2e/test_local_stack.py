"""The local stack starts what the Procfile says, knows nothing of its surroundings, and tells what went wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, ROOT
from threadrun.testing import LocalStack

PATIENCE_SECONDS = 30


def test_workers_come_and_go_by_kind_and_index(stack: LocalStack) -> None:
    index = stack.start("runs")
    seen = {(worker.kind, worker.pid) for worker in stack.client.stats().workers if worker.alive}
    assert {("runs", stack.pid("runs")), ("runs", stack.pid("runs", index))} <= seen
    assert ("tools", stack.pid("tools")) in seen

    assert stack.stop("runs", index, 30) == 0
    assert not stack.running("runs", index)
    assert "worker.stopped" in stack.logs("runs", index)
    left = {worker.pid for worker in stack.client.stats().workers}
    assert stack.pid("runs", index) not in left
    assert stack.client.enqueue("asst_demo", messages="say still here").wait(PATIENCE_SECONDS).final


def test_surroundings_take_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "THREADRUN_BROKER_URL=redis://127.0.0.1:1/0\nTHREADRUN_NO_SUCH_SETTING=1\n"
    )
    monkeypatch.setenv("THREADRUN_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("THREADRUN_EMBEDDED_REDIS", "memory")
    with LocalStack(checkout=ROOT, tools_workers=0) as stack:
        assert stack.redis.kind == "memory"
        record = stack.client.enqueue("asst_demo", messages="say alone").wait(PATIENCE_SECONDS)
        assert record.output_text == "alone"
        assert stack.client.tools() == {}
        folder = stack.folder
    assert not folder.exists()


def test_a_worker_that_cannot_start_is_reported_with_its_log() -> None:
    with pytest.raises(RuntimeError, match="no module nowhere"), LocalStack(["nowhere"], checkout=ROOT):
        pytest.fail("the stack came up")


def test_a_folder_without_a_procfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Name a checkout of threadrun"), LocalStack(checkout=tmp_path):
        pytest.fail("the stack came up")


def test_a_process_that_the_procfile_does_not_name_is_refused(stack: LocalStack) -> None:
    with pytest.raises(RuntimeError, match="no process 'beat'; it has runs, tools, flower"):
        stack.start("beat")


def test_the_run_servers_inside_can_be_looked_into(stack: LocalStack) -> None:
    record = stack.client.enqueue("asst_demo", messages="think 0.1; say done").wait(PATIENCE_SECONDS)
    assert record.run_id is not None
    assert stack.control.run(record.run_id)["status"] == "completed"
    statuses = [status for _, status in stack.control.transitions(record.run_id)]
    assert statuses == ["queued", "in_progress", "completed"]
    (created,) = stack.control.effects("run.created", run_key=record.key)
    assert created.run_id == record.run_id
    assert all(effect.number > created.number for effect in stack.control.effects(after=created.number))


def test_the_testing_package_loads_neither_celery_nor_the_workers_rooms() -> None:
    program = (
        "import sys\n"
        "from threadrun.testing import EmbeddedRedis, LocalStack, RunServerControl\n"
        "print(sorted({'celery', 'kombu', 'worker', 'config', 'tasks', 'fakeredis'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
