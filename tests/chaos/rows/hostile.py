"""Give handlers, and the readers of replies, what no honest model or server would write."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.figures import Figures, Size
from tests.chaos.hostile_handlers import HANDLERS, entered
from tests.chaos.hostile_text import HOSTILE_IDS, arguments
from threadrun.testing import call_tool
from threadrun.tools import ToolResult
from worker.providers.ids import is_plain_id, read_run
from worker.transport.body import UnreadableBodyError, read_body

CALLS: dict[Size, int] = {"full": 10_000, "small": 300}
"""Argument strings for each handler."""

LIMIT_BYTES = 1024 * 1024
"""What a reply may hold here."""

BOMB_BYTES = 200_000_000

MAX_GROWTH_MB = 40.0
"""What the process may have grown at the end since a tenth of the way; a leak of the texts would be hundreds."""


def run(size: Size, seed: int, folder: Path) -> Figures:
    """Run the experiment."""
    figures = Figures(
        load=f"{CALLS[size]:,} argument strings for each of {len(HANDLERS)} tools",
        nemesis="depth, width, size, number and gzip bombs; odd ids; half characters; markup; wrong types",
    )
    _arguments(figures, CALLS[size], random.Random(seed))
    _bombs(figures)
    _ids(figures)
    return figures


def _arguments(figures: Figures, each: int, draw: random.Random) -> None:
    ends: Counter[str] = Counter()
    slowest, settled_mb = 0.0, 0.0
    for at in range(each):
        text = arguments(draw)
        for handler in HANDLERS:
            entered.sent = text
            begun = time.perf_counter()
            result = call_tool(handler, text)
            slowest = max(slowest, time.perf_counter() - begun)
            ends[_judged(result)] += 1
        if at == each // 10:
            settled_mb = _resident_mb()
    figures.show("calls", sum(ends.values()))
    figures.demand("entered", ends["entered"], at_least=each // 100)
    figures.demand("refused with a reason", ends["refused"], at_least=each)
    figures.demand("entered with a wrong value", entered.wrong, exactly=0)
    figures.demand("neither entered nor refused clearly", ends["unclear"], exactly=0)
    figures.demand("slowest call (s)", slowest, at_most=2.0)
    figures.demand("growth of memory (MB)", round(_resident_mb() - settled_mb, 1), at_most=MAX_GROWTH_MB)


def _judged(result: ToolResult) -> str:
    """Say what became of a call: entered once with a value, or refused with at least one problem."""
    times = entered.take()
    if result.kind == "ok":
        return "entered" if times == 1 else "unclear"
    told = json.loads(result.output)["error"]
    clear = result.kind == "invalid_arguments" and times == 0 and all(p["message"] for p in told["problems"])
    return "refused" if clear and told["problems"] and len(result.output) < 16_000 else "unclear"


def _resident_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


def _bombs(figures: Figures) -> None:
    zeros = b"[" + b" " * BOMB_BYTES + b"]"
    bombs = [
        ("gzip", gzip.compress(zeros, 1)),
        ("deflate", zlib.compress(zeros, 1)),
        ("", b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        ("identity", b"[" * (LIMIT_BYTES - 1)),
        ("", b'"' + b"x" * (2 * LIMIT_BYTES) + b'"'),
        ("", b"[" + b"[]," * (LIMIT_BYTES // 3 - 2) + b"[]]"),
    ]
    del zeros
    before = _resident_mb()
    read = sum(asyncio.run(_is_read(body, coding)) for coding, body in bombs)
    figures.demand("bombs read", read, exactly=0)
    figures.demand("growth by bombs (MB)", round(_resident_mb() - before, 1), at_most=MAX_GROWTH_MB)


async def _is_read(body: bytes, coding: str) -> bool:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    with suppress(UnreadableBodyError):
        await read_body(chunks(), {"content-encoding": coding}, LIMIT_BYTES)
        return True
    return False


def _ids(figures: Figures) -> None:
    believed = 0
    for hostile in HOSTILE_IDS:
        with suppress(ValueError):
            read_run(json.dumps({"id": hostile, "status": "queued"}).encode())
            believed += 1
    figures.show("hostile ids", len(HOSTILE_IDS))
    figures.demand("hostile ids believed", believed + sum(map(is_plain_id, HOSTILE_IDS)), exactly=0)
