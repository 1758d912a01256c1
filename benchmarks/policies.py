"""Polling policies over shapes of durations, simulated: `python -m benchmarks.policies --svg docs/polls.svg`.

Nothing is sent and nobody waits: each policy says when it would look, and what it would have seen is known. So the
default is chosen by what it costs in polls and what it gains in time, over shapes that no single server shows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.aligned import aligned
from benchmarks.figures import percentile_99
from benchmarks.scatter import Point, scatter
from benchmarks.shapes import SHAPES, durations
from config.profile import PollSettings
from worker.backoff import Fixed, Gentle, PollPolicy
from worker.profiles import poll_policy

ROUND_TRIP_SECONDS = 0.02
"""How long a poll itself takes."""


@dataclass(frozen=True, slots=True)
class ClientHelper:
    """Look at once, then each second, as the openai client's `create_and_poll` does."""

    def delay_ms(self, age_ms: int, seed: str) -> int:
        """See PollPolicy."""
        return 1_000 if age_ms else 0


POLICIES: Mapping[str, PollPolicy] = {
    "AsyncOpenAI": ClientHelper(),
    "fixed 1 s": Fixed(1_000),
    "fixed 0.5 s": Fixed(500),
    "gentle 0.25 s": Gentle(first_ms=250),
    "gentle 0.8 s": Gentle(first_ms=800, shortest_ms=800),
    "first look 1.5 s": Gentle(first_ms=1_500),
    "share 20 %": Gentle(share=0.2),
    "default": poll_policy(PollSettings()),
}
"""What is compared, the helper that people use today first."""


@dataclass(frozen=True, slots=True)
class Score:
    """Tell what a policy costs and gains over one shape."""

    polls: float
    """Mean number of looks at a spell of work."""
    delay_mean_ms: float
    """Mean time from its end to the look that saw it."""
    delay_p99_ms: float
    """The same, which one in a hundred exceeds."""
    delay_share: float
    """Mean of the delay as a share of the spell, which is what a person who waits notices."""


def looks(policy: PollPolicy, duration: float, seed: str) -> tuple[int, float]:
    """Count the looks at one spell until one sees its end, and tell how late that was, in seconds."""
    at_seconds, polls = 0.0, 0
    while polls == 0 or at_seconds < duration:
        at_seconds += policy.delay_ms(round(1000 * at_seconds), f"{seed}:{polls}") / 1000 + ROUND_TRIP_SECONDS
        polls += 1
    return polls, at_seconds - duration


def score(policy: PollPolicy, spells: Sequence[float]) -> Score:
    """Judge a policy over many spells."""
    seen = [looks(policy, duration, str(number)) for number, duration in enumerate(spells)]
    late = [delay for _, delay in seen]
    shares = [delay / duration for delay, duration in zip(late, spells, strict=True)]
    return Score(
        polls=fmean(polls for polls, _ in seen),
        delay_mean_ms=1000 * fmean(late),
        delay_p99_ms=1000 * percentile_99(late),
        delay_share=fmean(shares),
    )


def compare(count: int, seed: int) -> dict[str, dict[str, Score]]:
    """Judge every policy over every shape, by shape and policy."""
    drawn = {shape: durations(shape, count, seed) for shape in SHAPES}
    return {
        shape: {name: score(policy, spells) for name, policy in POLICIES.items()}
        for shape, spells in drawn.items()
    }


def table(scores: Mapping[str, Mapping[str, Score]]) -> str:
    """Draw the scores for people."""
    rows = [("", "polls", "delay mean ms", "p99 ms", "share of the spell")]
    for shape, by_policy in scores.items():
        rows.append((shape, "", "", "", ""))
        rows += [
            (
                f"  {name}",
                f"{one.polls:.2f}",
                f"{one.delay_mean_ms:.0f}",
                f"{one.delay_p99_ms:.0f}",
                f"{one.delay_share:.1%}",
            )
            for name, one in by_policy.items()
        ]
    return "\n".join(aligned(rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and draw it if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="spells of each shape")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg", type=Path, help="draw polls against delay into this file")
    asked = parser.parse_args(arguments)
    scores = compare(asked.count, asked.seed)
    print(table(scores))
    if asked.svg:
        panels = {
            shape: [Point(name, one.polls, one.delay_mean_ms / 1000) for name, one in by_policy.items()]
            for shape, by_policy in scores.items()
        }
        asked.svg.write_text(scatter(panels, "polls of a spell", "mean delay in seconds"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
