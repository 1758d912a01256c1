"""What becomes of an error on its way to who catches it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from threadrun import errors
from threadrun.audit.json_lines import LogUnreadable
from threadrun.errors import Problem, ThreadrunError
from threadrun.models.wire_invalid import WireInvalid

PROBLEMS = [Problem("metadata.team", "must be a text"), Problem("", "give messages")]
SAMPLES: dict[str, ThreadrunError] = {
    type(error).__name__: error
    for error in (
        errors.InvalidRequest(PROBLEMS, "Correct it and ask again."),
        errors.UnknownTool({"b", "a"}, iter(["c"])),
        errors.UnknownProfile("eu", {"default"}),
        errors.IdempotencyConflict("mail:7"),
        errors.ThreadBusy("thread_1", "mail:7"),
        errors.RunNotFound("mail:7"),
        errors.RunNotFinished("mail:7", "poll"),
        errors.RunsStillOpen(["a", "b", "c", "d"]),
        errors.NotInQuarantine("mail:7/1/0", "settled"),
        errors.WaitTimeout("mail:7", "poll", 2.5),
        errors.StoreUnavailable("it is loading", passing=True),
        errors.RecordTooNew("mail:7", 9, 1),
        errors.RecordDamaged("mail:7", "KeyError"),
        errors.SettingsInvalid(PROBLEMS),
        WireInvalid("Run", PROBLEMS),
        LogUnreadable(Path("effects.jsonl"), "it is not there"),
        errors.ToolError("no such order"),
        errors.ToolArgumentsInvalid("add", PROBLEMS),
        errors.ToolDefinitionError("add", "it has no docstring"),
        errors.ToolModuleError("shop.tools", "it holds no handler"),
    )
}


def kinds(of: type[ThreadrunError]) -> Iterator[type[ThreadrunError]]:
    for kind in of.__subclasses__():
        if kind.__module__.startswith("threadrun."):
            yield kind
            yield from kinds(kind)


def by_celery(error: ThreadrunError) -> BaseException:
    """Send an error through a result backend, as a task's caller gets it."""
    backend = Celery(set_as_current=False, backend="cache+memory://").backend
    stored = backend.decode(backend.encode(backend.prepare_exception(error, "json")))
    return backend.exception_to_python(stored)


def by_pickle(error: ThreadrunError) -> BaseException:
    back = pickle.loads(pickle.dumps(error))
    assert isinstance(back, BaseException)
    return back


@pytest.mark.parametrize("way", [copy.copy, by_pickle, by_celery])
@pytest.mark.parametrize("name", SAMPLES)
def test_an_error_comes_back_whole(name: str, way: Callable[[ThreadrunError], BaseException]) -> None:
    error = SAMPLES[name]
    back = way(error)
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))


def test_every_error_is_among_them() -> None:
    assert {kind.__name__ for kind in kinds(ThreadrunError)} == {*SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_who_lacks_the_package_reads_the_text(name: str) -> None:
    assert SAMPLES[name].args[-1] == str(SAMPLES[name])


def test_a_handlers_own_tool_error_keeps_what_it_was_raised_with() -> None:
    assert (str(errors.ToolError("a", 1)), str(errors.ToolError())) == ("('a', 1)", "")
