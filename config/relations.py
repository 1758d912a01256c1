"""How the settings' times hang together, as a table that is checked whenever settings are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.variables import variable_name
from threadrun.errors import Problem

if TYPE_CHECKING:
    from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Relation:
    """Say that one setting, times a factor, must stay below another."""

    smaller: str
    """Path of the setting that must be smaller; `profiles.*` stands for every profile."""
    larger: str
    """Path of the setting that must be larger."""
    why: str
    """What goes wrong otherwise."""
    factor: int = 1
    """By what the smaller is multiplied first."""
    may_equal: bool = False
    """Whether both may be equal."""

    def holds(self, smaller: float, larger: float) -> bool:
        """Tell whether two values keep to it."""
        return smaller * self.factor < larger or (self.may_equal and smaller * self.factor == larger)

    def problem(self, smaller: tuple[str, float], larger: tuple[str, float]) -> Problem:
        """Describe a violation; the arguments are paths with their values."""
        lead = f"is {smaller[1]:g}" + ("" if self.factor == 1 else f" (times {self.factor})")
        word = "must be at most" if self.may_equal else "must be less than"
        limit = f"{variable_name(larger[0])} ({larger[1]:g})"
        return Problem(variable_name(smaller[0]), f"{lead}, which {word} {limit}: {self.why}")


RELATIONS = (
    Relation(
        "profiles.*.request_deadline_seconds",
        "engine.lease_seconds",
        "the holder of a claim must be able to finish one request before its claim lapses",
    ),
    Relation(
        "profiles.*.request_deadline_seconds",
        "engine.drain_seconds",
        "a stopping worker must be able to finish the request in its hands",
    ),
    Relation(
        "profiles.*.request_deadline_seconds",
        "engine.finalize_deadline_seconds",
        "reading the end of a run takes several requests",
    ),
    Relation(
        "profiles.*.request_deadline_seconds",
        "profiles.*.expiry_margin_seconds",
        "outputs sent at the margin must arrive before the run expires",
        may_equal=True,
    ),
    Relation(
        "profiles.*.poll.first_seconds",
        "profiles.*.poll.cap_seconds",
        "the first look cannot be later than the longest interval",
        may_equal=True,
    ),
    Relation(
        "engine.heartbeat_seconds",
        "engine.dead_after_seconds",
        "one lost heartbeat must not be taken for a death",
        factor=2,
    ),
    Relation(
        "engine.dead_after_seconds",
        "engine.lease_seconds",
        "a death must be known by the time a dead worker's claims lapse",
        may_equal=True,
    ),
    Relation(
        "engine.drain_seconds",
        "engine.stop_wait_seconds",
        "the supervisor must not kill a worker that still drains",
    ),
    Relation(
        "engine.lease_seconds",
        "engine.watchdog_seconds",
        "a stuck worker must not be ended before its claims have lapsed",
    ),
    Relation(
        "engine.tools_look_seconds",
        "engine.provider_look_seconds",
        "a run in stage tools is looked at more often than its provider",
        may_equal=True,
    ),
)
"""Every relation; the defaults keep all of them, which a test asserts."""


def relation_problems(settings: Settings) -> list[Problem]:
    """Check every relation for every profile."""
    return [
        relation.problem(smaller, larger)
        for relation in RELATIONS
        for smaller, larger in _pairs(settings, relation)
        if not relation.holds(smaller[1], larger[1])
    ]


def _pairs(settings: Settings, relation: Relation) -> Iterator[tuple[tuple[str, float], tuple[str, float]]]:
    names = list(settings.profiles) if "*" in relation.smaller else [""]
    for name in names:
        smaller, larger = (path.replace("*", name) for path in (relation.smaller, relation.larger))
        yield (smaller, _value(settings, smaller)), (larger, _value(settings, larger))


def _value(settings: Settings, path: str) -> float:
    found: object = settings
    for part in path.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    if not isinstance(found, int | float):
        raise TypeError(f"{path} is not a number")
    return found
