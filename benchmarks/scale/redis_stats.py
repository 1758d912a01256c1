"""What Redis says of itself: the memory that it holds, and the commands that it ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from threadrun.keys import Keys


def connect(url: str) -> Any:
    """Open a client that gives texts; any: redis-py's types are those of both its clients at once."""
    return redis.Redis.from_url(url, decode_responses=True)


def held_bytes(client: Any, keys: Keys) -> int:
    """Tell what its data take, without the stream, which is capped and so no matter of a run."""
    return int(client.info("memory")["used_memory"]) - int(client.memory_usage(keys.stream()) or 0)


def commands(client: Any) -> dict[str, int]:
    """Count the commands that it ran, those inside scripts included, by name."""
    told: Mapping[str, Mapping[str, Any]] = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(entry["calls"]) for name, entry in told.items()}


def commands_between(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Count what was run between two readings, most frequent first; what tells these figures does not count."""
    run = {name: calls - before.get(name, 0) for name, calls in after.items()}
    kept = {name: calls for name, calls in run.items() if calls and name not in ("info", "memory|usage")}
    return dict(sorted(kept.items(), key=lambda item: -item[1]))
