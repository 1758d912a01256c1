"""A plain Celery task that blocks on the openai client, as most apps begin: the app and its task."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import asdict
from functools import cache
from typing import Any

from celery import Celery
from openai import OpenAI

from benchmarks.driver import Ended
from benchmarks.peers.openai_tool import LOOKUP, outputs_of, text_of

REDIS_URL = "BENCHMARK_REDIS_URL"
"""The variable that names the broker, which keeps the results too."""

SERVER_URL = "BENCHMARK_SERVER_URL"
"""The variable that names the run server."""

app = Celery("blocking", broker=os.environ.get(REDIS_URL), backend=os.environ.get(REDIS_URL))


@cache
def client() -> OpenAI:
    """Make the one client of a worker's child."""
    warnings.simplefilter("ignore", DeprecationWarning)  # the client calls all of this API deprecated
    return OpenAI(base_url=os.environ[SERVER_URL], api_key="local")


@app.task  # type: ignore[untyped-decorator]  # Celery has no annotations
def carry(script: str, began_at: float) -> dict[str, Any]:
    """Carry one run to its answer."""
    threads = client().beta.threads
    thread = threads.create(messages=[{"role": "user", "content": script}])
    run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id="asst_demo", tools=[LOOKUP])
    while run.status == "requires_action":
        run = threads.runs.submit_tool_outputs_and_poll(
            thread_id=thread.id, run_id=run.id, tool_outputs=outputs_of(run)
        )
    messages = threads.messages.list(thread_id=thread.id, run_id=run.id)
    return asdict(Ended(run.id, began_at, time.time(), text_of(messages.data)))
