"""The sections of the settings that are not a provider: tools, engine, logs, Flower."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr

from config.profile import SECTION, Seconds

_QUEUE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('is not valid JSON; write one,two or ["one", "two"]') from None
    return [name for part in value.split(",") if (name := part.strip())]


def _module(name: str) -> str:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r} is not a module's dotted name, such as shop.handlers")
    return name


def _queue(name: str) -> str:
    if not _QUEUE.fullmatch(name):
        raise ValueError(f"{name!r} is not a queue's name: 1 to 128 of A-Z a-z 0-9 . _ -")
    if name == "runs":
        raise ValueError("'runs' is the engine's own queue; handlers need another, such as 'tools'")
    return name


def _path_template(template: str) -> str:
    if not template.startswith("/"):
        raise ValueError("must be an absolute path, such as /run/threadrun/{kind}.alive")
    if "{" in template.replace("{kind}", "").replace("{pid}", ""):
        raise ValueError("may hold {kind} and {pid}, and no other brace")
    return template


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class ToolsSettings(BaseModel):
    """Say which handlers a worker serves."""

    model_config = SECTION

    modules: Annotated[tuple[Annotated[str, AfterValidator(_module)], ...], BeforeValidator(_listed)] = ()
    """Modules to import for their handlers: `shop.handlers,shop.search`, or a JSON list."""
    queues: Annotated[tuple[Annotated[str, AfterValidator(_queue)], ...], BeforeValidator(_listed)] = (
        "tools",
    )
    """Queues of tool calls that are declared at the broker; a handler's own `queue` belongs here."""
    max_output_total_bytes: int = Field(default=512 * 1024, ge=1024, le=64 * 1024 * 1024)
    """The most that all outputs of one required action may hold together."""


class EngineSettings(BaseModel):
    """Hold the engine's times and limits; how they hang together is checked (config/relations.py)."""

    model_config = SECTION

    tick_ms: int = Field(default=50, ge=5, le=5000)
    """How often a worker of the `runs` queue asks for due runs."""
    lease_seconds: Seconds = 20.0
    """How long a claim of a run holds unless it is renewed; a run of a dead worker waits this long."""
    heartbeat_seconds: Seconds = 5.0
    """How often a worker says that it lives."""
    dead_after_seconds: Seconds = 15.0
    """After how long without a heartbeat a worker is taken for dead."""
    drain_seconds: Seconds = 25.0
    """How long a stopping worker finishes what is in its hands before it gives it back."""
    stop_wait_seconds: Seconds = 45.0
    """How long the supervisor waits before it kills (`stopwaitsecs`, `TimeoutStopSec`)."""
    finalize_deadline_seconds: Seconds = 120.0
    """How long steps, messages and usage are asked for before the record says what is missing."""
    retention_seconds: int = Field(default=7 * 86_400, ge=60, le=366 * 86_400)
    """How long a finished run's keys stay."""
    concurrency: int = Field(default=16, ge=2, le=256)
    """Threads of a `runs` worker; a wake-up holds one for as long as a claim takes."""
    provider_look_seconds: Seconds = 15.0
    """How often the provider is looked at while a run's tool calls are out."""
    tools_look_seconds: Seconds = 5.0
    """How often a run's open tool calls are looked at."""
    not_found_grace_seconds: Seconds = 60.0
    """How long a run may be missing at the provider before it is `lost`."""
    stale_read_seconds: Seconds = 10.0
    """How long after a submit the same required action is taken for an old picture."""
    claim_limit: int = Field(default=100, ge=1, le=1000)
    """The most runs that one wake-up claims."""
    max_rounds: int = Field(default=50, ge=1, le=10_000)
    """How often a run may require action before it is cancelled."""
    max_calls_per_round: int = Field(default=128, ge=1, le=1024)
    """How many tool calls one required action may hold."""
    max_calls: int = Field(default=1000, ge=1, le=100_000)
    """How many tool calls a run may ask for in all before it is cancelled."""
    max_same_calls: int = Field(default=20, ge=1, le=100_000)
    """How often a run may call the same tool with the same arguments before it is cancelled."""
    max_arguments_bytes: int = Field(default=1024 * 1024, ge=1024, le=1024 * 1024)
    """How long a call's arguments may be; longer ones get an error output and are not kept."""
    liveness_file: Annotated[str, AfterValidator(_path_template)] | None = None
    """A file that a worker touches every 2 s while it makes progress; it may hold {kind} and {pid}; none: no file."""
    watchdog_seconds: Seconds = 30.0
    """How long the event loop of a `runs` worker may stand still before the worker ends itself (exit code 70)."""
    consumer_silence_seconds: Seconds = 60.0
    """How long its consumer may be deaf while a fresh broker connection works; its own tries are up to 5 s apart."""


class LogSettings(BaseModel):
    """Say how log lines look and which are written."""

    model_config = SECTION

    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON lines otherwise."""
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = (
        "INFO"
    )
    """The least important lines that are written."""


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("must not hold a colon; HTTP Basic login ends the user there")
    return name


class FlowerSettings(BaseModel):
    """Say how Flower is entered; it does not start without a user and a password."""

    model_config = SECTION

    user: Annotated[str, Field(min_length=1), AfterValidator(_user)] | None = None
    """The one who may look."""
    password: Annotated[SecretStr, Field(min_length=8)] | None = None
    """Their password, at least 8 characters."""
    port: int = Field(default=5555, ge=1, le=65_535)
    """The port on 127.0.0.1."""
    url_prefix: str | None = Field(default=None, pattern="^[A-Za-z0-9._/-]*$")
    """The path under which a proxy shows it."""
