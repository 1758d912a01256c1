"""What every command is given: a client, a screen, and the form that was asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from redis import Redis

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.screen import Screen, plain
from threadrun.client import RunClient
from threadrun.errors import (
    IdempotencyConflict,
    InvalidRequest,
    NotInQuarantine,
    Problem,
    RecordTooNew,
    RunNotFound,
    RunsStillOpen,
    SettingsInvalid,
    StoreUnavailable,
    ThreadBusy,
    ThreadrunError,
    UnknownProfile,
    UnknownTool,
    WaitTimeout,
)
from threadrun.keys import DEFAULT_PREFIX
from threadrun.redis_clients import connect
from threadrun.redis_urls import DEFAULT_REDIS_URL, RedisAddress

_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")

_CODES: dict[type[ThreadrunError], ExitCode] = {
    InvalidRequest: ExitCode.USAGE,
    SettingsInvalid: ExitCode.USAGE,
    RunNotFound: ExitCode.NOT_FOUND,
    WaitTimeout: ExitCode.TIMEOUT,
    StoreUnavailable: ExitCode.UNREACHABLE,
    NotInQuarantine: ExitCode.CONFLICT,
    IdempotencyConflict: ExitCode.CONFLICT,
    ThreadBusy: ExitCode.CONFLICT,
    RunsStillOpen: ExitCode.CONFLICT,
    RecordTooNew: ExitCode.TOO_NEW,
}

_OPTIONS = {
    "run_key": "KEY",
    "place": "PLACE",
    "output": "--text or --file",
    "assistant_id": "ASSISTANT_ID",
    "idempotency_key": "--key",
    "thread_id": "--thread",
    "messages": "--message",
    "tools": "--tool",
    "deadline_seconds": "--deadline",
    "redis_url": "--redis-url (THREADRUN_REDIS_URL)",
    "metadata": "--metadata",
    "profile": "--profile",
    "instructions": "--instructions",
    "additional_instructions": "--additional-instructions",
    "model": "--model",
    "on_done": "--on-done",
    "limit": "--limit",
    "status": "--status",
    "sentinel_master": "THREADRUN_REDIS_SENTINEL_MASTER",
}
"""Where a problem's path comes from a word of the command line that is spelt differently."""


class OutputForm(StrEnum):
    """Name the forms of output."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """One document for programs; field names are stable."""


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """Hold the options that stand before or after a command; none: not given."""

    redis_url: str | None = None
    key_prefix: str | None = None
    output: OutputForm | None = None

    @classmethod
    def from_environment(cls, given: GlobalOptions) -> GlobalOptions:
        """Prefer what was given to THREADRUN_REDIS_URL and THREADRUN_KEY_PREFIX; empty ones count as unset."""
        environ = os.environ
        return given.over(cls(environ.get("THREADRUN_REDIS_URL"), environ.get("THREADRUN_KEY_PREFIX")))

    def over(self, others: GlobalOptions) -> GlobalOptions:
        """Prefer these to others."""
        return GlobalOptions(
            self.redis_url or others.redis_url,
            self.key_prefix or others.key_prefix,
            self.output or others.output,
        )


class Invocation:
    """Serve one command; connects when the client is first used."""

    def __init__(self, options: GlobalOptions) -> None:
        self._options = options
        self.screen = Screen()
        self.json = options.output is OutputForm.JSON

    @property
    def url(self) -> str:
        """The URL, with its password; for clients only."""
        return self._options.redis_url or DEFAULT_REDIS_URL

    @property
    def where(self) -> str:
        """Name the Redis for people; the password is masked."""
        try:
            return RedisAddress.parse(self.url).shown
        except ValueError:
            return "the given URL"

    @property
    def key_prefix(self) -> str:
        """What this deployment's keys begin with.

        Raises:
            SettingsInvalid: It cannot be a prefix.
        """
        prefix = self._options.key_prefix or DEFAULT_PREFIX
        if not _PREFIX.fullmatch(prefix):
            raise SettingsInvalid([Problem("--key-prefix", "must be 1 to 64 of A-Z a-z 0-9 . _ : -")])
        return prefix

    @cached_property
    def redis(self) -> Redis:
        """The connection, built as the workers build theirs.

        Raises:
            SettingsInvalid: The URL cannot be used.
        """
        return connect(
            self.url,
            sentinel_master=os.environ.get("THREADRUN_REDIS_SENTINEL_MASTER") or None,
            sentinel_password=os.environ.get("THREADRUN_REDIS_SENTINEL_PASSWORD") or None,
            client_name="threadrun-cli",
        )

    @cached_property
    def client(self) -> RunClient:
        """The client.

        Raises:
            SettingsInvalid: URL or prefix cannot be used.
        """
        return RunClient(self.redis, key_prefix=self.key_prefix)

    def close(self) -> None:
        """Close the connections, if any was made."""
        if "redis" in self.__dict__:
            self.redis.close()

    def fail(self, error: ThreadrunError) -> ExitCode:
        """Say on standard error what is wrong and what to do; gives the exit code."""
        for at, line in enumerate(_told(error, self.where)):
            self.screen.note(f"{'threadrun: ' if at == 0 else '  '}{plain(line)}")
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.BAD)

    def complain(self, code: ExitCode, text: str) -> ExitCode:
        """Say on standard error why a command ends with this code."""
        self.screen.note(f"threadrun: {plain(text)}")
        return code


def _told(error: ThreadrunError, where: str) -> Sequence[str]:
    if isinstance(error, InvalidRequest | SettingsInvalid):
        lines = [_problem(problem) for problem in error.problems]
        remedy = isinstance(error, UnknownTool | UnknownProfile)
        return [*lines, str(error).splitlines()[-1]] if remedy else lines
    if isinstance(error, StoreUnavailable):
        advice = "Start it, or correct --redis-url (THREADRUN_REDIS_URL)."
        return [f"Redis at {where} cannot be used: {error.reason.rstrip('.')}.", advice]
    if isinstance(error, IdempotencyConflict):
        advice = "Use another --key, or repeat the first request unchanged to get its run."
        return [f"Run key {error.run_key} already stands for another request. {advice}"]
    if isinstance(error, ThreadBusy):
        advice = "Wait for it, cancel it, or enqueue without --reject to run afterwards."
        return [f"Thread {error.thread_id} already has the active run {error.active_run_key}. {advice}"]
    return str(error).splitlines()


def _problem(problem: Problem) -> str:
    head, _, rest = problem.path.partition(".")
    name = _OPTIONS.get(head, head)
    place = f"{name} {rest}" if rest else name
    return f"{place}: {problem.message}" if place else problem.message
