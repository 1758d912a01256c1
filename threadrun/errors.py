"""Every error that threadrun raises for its callers, as one tree.

    ThreadrunError
    ├── InvalidRequest (ValueError)      a request refused before anything is stored
    │   ├── UnknownTool                  names a tool that no worker serves
    │   └── UnknownProfile               names a profile that no worker serves
    ├── IdempotencyConflict              same run key, another request
    ├── ThreadBusy                       thread_strategy "reject" met an active run
    ├── RunNotFound                      no record under this run key
    ├── RunNotFinished                   asked of a run what only a finished one has
    ├── RunsStillOpen                    asked to purge runs that are still being carried
    ├── NotInQuarantine                  decided about a run or a call that waits for nobody
    ├── WaitTimeout (TimeoutError)       the run was not final in time
    ├── StoreUnavailable                 Redis did not answer
    ├── RecordTooNew                     written by a newer threadrun
    ├── RecordDamaged                    somebody changed it, and it cannot be read
    ├── SettingsInvalid                  settings that cannot work
    ├── WireInvalid (ValueError)         a reply that is no object of the wire (threadrun.models)
    ├── ToolError                        raised by a handler: text the model may read
    ├── ToolArgumentsInvalid             the model's arguments do not fit the handler's signature
    ├── ToolDefinitionError (TypeError)  a handler that cannot be offered to a model
    └── ToolModuleError (ImportError)    a module of handlers that cannot be imported, or holds none

Each class carries its data as attributes, and its text ends with the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class ThreadrunError(Exception):
    """Catch every error of this package.

    `args` are the arguments of the class, in JSON's types, and its text at the end. So an error comes back whole from
    `copy`, `pickle` and Celery, which call the class with them (the text is then made anew); who gets it from Celery
    without having this package reads the text there.
    """

    _text: str | None = None

    def _tell(self, text: str, *said: object) -> None:
        super().__init__(text)
        self._text = text
        self.args = (*said, text)

    def __str__(self) -> str:
        return super().__str__() if self._text is None else self._text


class Problem(NamedTuple):
    """Name one thing that is wrong with an input, and where."""

    path: str
    """Where: field names and indexes joined by dots, such as `metadata.team`."""
    message: str
    """What is wrong and what would be right; never contains the offending secret."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def _problems(given: Iterable[Sequence[str]]) -> tuple[Problem, ...]:
    return tuple(Problem(*one) for one in given)  # after JSON each is a list


class InvalidRequest(ThreadrunError, ValueError):
    """Refuse a request before anything is stored; `problems` lists all that is wrong with it."""

    def __init__(
        self,
        problems: Sequence[Problem],
        remedy: str = "Correct it and try again; nothing was stored.",
        _text: str = "",
    ) -> None:
        self.problems = _problems(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        self._tell(f"The request is refused:{lines}\n{remedy}", self.problems, remedy)


class UnknownTool(InvalidRequest):
    """Refuse tool names that no worker serves; `names` and `served` hold both lists."""

    def __init__(self, names: Iterable[str], served: Iterable[str], _text: str = "") -> None:
        self.names = tuple(sorted(names))
        self.served = tuple(sorted(served))
        listing = ", ".join(self.served) or "none"
        problem = Problem("tools", f"no worker serves {', '.join(self.names)}; served: {listing}")
        super().__init__(
            [problem],
            "Start a tools worker whose THREADRUN_TOOLS__MODULES imports the handler, and which consumes the handler's "
            "queue (-Q), or name a served tool.",
        )
        self._tell(str(self), self.names, self.served)


class UnknownProfile(InvalidRequest):
    """Refuse a profile that no worker serves; `profile` and `served` hold both."""

    def __init__(self, profile: str, served: Iterable[str], _text: str = "") -> None:
        self.profile = profile
        self.served = tuple(sorted(served))
        problem = Problem("profile", f"no worker serves {profile!r}; served: {', '.join(self.served)}")
        super().__init__([problem], "Configure it as THREADRUN_PROFILES__<NAME>__BASE_URL at the workers.")
        self._tell(str(self), profile, self.served)


class IdempotencyConflict(ThreadrunError):
    """Refuse a run key that already stands for another request."""

    def __init__(self, run_key: str, _text: str = "") -> None:
        self.run_key = run_key
        self._tell(
            f"Run key {run_key!r} already stands for another request. Use a new idempotency_key, "
            "or repeat the first request unchanged to get its run.",
            run_key,
        )


class ThreadBusy(ThreadrunError):
    """Refuse a run with thread_strategy "reject" because its thread has an active run."""

    def __init__(self, thread_id: str, active_run_key: str, _text: str = "") -> None:
        self.thread_id = thread_id
        self.active_run_key = active_run_key
        self._tell(
            f"Thread {thread_id!r} already has the active run {active_run_key!r}. Wait for it, cancel it, "
            'or enqueue with thread_strategy="enqueue" to run afterwards.',
            thread_id,
            active_run_key,
        )


class RunNotFound(ThreadrunError, LookupError):
    """Report that no record stands under a run key (never enqueued, or expired after its retention)."""

    def __init__(self, run_key: str, _text: str = "") -> None:
        self.run_key = run_key
        self._tell(
            f"No run under key {run_key!r}. It was never enqueued here, or its record has expired; "
            "check the key and the Redis key prefix.",
            run_key,
        )


class RunNotFinished(ThreadrunError):
    """Report that a run has no final record yet."""

    def __init__(self, run_key: str, stage: str, _text: str = "") -> None:
        self.run_key = run_key
        self.stage = stage
        self._tell(f"Run {run_key!r} is in stage {stage!r}, not finished. Wait for it first.", run_key, stage)


class RunsStillOpen(ThreadrunError):
    """Refuse to purge runs that are still being carried: nobody would cancel them at the provider any more."""

    def __init__(self, run_keys: Sequence[str], _text: str = "") -> None:
        self.run_keys = tuple(run_keys)
        named = ", ".join(self.run_keys[:3]) + (", …" if len(self.run_keys) > 3 else "")
        self._tell(
            f"Nothing was purged: {named} still open. Cancel first (`threadrun cancel`), wait for the end "
            "(`threadrun wait`), and purge again. One whose record cannot be read goes with `--damaged`.",
            self.run_keys,
        )


class NotInQuarantine(ThreadrunError):
    """Report that a run or a call waits for no decision of a person (any more)."""

    def __init__(self, place: str, found: str, _text: str = "") -> None:
        self.place = place
        self.found = found
        """What is so instead: `missing`, `free`, `done`, `moved` (the run is past it), or the call's state."""
        said = {
            "missing": "there is no such call",
            "free": "it is in no quarantine",
            "done": "the run has ended",
        }
        why = said.get(found, "its run has moved on" if found == "moved" else f"the call is {found}")
        self._tell(
            f"{place!r} waits for no decision: {why}. See `threadrun quarantine list` for what does, and "
            "`threadrun show` for the run.",
            place,
            found,
        )


class WaitTimeout(ThreadrunError, TimeoutError):
    """Report that a run was not final in time; it goes on, and can be waited for again."""

    def __init__(self, run_key: str, stage: str, timeout_seconds: float, _text: str = "") -> None:
        self.run_key = run_key
        self.stage = stage
        self.timeout_seconds = timeout_seconds
        self._tell(
            f"Run {run_key!r} was still in stage {stage!r} after {timeout_seconds:g} s. It goes on; wait again, "
            "or see `threadrun show` for what it waits for.",
            run_key,
            stage,
            timeout_seconds,
        )


class StoreUnavailable(ThreadrunError, ConnectionError):
    """Report that Redis did not answer; whether the last write happened is unknown, and repeating it is safe."""

    def __init__(self, reason: str, passing: bool = False, _text: str = "") -> None:
        self.reason = reason
        self.passing = passing
        """It may pass by itself: Redis restarts, loads its file, or changes its master."""
        self._tell(
            f"Redis did not answer: {reason.rstrip('.')}. Repeat the call: enqueuing with the same "
            "idempotency_key cannot make a second run.",
            reason,
            passing,
        )


class RecordTooNew(ThreadrunError):
    """Report a record written by a newer version than this one reads."""

    def __init__(self, run_key: str, schema: int, known: int, _text: str = "") -> None:
        self.run_key = run_key
        self.schema = schema
        self.known = known
        self._tell(
            f"Run {run_key!r} has record schema {schema}; this threadrun reads up to {known}. Upgrade threadrun here.",
            run_key,
            schema,
            known,
        )


class RecordDamaged(ThreadrunError):
    """Report a record that no threadrun has written so: a field lacks, or holds what it cannot hold."""

    def __init__(self, run_key: str, reason: str, _text: str = "") -> None:
        self.run_key = run_key
        self.reason = reason
        """The name of the error that reading it ended with; never what a field holds."""
        self._tell(
            f"Run {run_key!r} has a record that cannot be read ({reason}). Mend its fields in Redis, "
            "then `threadrun quarantine release` where it is listed, or remove the run with "
            f"`threadrun purge --run {run_key} --damaged`.",
            run_key,
            reason,
        )


class SettingsInvalid(ThreadrunError, ValueError):
    """Report every setting that cannot work, at once."""

    def __init__(self, problems: Sequence[Problem], _text: str = "") -> None:
        self.problems = _problems(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        self._tell(
            f"The settings cannot work:{lines}\nCorrect these variables and start again.", self.problems
        )


class ToolError(ThreadrunError):
    """Raise this in a handler to give the model an error text that it may read and act upon."""


class ToolArgumentsInvalid(ThreadrunError, ValueError):
    """Report arguments that do not fit a handler's signature; the handler was not entered."""

    def __init__(self, tool: str, problems: Sequence[Problem], _text: str = "") -> None:
        self.tool = tool
        self.problems = _problems(problems)
        lines = "; ".join(str(problem) for problem in self.problems)
        self._tell(
            f"Invalid arguments for {tool}: {lines}. Correct the arguments and call it again.",
            tool,
            self.problems,
        )


class ToolDefinitionError(ThreadrunError, TypeError):
    """Report, at import, a handler that cannot be offered to a model."""

    def __init__(self, tool: str, reason: str, _text: str = "") -> None:
        self.tool = tool
        self.reason = reason
        self._tell(f"Tool {tool!r} cannot be registered: {reason}", tool, reason)


class ToolModuleError(ThreadrunError, ImportError):
    """Report a module of THREADRUN_TOOLS__MODULES that cannot be imported, or in which no handler is found."""

    def __init__(self, module: str, reason: str, _text: str = "") -> None:
        self.module = module
        self.reason = reason
        self._tell(f"Module {module!r} gives no tools: {reason}", module, reason)
