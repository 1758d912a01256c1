"""The tool of the benchmark, as a worker serves it."""

from __future__ import annotations

from benchmarks.workload import answer_of
from threadrun import tool


@tool
def lookup(city: str) -> str:
    """Look up how many trams a city has."""
    return answer_of(city)
