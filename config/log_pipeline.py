"""One pipeline for every log line, whether it comes through structlog or the standard library.

Lines are JSON unless a person is watching; the last step before rendering takes secrets out.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from celery import signals
from structlog.tracebacks import ExceptionDictTransformer

from config.own_lines import last_step, own_logger, send_to
from config.redaction import Redactor
from config.sections import LogSettings

if TYPE_CHECKING:
    from structlog.typing import EventDict, ExceptionTransformer, ExcInfo, Processor

    from config.settings import Settings

MAX_FRAMES = 20
"""How many frames of a traceback are logged; never their variables."""

_QUIET = ("httpx", "httpcore", "aiohttp", "asyncio", "hpack", "urllib3")
"""Libraries whose lower lines hold URLs, headers or nothing of use."""

_DEBUG_ONLY = ("celery.worker.strategy", "celery.app.trace")
"""Loggers of Celery's "received" and "succeeded": two lines a wake-up, wanted only when debugging."""


_QUOTES_MESSAGES = "celery.pool"
"""A logger whose only debug lines write out a message's arguments, which hold content for runs.enqueue."""

_MESSAGE_BODIES = "celery.worker.consumer.consumer"
"""The logger on which Celery writes out whole messages that it cannot use."""

_OWN_STEPS: list[Processor] = []
"""What structlog's own lines go through."""


def configure_logging(log: LogSettings, *, stream: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Send every log line of this process through the pipeline; calling it again replaces the former.

    Args:
        log: Form and level.
        stream: Where lines go; none: standard error.
        secrets: Exact texts that must never appear, such as `settings.secret_values()`.
    """
    output = sys.stderr if stream is None else stream
    console = log.format == "console" or (log.format == "auto" and output.isatty())
    handler = logging.StreamHandler(output)
    redactor, colors = Redactor(secrets), console and output.isatty()
    exit_ = _exit(redactor, console=console, colors=colors)
    handler.setFormatter(_formatter(exit_))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level)
    _set_levels(log.level)
    logging.captureWarnings(True)
    send_to(handler, log.level)
    # Changed in place: loggers that are in use hold this very list.
    _OWN_STEPS[:] = [*_entrance(), *exit_]
    structlog.configure(
        processors=_OWN_STEPS,
        wrapper_class=structlog.make_filtering_bound_logger(log.level),
        logger_factory=own_logger,
        cache_logger_on_first_use=True,
    )


def install_celery_logging(settings: Settings) -> None:
    """Have Celery's processes log through the pipeline; call it before a worker starts.

    Celery sets up nothing of its own once this signal has a receiver; its `-l` and `-f` options lose their
    effect. Lines written while a task runs carry its name and id.
    """
    secrets = settings.secret_values()

    def configure(**_: Any) -> None:
        configure_logging(settings.log, secrets=secrets)

    signals.setup_logging.connect(configure, weak=False, dispatch_uid="threadrun.logging")
    signals.task_prerun.connect(_bind_task, dispatch_uid="threadrun.logging.bind")
    signals.task_postrun.connect(_unbind_task, dispatch_uid="threadrun.logging.unbind")


def _bind_task(task_id: str = "", task: Any = None, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", ""), task_id=task_id)


def _unbind_task(**_: Any) -> None:
    # Threads are used again: whatever a task bound must not cling to the next one.
    structlog.contextvars.clear_contextvars()


def _set_levels(level: str) -> None:
    logging.getLogger(_MESSAGE_BODIES).addFilter(_without_bodies)
    logging.getLogger(_QUOTES_MESSAGES).setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    for name in _DEBUG_ONLY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)


def _entrance() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_time,
    ]


def _exit(redactor: Redactor, *, console: bool, colors: bool) -> list[Processor]:
    exceptions: ExceptionTransformer = (
        _traceback_text if console else ExceptionDictTransformer(show_locals=False, max_frames=MAX_FRAMES)
    )
    renderer: Processor = (
        _for_people(structlog.dev.ConsoleRenderer(colors=colors))
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, separators=(",", ":"))
    )
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(exceptions),
        last_step(redactor, renderer, as_json=not console),
    ]


def _for_people(renderer: Processor) -> Processor:
    """Leave out what says nothing; a program is better off with the same fields in every line."""
    return lambda logger, method, event: renderer(
        logger, method, {name: value for name, value in event.items() if value is not None}
    )


def _formatter(exit_: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_entrance(), structlog.stdlib.ExtraAdder(), _drop_celery_data],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exit_],
    )


def _add_time(logger: Any, method: str, event: EventDict) -> EventDict:
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    event["timestamp"] = f"{_second(seconds)}.{milliseconds:03d}Z"
    return event


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _drop_celery_data(logger: Any, method: str, event: EventDict) -> EventDict:
    # Celery attaches a task's arguments and return value to its lines as `data`.
    event.pop("data", None)
    return event


def _without_bodies(record: logging.LogRecord) -> bool:
    # Its texts tell what happened in the first paragraph, and quote body and headers after that.
    text = str(record.msg)
    head = text.partition("\n\n")[0].replace(" headers:%s", "")
    if head != text and isinstance(record.args, tuple):
        record.msg, record.args = head, record.args[: head.count("%")]
    return True


def _traceback_text(exc_info: ExcInfo) -> str:
    return "".join(traceback.format_exception(*exc_info, limit=-MAX_FRAMES)).rstrip()
