"""The README's programs run as they stand there; only their addresses are replaced."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from config.celery_settings import celery_url
from threadrun.redis_urls import RedisAddress
from threadrun.testing import LocalStack, call_tool

ROOT = Path(__file__).parents[2]
FIRST, TOOL, WEB_APP, CELERY = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_handlers.py").write_text(TOOL)
    arguments = ["--accept-any-assistant"]
    with LocalStack(["shop_handlers"], checkout=ROOT, paths=[folder], server_arguments=arguments) as stack:
        yield stack


def module_of(code: str, name: str, folder: Path) -> ModuleType:
    (folder / f"{name}.py").write_text(code)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def test_the_first_program_prints_the_sum(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(FIRST)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(tmp_path / "hello.py")]

    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"completed \| The sum is 5\. \| \d+ tokens\n", done.stdout)


def test_the_tool_runs_as_the_model_would_call_it(tmp_path: Path) -> None:
    module = module_of(TOOL, "readme_tool", tmp_path)

    refunded = call_tool(module.refund, {"order": "AB123456"})
    refused = call_tool(module.refund, {"order": "nonsense"})

    assert '"refunded":"AB123456"' in refunded.output
    assert refused.kind == "invalid_arguments"


def test_the_web_app_enqueues_once_and_reads_the_record(
    shop: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADRUN_REDIS_URL", shop.redis_url)
    module = module_of(WEB_APP, "readme_web_app", tmp_path)

    async def ask_twice() -> tuple[list[int], set[str], dict[str, str], list[int]]:
        transport = httpx.ASGITransport(module.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as browser:
            text = 'call refund {"order": "AB123456"}; say Done: $1'
            answers = [await browser.post("/questions/7", params={"text": text}) for _ in range(2)]
            keys = {answer.json()["run"] for answer in answers}
            await asyncio.to_thread(shop.client.wait, min(keys), 30)
            read = await browser.get(f"/runs/{min(keys)}")
            refused = [
                await browser.get("/runs/nobodys"),
                await browser.post("/questions/7", params={"text": "another"}),
                await browser.post("/questions/8", params={"text": ""}),
            ]
            await module.runs.close()
            codes = [[answer.status_code for answer in some] for some in (answers, refused)]
            return codes[0], keys, read.json(), codes[1]

    codes, keys, read, refused = asyncio.run(ask_twice())

    assert codes == [200, 200]
    assert refused == [404, 409, 422]
    assert keys == {"question:7"}
    assert read["outcome"] == "completed"
    assert '"refunded":"AB123456"' in read["text"]


def test_a_caller_without_the_package_enqueues_by_task_name(shop: LocalStack, tmp_path: Path) -> None:
    url = celery_url(RedisAddress.parse(shop.redis_url))
    module = module_of(CELERY.replace("redis://127.0.0.1:6379/0", url), "readme_celery", tmp_path)

    key = module.enqueue_mail("8", "Hello there")

    assert key == "mail:8"
    assert shop.client.wait(key, 30).output_text == "You said: Hello there"
