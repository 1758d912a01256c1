"""The bars that the figures are held against, each with what was reached; pure, from the document alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

KIND = "one tool"
"""The workload that the bars of the contenders are about."""

ONE_RATE = "one rate"
"""The same at one rate that both are at ease with: close to what it sustains each sees everything later."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Tell one bar, and what was reached."""

    figure: str
    wanted: str
    reached: str | None
    """None: it was not measured."""
    met: bool | None

    @property
    def verdict(self) -> str:
        """Say it in one word or two."""
        return "not measured" if self.met is None else "met" if self.met else "not met"


Document = Mapping[str, Any]
"""What `benchmarks.document` reads."""

Compare = Literal["at most", "at least", "under"]


@dataclass(frozen=True, slots=True)
class _Rule:
    figure: str
    compare: Compare
    limit: float
    read: Callable[[Document], float]
    unit: str = ""

    def judge(self, document: Document) -> Bar:
        wanted = f"{self.compare} {self.limit:,g}{self.unit}"
        try:
            value = self.read(document)
        except (KeyError, ZeroDivisionError):  # a part of the benchmark was left out
            return Bar(self.figure, wanted, None, None)
        met = {
            "at most": value <= self.limit,
            "at least": value >= self.limit,
            "under": value < self.limit,
        }[self.compare]
        return Bar(self.figure, wanted, f"{_told(value)}{self.unit}", met)


def bars(document: Document) -> list[Bar]:
    """Hold a document against every bar."""
    return [rule.judge(document) for rule in _rules()]


def _rules() -> Iterator[_Rule]:
    yield _Rule(
        "CPU of a one-tool run, beside AsyncOpenAI's", "at most", 0.333, _cpu("AsyncOpenAI"), " times"
    )
    yield _Rule("CPU of a one-tool run, beside the floor's", "at most", 5, _cpu("floor"), " times")
    yield _Rule("sustained runs/s, beside AsyncOpenAI's", "at least", 3, _sustained, " times")
    yield _Rule("requests of a run, beside AsyncOpenAI's", "at most", 1, _beside("requests"), " times")
    yield _Rule("mean delay, beside AsyncOpenAI's", "under", 1, _beside("delay_mean_ms"), " times")
    read = _scale("one_poll", "ratio")
    yield _Rule("CPU of reading an unchanged run, beside a bare GET", "at most", 1.6, read, " times")
    yield _Rule("CPU of the whole poll of one, beside the same", "at most", 1.6, _poll, " times")
    many = "in_flight_50000"
    yield _Rule("50,000 in flight: the process", "under", 200, _scale(many, "process_mb"), " MB")
    yield _Rule("50,000 in flight: growth while watched", "under", 2, _scale(many, "growth_mb"), " MB")
    yield _Rule("50,000 in flight: Redis", "under", 4096, _scale(many, "redis_bytes_per_run"), " B/run")
    yield _Rule("50,000 in flight: CPU of a poll, beside that at 1,000", "at most", 1.25, _growth, " times")
    yield _Rule("50,000 in flight: claimed late, p99", "under", 1_000, _scale(many, "lag_p99_ms"), " ms")
    yield _Rule("idle runs worker", "under", 1, _percent("idle", "runs_share"), " % of a core")
    yield _Rule("idle tools worker", "under", 1, _percent("idle", "tools_share"), " % of a core")
    yield _Rule("enqueue: the caller's CPU", "under", 0.5, _scale("enqueueing", "cpu_ms"), " ms")
    yield _Rule("enqueue: round trips", "at most", 1, _scale("enqueueing", "round_trips"))
    yield _Rule("enqueue_many", "at least", 10_000, _scale("enqueueing", "many_per_second"), "/s")


def _cpu(peer: str) -> Callable[[Document], float]:
    return lambda document: 1 / float(document["contenders"][KIND]["cpu_ratios"][peer])


def _sustained(document: Document) -> float:
    found = document["contenders"][KIND]["sustained"]
    return float(found["threadrun"]) / float(found["AsyncOpenAI"])


def _beside(figure: str) -> Callable[[Document], float]:
    def read(document: Document) -> float:
        found = document["contenders"][ONE_RATE]["figures"]
        return float(found["threadrun"][figure]) / float(found["AsyncOpenAI"][figure])

    return read


def _scale(part: str, figure: str) -> Callable[[Document], float]:
    return lambda document: float(document["scale"][part][figure])


def _percent(part: str, figure: str) -> Callable[[Document], float]:
    return lambda document: 100 * float(document["scale"][part][figure])


def _poll(document: Document) -> float:
    scale = document["scale"]
    return float(scale["in_flight_1000"]["worker_cpu_ms_per_poll"]) / float(scale["one_poll"]["bare_ms"])


def _growth(document: Document) -> float:
    few, many = (document["scale"][f"in_flight_{runs}"]["worker_cpu_ms_per_poll"] for runs in (1_000, 50_000))
    return float(many) / float(few)


def _told(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
