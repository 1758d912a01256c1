"""Send a secret of its own through every input, and look for them in everything that somebody may read."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from config.celery_settings import celery_url
from tests.chaos.canary_inputs import INPUTS, Canaries, refusing_server, scripts
from tests.chaos.canary_outputs import Monitor, Search, flower_texts, said_by, said_by_cli
from tests.chaos.crew import ROOT
from tests.chaos.figures import Figures, Size
from threadrun.client import RunClient
from threadrun.redis_clients import connect
from threadrun.redis_urls import RedisAddress
from threadrun.testing import LocalStack
from threadrun.testing.guarded import GuardedProcess

TOOLS = ["echo", "give", "raise_chain", "raise_tool_error", "die"]
LOGS: dict[Size, tuple[tuple[str, str], ...]] = {
    "full": (("DEBUG", "json"), ("DEBUG", "console"), ("INFO", "json")),
    "small": (("DEBUG", "json"),),
}
"""Level and form of the workers' logs; each has workers and runs of its own."""

CONF = ROOT / "config" / "flowerconfig.py"
FLOWER = [sys.executable, "-m", "celery", "--quiet", "-A", "worker.app", "flower", f"--conf={CONF}"]

PROFILES = ("invalid", "unauthorized", "page")
END_SECONDS = 60.0

IN_RECORDS = 12
"""At least so many secrets stand in records by design; fewer would mean that the inputs went nowhere."""


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    canaries = Canaries()
    search = Search(canaries)
    for level, form in LOGS[size]:
        with refusing_server(canaries) as refusing:
            _carry(canaries, search, refusing, {"LEVEL": level, "FORMAT": form})
    figures = Figures(
        load=f"{len(INPUTS)} unique secrets", nemesis="every input, every output, logs at DEBUG"
    )
    figures.show("secrets", len(INPUTS))
    figures.demand("of them seen on their way into records", len(search.carried), at_least=IN_RECORDS)
    for output, found in search.found.items():
        figures.demand(f"found in {output}", len(found), exactly=0)
        figures.demand(f"kB of {output}", search.bytes[output] / 1000, at_least=0.05)
        for one in list(dict.fromkeys(found))[:30]:
            figures.fail(one)
    return figures


def _carry(canaries: Canaries, search: Search, refusing: str, log: dict[str, str]) -> None:
    env = _settings(canaries, refusing, log)
    stack = LocalStack(
        ["tests.chaos.canary_handlers"], checkout=ROOT, env=env, runs_workers=0, tools_workers=0
    )
    with stack:
        _lock(stack, canaries["redis password"])
        with Monitor(stack.env["THREADRUN_REDIS_URL"]) as monitor:
            for kind in ("runs", "tools"):
                stack.start(kind)
            flower = GuardedProcess(FLOWER, log=stack.folder / "flower.log", env=stack.env, cwd=stack.folder)
            flower.wait_until(lambda: _flower_sees_all(stack, canaries), END_SECONDS)
            finished = _enqueue(stack, canaries)
            _through_tasks(stack, canaries)
            _wait(stack.client, finished)
            login = (stack.env["THREADRUN_FLOWER__USER"], canaries["flower password"])
            for path, text in flower_texts(_flower_url(stack), login):
                search.look("Flower", [text], f"Flower {path}")
            for line, text in _said_by_cli(stack):
                search.look("command line", [text], f"threadrun {line}")
            with connect(stack.env["THREADRUN_REDIS_URL"]) as redis:
                search.look("key names", redis.scan_iter("*"))
        search.look("key names", (line.split(" ")[1] for line in monitor.lines if " " in line))
        search.look("messages", monitor.messages())
        search.carried.update(name for line in monitor.lines for name in canaries.found_in(line))
        search.look("tracebacks", _tracebacks(stack, canaries))
        for kind in ("runs", "tools"):
            stack.stop(kind, 0, END_SECONDS)
        flower.close()
        logs = {"flower": flower.log_text()} | {kind: stack.logs(kind) for kind in ("runs", "tools")}
    for kind, text in logs.items():
        search.look("logs", text.splitlines(), f"log of {kind}, {log['LEVEL']} {log['FORMAT']}")


def _settings(canaries: Canaries, refusing: str, log: dict[str, str]) -> dict[str, str]:
    profiles = {f"THREADRUN_PROFILES__{name.upper()}__BASE_URL": f"{refusing}/{name}" for name in PROFILES}
    return {
        **profiles,
        "CANARIES": json.dumps(canaries.of),
        "THREADRUN_PROFILES__DEFAULT__API_KEY": canaries["api key"],
        "THREADRUN_PROFILES__UNAUTHORIZED__API_KEY": canaries["refusal of a key"],
        "THREADRUN_PROFILES__DEFAULT__QUERY": f"signature={canaries['query value']}",
        "THREADRUN_PROFILES__DEFAULT__ORGANIZATION": canaries["header value"],
        "THREADRUN_LOG__LEVEL": log["LEVEL"],
        "THREADRUN_LOG__FORMAT": log["FORMAT"],
        "THREADRUN_FLOWER__USER": "operator",
        "THREADRUN_FLOWER__PASSWORD": canaries["flower password"],
        "THREADRUN_FLOWER__PORT": str(_free_port()),
    }


def _lock(stack: LocalStack, password: str) -> None:
    """Have Redis ask for a password, which stands in the workers' URL."""
    with connect(stack.redis_url) as redis:
        redis.config_set("requirepass", password)
    stack.env["THREADRUN_REDIS_URL"] = stack.redis_url.replace("unix://", f"unix://:{password}@")
    stack.client.close()
    stack.client = RunClient.from_env(stack.env)


def _enqueue(stack: LocalStack, canaries: Canaries) -> list[str]:
    """Enqueue a run of each kind; gives the keys of those that end."""
    more: dict[str, Any] = {
        "instructions": canaries["instructions"],
        "additional_instructions": canaries["additional instructions"],
        "metadata": {"note": canaries["metadata value"]},
        "on_done": "shop.answered",
    }
    keys = []
    for key, script in scripts(canaries).items():
        messages = [canaries["message"], script]
        stack.client.enqueue("asst_demo", messages=messages, tools=TOOLS, idempotency_key=key, **more)
        keys.append(key)
    for profile in PROFILES:
        messages = [canaries["message"]]
        stack.client.enqueue(
            "asst_demo", messages=messages, profile=profile, idempotency_key=f"canary-{profile}"
        )
    return [*keys, "canary-invalid"]


def _through_tasks(stack: LocalStack, canaries: Canaries) -> None:
    """Enqueue by task, once so that it is refused; and send what nobody asked for."""
    options = {"global_keyprefix": "threadrun:mq:"}
    url = celery_url(RedisAddress.parse(stack.env["THREADRUN_REDIS_URL"]))
    shop = Celery("shop", broker=url, backend=url)
    shop.conf.update(broker_transport_options=options, result_backend_transport_options=options)
    request = {"assistant_id": "asst_demo", "messages": canaries["message of a task"]}
    wrong = {"temperature": canaries["refused request"], "metadata": {"k": canaries["refused request"] * 40}}
    results = [
        shop.send_task("runs.enqueue", args=[{**request, "idempotency_key": "canary-task"}], queue="runs"),
        shop.send_task(
            "runs.enqueue", args=[{**request, **wrong, "idempotency_key": "canary-x"}], queue="runs"
        ),
    ]
    forged = canaries["forged message"]
    for queue, task, args in (
        ("tools", "shop.unknown", [forged]),
        ("runs", "runs.enqueue", [forged]),
    ):
        shop.send_task(
            task, args=args, kwargs={"note": forged} if task == "shop.unknown" else {}, queue=queue
        )
    for result in results:
        with suppress(Exception):  # one of them is refused
            result.get(timeout=20)
    shop.close()


def _wait(client: RunClient, keys: list[str]) -> None:
    for key in [*keys, "canary-task"]:
        client.wait(key, END_SECONDS)


def _said_by_cli(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """Run every command in its default form and as JSON."""
    keys = [run.key for run in stack.client.list(limit=100)]
    lines = [[command, key] for key in keys for command in ("show", "events")]
    lines += [
        ["list"],
        ["stats"],
        ["doctor"],
        ["doctor", "--audit"],
        ["tools", "list"],
        ["wait", *keys, "--timeout", "0.2"],
    ]
    lines += [["replay", "canary-plain"], ["cancel", *keys[:3]]]
    lines += [
        ["enqueue", "asst_demo", "--key", "canary-plain", "-m", "another"],
        ["purge", "--run", "canary-plain"],
    ]
    for line in lines:
        for form in ("table", "json"):
            words = [*line, "-o", form, "--redis-url", stack.env["THREADRUN_REDIS_URL"]]
            yield " ".join([*line, "-o", form]), said_by_cli(words)


def _tracebacks(stack: LocalStack, canaries: Canaries) -> Iterator[str]:
    """Start what cannot work: with settings that are wrong, and with a Redis that refuses or is not there."""
    worker = ["-m", "celery", "--quiet", "-A", "worker.app", "worker", "-P", "threads", "-Q", "runs"]
    use = ["-c", "from threadrun import RunClient; RunClient.from_env().stats()"]
    cli = ["-m", "threadrun.cli", "list"]
    password = canaries["unreachable redis password"]
    dead = f"redis://:{password}@127.0.0.1:{_free_port()}/0"
    wrong = stack.redis_url.replace("unix://", f"unix://:{password}@")
    tries = [
        (command, {"THREADRUN_REDIS_URL": url}) for url in (dead, wrong) for command in (worker, use, cli)
    ]
    secret = canaries["api key"]
    for name, value in (
        ("THREADRUN_ENGINE__LEASE_SECONDS", secret),
        ("THREADRUN_REDIS_URL", f"http://:{secret}@host"),
        ("THREADRUN_REDIS_URL", secret),
        ("THREADRUN_PROFILES__DEFAULT__BASE_URL", f"https://user:{secret}@host"),
        ("THREADRUN_PROFILES__DEFAULT__QUERY", f"{{{secret}"),
        ("THREADRUN_FLOWER__PASSWORD", secret[:7]),
    ):
        tries.append((FLOWER[1:] if "FLOWER" in name else worker, {name: value}))
        if "REDIS" in name:
            tries.append((use, {name: value}))
            tries.append((cli, {name: value}))
    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(lambda it: said_by(it[0], {**stack.env, **it[1]}, stack.folder, 25), tries)


def _flower_sees_all(stack: LocalStack, canaries: Canaries) -> bool | None:
    login = ("operator", canaries["flower password"])
    with suppress(httpx.HTTPError, ValueError):
        url = f"{_flower_url(stack)}/api/workers"
        return len(httpx.get(url, params={"refresh": "1"}, auth=login, timeout=10).json()) == 2 or None
    return None


def _flower_url(stack: LocalStack) -> str:
    return f"http://127.0.0.1:{stack.env['THREADRUN_FLOWER__PORT']}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
