"""A tools worker offers callers the tools that it will run, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from config.settings import load_settings
from threadrun.client import RunClient
from threadrun.errors import UnknownTool
from threadrun.tools import ToolRegistry, tool
from worker.runtime import ToolsRuntime
from worker.steps import check_queues

PREFIX = "shelf:"


@pytest.fixture
def registry() -> ToolRegistry:
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @tool(queue="special")
    def special(a: int) -> int:
        """Run where another queue is served."""
        return a

    return ToolRegistry([add.tool, special.tool])


@pytest.fixture
def client(redis_url: str, registry: ToolRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunClient]:
    """Give a client beside a tools worker that consumes the queue `tools` alone."""
    monkeypatch.setenv("THREADRUN_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", PREFIX)
    worker = ToolsRuntime(load_settings(), "tools@vm", registry, ["tools"])
    worker.start()
    made = RunClient.from_url(redis_url, key_prefix=PREFIX)
    yield made
    made.close()
    worker.redis.flushdb()
    worker.stop()


def test_a_tool_whose_queue_the_worker_does_not_consume_is_not_in_the_catalogue(client: RunClient) -> None:
    assert list(client.tools()) == ["add"]
    with pytest.raises(UnknownTool, match="no worker serves special; served: add"):
        client.enqueue("asst_1", messages="hello", tools=["special"])


def test_the_worker_says_at_start_which_tools_it_does_not_offer(registry: ToolRegistry) -> None:
    with capture_logs() as logs:
        check_queues(registry, {"tools"})

    (line,) = logs
    assert (line["event"], line["tool"], line["queue"]) == ("tool.queue_not_consumed", "special", "special")
