"""The table for people, and the file with every number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.aligned import aligned
from benchmarks.figures import Figures, cpu_parts_ms, cpu_ratio, figures, medians, server_cpu_ms
from benchmarks.machine import machine, versions
from benchmarks.measure import Measured

Rounds = Mapping[str, Sequence[Measured]]
"""Of each contender, ours first, what was measured in each round."""

BOTTLENECK_SHARE = 0.7
"""A run server that is busier than this may be what is measured."""

_HEADINGS = (
    "",
    "CPU ms/run",
    "requests/run",
    "delay mean ms",
    "p99 ms",
    "start mean ms",
    "beyond thinking ms",
    "peak MB",
    "server's core",
)


def table(rounds: Rounds) -> str:
    """Draw the figures, where the CPU went, and how the others compare with ours."""
    found = {name: medians([figures(one) for one in several]) for name, several in rounds.items()}
    lines = aligned([_HEADINGS, *(_row(name, one) for name, one in found.items())])
    for name, several in rounds.items():
        parts = {**cpu_parts_ms(several), "beside it the run server": server_cpu_ms(several)}
        told = ", ".join(f"{part} {ms:.2f}" for part, ms in parts.items())
        lines.append(f"CPU ms/run of {name}: {told}")
    ours, *peers = rounds
    lines += [_comparison(peer, ours, found, rounds) for peer in peers]
    lines += [
        f"Beware: the run server was busy for {one.server_share:.0%} of the time with {name}."
        for name, one in found.items()
        if one.server_share > BOTTLENECK_SHARE
    ]
    return "\n".join(lines)


def ratio(rounds: Rounds, peer: str) -> float:
    """Tell how many times our CPU a peer needs for a run."""
    ours = next(iter(rounds))
    return cpu_ratio([figures(one) for one in rounds[peer]], [figures(one) for one in rounds[ours]])


def write(path: Path, parameters: Mapping[str, Any], rounds: Rounds) -> None:
    """Write every raw number, with what it was made of, where and when."""
    _, *peers = rounds
    document = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": dict(parameters),
        "machine": machine(),
        "versions": versions(),
        "figures": {
            name: asdict(medians([figures(one) for one in several])) for name, several in rounds.items()
        },
        "cpu_parts_ms": {name: cpu_parts_ms(several) for name, several in rounds.items()},
        "server_cpu_ms": {name: server_cpu_ms(several) for name, several in rounds.items()},
        "cpu_ratios": {peer: ratio(rounds, peer) for peer in peers},
        "rounds": {name: [_rounded(asdict(one)) for one in several] for name, several in rounds.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _row(name: str, one: Figures) -> tuple[str, ...]:
    return (
        name,
        f"{one.cpu_ms:.2f}",
        f"{one.requests:.1f}",
        f"{one.delay_mean_ms:.0f}",
        f"{one.delay_p99_ms:.0f}",
        f"{one.start_mean_ms:.0f}",
        f"{one.beyond_thinking_ms:.0f}",
        f"{one.peak_mb:.0f}",
        f"{one.server_share:.0%}",
    )


def _comparison(peer: str, ours: str, found: Mapping[str, Figures], rounds: Rounds) -> str:
    theirs, own = found[peer], found[ours]
    return (
        f"{peer} needs {ratio(rounds, peer):.2f} times the CPU of {ours} for a run, "
        f"{theirs.requests / own.requests:.2f} times its requests "
        f"and {theirs.delay_mean_ms / own.delay_mean_ms:.2f} times its mean delay."
    )


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case list():
            return [_rounded(item) for item in value]
        case dict():
            return {name: _rounded(item) for name, item in value.items()}
    return value
