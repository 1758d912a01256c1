"""A real worker and a real Flower answer questions, take no orders and show no content."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery

from config.celery_settings import celery_config
from config.settings import load_settings
from tests.integration.redis_server import redis_server
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
CONTENT = "what-the-user-said"
APP = """
import time
from celery import Celery
from config.celery_settings import celery_config
from config.log_pipeline import install_celery_logging
from config.remote_control import restrict_remote_control, unregister_builtin_tasks
from config.settings import load_settings

settings = load_settings()
app = Celery("sample")
app.config_from_object(celery_config(settings))
install_celery_logging(settings)
restrict_remote_control()
unregister_builtin_tasks(app)


@app.task(name="runs.enqueue", ignore_result=False, Request="config.content_tasks:ContentRequest")
def enqueue(request, seconds=0):
    time.sleep(seconds)
    if "fail" in request:
        raise ValueError("refused")
    return "key-1"
"""


@dataclass
class Deployment:
    app: Celery
    folder: Path
    port: int

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def flower(
        self, path: str, *, login: str | None = "ops:flower-password", method: str = "GET"
    ) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def environment(url: str, **variables: str) -> dict[str, str]:
    mine = {"THREADRUN_REDIS_URL": url, "PYTHONPATH": str(ROOT)} | variables
    return {name: value for name, value in os.environ.items() if not name.startswith("THREADRUN_")} | mine


def until(condition, seconds: float = 60):
    """Ask again until the answer is true, and give it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, port = tmp_path_factory.mktemp("deployment"), free_port()
    (folder / "sample.py").write_text(APP)
    options = ["--without-mingle", "--without-gossip", "-P", "threads", "-Q", "runs", "-n", "runs@test"]
    commands = {
        "runs": ["worker", *options],
        "flower": ["flower", f"--conf={ROOT / 'config/flowerconfig.py'}"],
    }
    with redis_server(folder, "--requirepass", "hidden-password") as url:
        variables = environment(
            url.replace("unix://", "unix://:hidden-password@"),
            THREADRUN_FLOWER__USER="ops",
            THREADRUN_FLOWER__PASSWORD="flower-password",
            THREADRUN_FLOWER__PORT=str(port),
        )
        processes = []
        for name, arguments in commands.items():
            command = [sys.executable, "-m", "celery", "-A", "sample", *arguments]
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log))
        app = Celery("caller", set_as_current=False)
        app.config_from_object(
            celery_config(load_settings({k: v for k, v in variables.items() if "THREADRUN" in k}, None))
        )
        found = Deployment(app, folder, port)
        try:
            until(lambda: app.control.ping(timeout=0.3))
            until(lambda: "Visit me" in found.log("flower"))
            yield found
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(30)
            app.close()


def send(deployment: Deployment, text: str, **options: object) -> str:
    """Send a task whose result nobody waits for, and give its id."""
    sent = deployment.app.send_task(
        "runs.enqueue", args=[text], kwargs=options, queue="runs", ignore_result=True
    )
    return str(sent.id)


@pytest.mark.filterwarnings("ignore:Call to deprecated.*setex:DeprecationWarning")
def test_a_caller_without_the_package_gets_the_run_key_back(deployment):
    sent = deployment.app.send_task("runs.enqueue", args=[CONTENT], queue="runs", ignore_result=False)
    assert sent.get(timeout=10) == "key-1"
    sent.forget()


def test_a_worker_survives_every_order(deployment):
    control = deployment.app.control
    for order in ("shutdown", "pool_shrink", "cancel_consumer"):
        (reply,) = control.broadcast(order, arguments={"queue": "runs"}, reply=True, timeout=1, limit=1)
        assert "refused" in reply["runs@test"]["error"]
    assert control.ping(timeout=1, destination=["runs@test"]) == [{"runs@test": {"ok": "pong"}}]
    assert '"event":"control.refused"' in deployment.log("runs")


def test_a_running_task_is_shown_without_its_content(deployment):
    pending = send(deployment, CONTENT, seconds=2)
    inspect = deployment.app.control.inspect(destination=["runs@test"], timeout=1, limit=1)
    (shown,) = until(lambda: inspect.active()["runs@test"])
    assert (shown["id"], shown["args"], shown["kwargs"]) == (pending, "(hidden)", "(hidden)")
    assert CONTENT not in json.dumps(inspect.query_task(pending))


def test_inspection_tells_no_way_to_the_broker(deployment):
    inspect = deployment.app.control.inspect(destination=["runs@test"], timeout=1, limit=1)
    told = json.dumps([inspect.stats(), inspect.conf(), inspect.registered(), inspect.active_queues()])
    assert "hidden-password" not in told
    assert ".sock" not in told


def test_a_built_in_task_is_not_run_and_its_message_not_logged(deployment):
    deployment.app.send_task("celery.map", args=[CONTENT, []], queue="runs", ignore_result=True)
    until(lambda: "unregistered task of type" in deployment.log("runs"))
    assert CONTENT not in deployment.log("runs")


def test_a_failing_task_is_logged_without_its_content(deployment):
    send(deployment, f"fail {CONTENT}")
    until(lambda: "raised unexpected" in deployment.log("runs"))
    assert CONTENT not in deployment.log("runs")


def test_every_line_of_a_worker_after_its_banner_is_json(deployment):
    lines = [line for line in deployment.log("runs").splitlines() if line.startswith("{")]
    assert [json.loads(line)["level"] for line in lines]
    assert "hidden-password" not in deployment.log("runs") + deployment.log("flower")


def test_flower_asks_for_a_login_and_takes_no_orders(deployment):
    for path in ("/", "/tasks", "/api/tasks", "/broker"):
        assert deployment.flower(path, login=None)[0] == 401
        assert deployment.flower(path, login="ops:wrong")[0] == 401
        assert deployment.flower(path)[0] == 200
    assert deployment.flower("/api/worker/shutdown/runs@test", method="POST")[0] == 403


def test_flower_shows_tasks_without_their_content(deployment):
    task = send(deployment, CONTENT)
    until(lambda: task in deployment.flower("/api/tasks")[1])
    told = deployment.flower("/api/tasks")[1] + deployment.flower(f"/task/{task}")[1]
    assert "(hidden)" in told
    assert CONTENT not in told


@pytest.mark.parametrize(
    ("variables", "missing"),
    [({}, "THREADRUN_FLOWER__USER"), ({"THREADRUN_FLOWER__USER": "ops"}, "THREADRUN_FLOWER__PASSWORD")],
)
def test_flower_does_not_start_without_a_login(deployment, variables, missing):
    command = [sys.executable, "-c", "import runpy, sys; runpy.run_path(sys.argv[1])"]
    command.append(str(ROOT / "config" / "flowerconfig.py"))
    ended = subprocess.run(
        command,
        cwd=deployment.folder,
        env=environment("redis://h", **variables),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode != 0
    assert f"{missing}: is required" in ended.stderr.decode()
