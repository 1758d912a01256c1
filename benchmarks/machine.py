"""What the figures were made on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DISTRIBUTIONS = (
    "threadrun", "celery", "kombu", "redis", "hiredis", "httpx", "httpx-aiohttp", "aiohttp", "pydantic", "structlog",
    "openai", "azure-ai-agents", "azure-core", "httpx2", "uvicorn", "starlette", "httptools", "uvloop",
)  # fmt: skip
"""What the contenders and the run server are made of; one that is absent is told as none."""


def machine() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_average": os.getloadavg()[0],
    }


def versions() -> dict[str, str | None]:
    """Name the installed versions."""
    return {name: _version(name) for name in DISTRIBUTIONS}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())
