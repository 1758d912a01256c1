"""Every line leaves through one pipeline, in one form, without secrets, arguments or local variables."""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
import structlog
from billiard.einfo import ExceptionInfo
from celery import signals
from celery.worker.consumer import consumer

from config.log_pipeline import configure_logging, install_celery_logging
from config.sections import LogSettings
from config.settings import load_settings

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    root = logging.getLogger()
    kept = (root.handlers[:], root.level, structlog.get_config())
    yield
    root.handlers[:], level, configuration = kept
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines() -> Lines:
    stream = StringIO()
    configure_logging(LogSettings(), stream=stream, secrets=["configured-secret"])
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_where_nobody_watches(lines):
    structlog.get_logger("threadrun.test").info("run.created", run_key="k", tokens=12)
    (line,) = lines()
    assert line.items() >= {"event": "run.created", "level": "info", "run_key": "k", "tokens": 12}.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line["timestamp"]))


def test_lines_are_for_people_on_a_terminal():
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure_logging(LogSettings(), stream=stream)
    structlog.get_logger("threadrun.test").info("run.created", run_key="k")
    assert "run.created" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("form", "json_lines"), [("json", True), ("console", False)])
def test_the_form_can_be_chosen(form, json_lines):
    stream = StringIO()
    configure_logging(LogSettings(format=form), stream=stream)
    logging.getLogger("some.library").warning("careful")
    assert stream.getvalue().startswith("{") is json_lines


@pytest.mark.parametrize(("form", "shown"), [("json", True), ("console", False)])
def test_a_value_that_is_none_is_left_out_for_people_only(form, shown):
    stream = StringIO()
    configure_logging(LogSettings(format=form), stream=stream)
    structlog.get_logger("threadrun.test").info("run.finished", reason=None, outcome="completed")

    assert ("reason" in stream.getvalue(), "completed" in stream.getvalue()) == (shown, True)


def test_lines_of_libraries_take_the_same_form(lines):
    logging.getLogger("some.library").warning("%s are gone", "eggs", extra={"shelf": 3})
    (line,) = lines()
    assert (
        line.items()
        >= {"event": "eggs are gone", "level": "warning", "logger": "some.library", "shelf": 3}.items()
    )


def test_python_warnings_take_the_same_form(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old habits", stacklevel=1)
    assert "old habits" in str(lines()[0]["event"])


@pytest.mark.parametrize("name", ["httpx", "aiohttp.access", "celery.worker.strategy", "celery.app.trace"])
def test_chatty_loggers_are_silent_below_warnings(lines, name):
    logging.getLogger(name).info("GET https://host/?key=1")
    logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines()] == ["trouble"]


def test_celerys_received_and_succeeded_are_there_when_debugging():
    stream = StringIO()
    configure_logging(LogSettings(level="DEBUG"), stream=stream)
    logging.getLogger("celery.app.trace").info("Task x succeeded")
    assert "succeeded" in stream.getvalue()


def test_the_level_applies_to_our_lines_and_to_others():
    stream = StringIO()
    configure_logging(LogSettings(level="WARNING", format="json"), stream=stream)
    structlog.get_logger("threadrun.level").info("unheard")
    logging.getLogger("some.library").info("unheard")
    assert stream.getvalue() == ""


def test_arguments_and_results_that_celery_attaches_are_dropped(lines):
    context = {"id": "1", "name": "tools.execute", "args": "(content)", "return_value": "content"}
    logging.getLogger("celery.worker.request").error("Task %(name)s failed", context, extra={"data": context})
    (line,) = lines()
    assert line["event"] == "Task tools.execute failed"
    assert "content" not in json.dumps(line)


@pytest.mark.parametrize(
    ("template", "args"),
    [
        (consumer.UNKNOWN_TASK_ERROR, ("'runs.x'", "content", {"argsrepr": "content"}, {})),
        (consumer.UNKNOWN_FORMAT, ("content",)),
        (consumer.INVALID_TASK_ERROR, ("no id", "content")),
        (consumer.MESSAGE_DECODE_ERROR, ("bad json", "text", "utf-8", "content", "content")),
    ],
)
def test_messages_that_celery_cannot_use_are_not_written_out(lines, template, args):
    logging.getLogger("celery.worker.consumer.consumer").error(template, *args)
    (line,) = lines()
    assert "content" not in str(line["event"]).replace("content_", "")
    assert str(args[0]) in str(line["event"]) or template is consumer.UNKNOWN_FORMAT


def deep(depth: int) -> None:
    local_value = "never-logged"
    if depth:
        deep(depth - 1)
    fail(f"at the bottom {len(local_value)}")


def fail(text: str) -> None:
    raise RuntimeError(text)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_at_most_twenty_frames_and_no_variables(form):
    stream = StringIO()
    configure_logging(LogSettings(format=form), stream=stream)
    try:
        deep(60)
    except RuntimeError:
        structlog.get_logger("threadrun.test").exception("it.failed")
    text = stream.getvalue()
    assert "at the bottom" in text
    assert "never-logged" not in text.replace('local_value = "never-logged"', "")
    if form == "json":
        assert len(json.loads(text)["exception"][0]["frames"]) <= 21
    else:
        assert text.count("File ") <= 20


def test_an_exception_that_crossed_a_process_is_shown(lines):
    try:
        deep(0)
    except RuntimeError:
        logging.getLogger("celery.app.trace").log(logging.ERROR, "failed", exc_info=ExceptionInfo().exc_info)
    (line,) = lines()
    assert "at the bottom" in json.dumps(line["exception"])


def test_secrets_are_taken_out_of_messages_values_and_tracebacks(lines):
    log = structlog.get_logger("threadrun.test")
    try:
        fail("Bearer abcdefgh12345 and configured-secret")
    except RuntimeError:
        log.exception("call.failed", api_key="abc", url="redis://u:pw@h/0")
    logging.getLogger("some.library").warning("sent sk-abcdefgh12345")
    text = json.dumps(lines())
    assert not [word for word in ("abcdefgh12345", "configured-secret", ":pw@", '"abc"') if word in text]


def test_celery_leaves_logging_to_the_pipeline(monkeypatch):
    settings = load_settings({"THREADRUN_LOG__FORMAT": "json"}, None)
    install_celery_logging(settings)
    try:
        assert [reply for _, reply in signals.setup_logging.send(sender=None)] == [None]
        assert isinstance(logging.getLogger().handlers[0].formatter, structlog.stdlib.ProcessorFormatter)
    finally:
        signals.setup_logging.disconnect(dispatch_uid="threadrun.logging")
        signals.task_prerun.disconnect(dispatch_uid="threadrun.logging.bind")
        signals.task_postrun.disconnect(dispatch_uid="threadrun.logging.unbind")


def test_lines_of_a_task_name_it_and_those_after_it_do_not(lines):
    install_celery_logging(load_settings({}, None))
    log = structlog.get_logger("threadrun.test")
    try:
        signals.task_prerun.send(sender=None, task_id="t-1", task=type("Task", (), {"name": "runs.poll"}))
        log.info("during")
        signals.task_postrun.send(sender=None)
        log.info("after")
    finally:
        signals.setup_logging.disconnect(dispatch_uid="threadrun.logging")
        signals.task_prerun.disconnect(dispatch_uid="threadrun.logging.bind")
        signals.task_postrun.disconnect(dispatch_uid="threadrun.logging.unbind")
    during, after = lines()
    assert (during["task"], during["task_id"]) == ("runs.poll", "t-1")
    assert "task" not in after


def test_celerys_pool_never_writes_out_what_a_message_brought():
    stream = StringIO()
    configure_logging(LogSettings(level="DEBUG", format="json"), stream=stream)
    logging.getLogger("celery.pool").debug("TaskPool: Apply %s (args:%s)", "runs.enqueue", "what a user said")
    assert stream.getvalue() == ""


class Halting(StringIO):
    """A stream whose writes let other threads in between two characters."""

    def write(self, text: str) -> int:
        for part in (text[:20], text[20:]):
            super().write(part)
            time.sleep(0)
        return len(text)


def test_lines_of_ours_and_of_libraries_are_whole_whoever_else_writes():
    stream = Halting()
    configure_logging(LogSettings(format="json"), stream=stream)
    ours, theirs = structlog.get_logger("threadrun.test"), logging.getLogger("some.library")

    def write(at: int) -> None:
        for _ in range(50):
            ours.info("of.ours", at=at)
            theirs.warning("of theirs")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert sorted(found) == ["of theirs"] * 200 + ["of.ours"] * 200


def test_a_logger_in_use_takes_a_new_form_and_level():
    log = structlog.get_logger("threadrun.test")
    first, second = StringIO(), StringIO()
    configure_logging(LogSettings(format="json"), stream=first)
    log = log.bind(run_key="k")
    log.info("before")
    configure_logging(LogSettings(format="console", level="WARNING"), stream=second)
    log.info("too low")
    log.warning("after")

    assert [json.loads(line)["event"] for line in first.getvalue().splitlines()] == ["before"]
    assert "after" in second.getvalue()
    assert "too low" not in second.getvalue()


def test_a_line_that_cannot_be_written_breaks_nothing_off():
    stream = StringIO()
    configure_logging(LogSettings(format="json"), stream=stream)
    stream.close()

    structlog.get_logger("threadrun.test").error("nobody.reads")


def test_a_line_with_half_of_a_character_is_written_too(lines):
    structlog.get_logger("threadrun.test").info("it.came", text="cut \ud83d")
    (line,) = lines()
    assert line["text"] == "cut \ud83d"
