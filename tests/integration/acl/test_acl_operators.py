"""The operator of config/redis.acl may use the whole command line and purge; nobody else may."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.integration.acl.guarded import FILE, ROOT, Guarded
from tests.integration.acl.test_acl_users import as_worker, now_ms
from tests.integration.carrying import whole_life
from threadrun import RunClient
from threadrun.cli import run as threadrun
from threadrun.errors import StoreUnavailable


def granted(user: str) -> set[str]:
    (line,) = [line for line in FILE.read_text().splitlines() if line.startswith(f"user threadrun_{user} ")]
    return {word.removeprefix("+") for word in line.split() if word.startswith("+")}


def called(scripts: Iterable[Path]) -> set[str]:
    texts = [path.read_text() for path in scripts]
    return {name.lower() for text in texts for name in re.findall(r"redis\.p?call\('(\w+)'", text)}


def test_every_command_of_every_script_is_granted_to_who_runs_it() -> None:
    scripts = {path for path in ROOT.glob("*/**/lua/*.lua") if ".venv" not in path.parts}
    purging = {path for path in scripts if path.stem in {"purge", "forget"}}

    assert len(called(scripts)) > 15
    assert called(scripts - purging) - granted("worker") == set()
    assert called(scripts - purging) - granted("operator") == {
        "pexpire",
        "zremrangebyscore",
    }  # workers' alone
    assert called(purging) - granted("operator") == set()


def test_an_operator_may_use_the_whole_command_line_and_purge(
    guarded: Guarded, web: RunClient, capsys: pytest.CaptureFixture[str]
) -> None:
    clock_ms = now_ms(guarded)
    key = as_worker(guarded, lambda store: whole_life(web, store, clock_ms))
    web.replay(key, idempotency_key="again")
    web.enqueue("asst", messages="hi", idempotency_key="damaged")
    with guarded.redis("worker") as redis:
        redis.hset("threadrun:run:damaged", "request", "{not json")
        redis.rpush("threadrun:mq:runs", "{}")
        redis.sadd("threadrun:mq:_kombu.binding.runs", "runs")
        redis.hset("threadrun:mq:unacked", "tag", "[]")
        redis.set("threadrun:mq:celery-task-meta-1", f'{{"status": "SUCCESS", "result": "{key}"}}')
    url = guarded.url_of("operator")
    lines = (
        ["show", "again"], ["list"], ["stats"], ["events", "again"], ["tools", "list"], ["cancel", "again"],
        ["enqueue", "asst", "-m", "hi", "--thread", "thread_2"], ["purge", "--run", key],
        ["purge", "--thread", "thread_new"], ["purge", "--older-than", "30d"],
        ["purge", "--run", "damaged", "--damaged"],
    )  # fmt: skip

    codes = [threadrun([*line, "--redis-url", url]) for line in lines]

    assert codes == [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0], capsys.readouterr().err
    assert guarded.denied() == []


@pytest.mark.parametrize("user", ["web", "worker", "readonly"])
def test_nobody_else_may_purge(guarded: Guarded, web: RunClient, user: str) -> None:
    clock_ms = now_ms(guarded)
    key = as_worker(guarded, lambda store: whole_life(web, store, clock_ms))

    with guarded.redis(user) as redis, pytest.raises(StoreUnavailable, match="NoPermissionError"):
        RunClient(redis).purge(key)
    assert web.get(key).final
