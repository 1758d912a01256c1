"""Celery gets the configuration that loses nothing and shows nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS
from celery.worker.control import Panel

from config.celery_settings import celery_config
from config.remote_control import restrict_remote_control, unregister_builtin_tasks
from config.settings import load_settings

ORDERS = ("shutdown", "revoke", "terminate", "pool_grow", "add_consumer", "rate_limit", "hello", "report")


def config(**variables: str) -> dict[str, object]:
    return celery_config(
        load_settings({f"THREADRUN_{name}": value for name, value in variables.items()}, None)
    )


def nothing() -> None:
    """Be a task."""


@pytest.fixture
def panel() -> Iterator[dict[str, object]]:
    kept = dict(Panel.data)
    restrict_remote_control()
    yield Panel.data
    Panel.data.clear()
    Panel.data.update(kept)


def test_every_name_is_a_setting_of_celery():
    known = DEFAULTS.keys() | {"redis_backend_health_check_interval", "event_serializer"}
    assert config().keys() - known == set()


def test_broker_and_results_share_the_redis_of_the_settings_under_our_prefix():
    found = config(REDIS_URL="unix:///run/r.sock?db=3", KEY_PREFIX="shop:")
    assert found["broker_url"] == found["result_backend"] == "redis+socket:///run/r.sock?virtual_host=3"
    assert found["broker_transport_options"]["global_keyprefix"] == "shop:mq:"
    assert found["result_backend_transport_options"]["global_keyprefix"] == "shop:mq:"


def test_an_amqp_broker_gets_no_options_of_redis():
    found = config(BROKER_URL="amqp://guest:guest@h//")
    assert found["broker_url"] == "amqp://guest:guest@h//"
    assert "broker_transport_options" not in found
    assert found["worker_disable_prefetch"] is False


def test_sentinels_are_told_the_masters_name_and_their_own_password():
    found = config(
        REDIS_URL="sentinel://a:1;b:2", REDIS_SENTINEL_MASTER="mymaster", REDIS_SENTINEL_PASSWORD="pw"
    )
    for options in (found["broker_transport_options"], found["result_backend_transport_options"]):
        assert options["master_name"] == "mymaster"
        assert options["sentinel_kwargs"]["password"] == "pw"


def test_tls_is_verified_unless_the_url_says_otherwise():
    assert config(REDIS_URL="rediss://h")["broker_use_ssl"] == {"ssl_cert_reqs": "required"}
    lax = config(REDIS_URL="rediss://h?ssl_cert_reqs=none")
    assert lax["redis_backend_use_ssl"] == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


def test_queues_are_declared_and_those_of_callers_can_still_be_published_to():
    app = Celery("t", set_as_current=False)
    app.config_from_object(config(TOOLS__QUEUES="gpu, slow"))
    assert list(app.amqp.queues) == ["runs", "tools", "gpu", "slow"]
    assert app.amqp.queues["of-a-caller"].routing_key == "of-a-caller"
    assert {queue.exchange.name for queue in app.amqp.queues.values()} >= {"runs", "tools", "gpu"}


def test_the_engines_own_queue_cannot_be_given_to_handlers():
    with pytest.raises(ValueError, match="THREADRUN_TOOLS__QUEUES"):
        config(TOOLS__QUEUES="runs")


def test_built_in_tasks_are_gone_once_the_app_is_ready():
    app = Celery("t", set_as_current=False)
    unregister_builtin_tasks(app)
    app.task(name="runs.poll", shared=False)(nothing)
    assert [name for name in app.tasks if name.startswith(("celery.", "runs."))] == ["runs.poll"]


def test_built_in_tasks_are_gone_from_an_app_that_is_ready_already():
    app = Celery("t", set_as_current=False)
    app.finalize()
    unregister_builtin_tasks(app)
    assert not [name for name in app.tasks if name.startswith("celery.")]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_refused(panel, order):
    assert "refused" in panel[order](None, anything="1")["error"]


def test_only_questions_are_answered(panel):
    refused = {name for name, command in panel.items() if command.__name__ == "refuse"}
    assert panel.keys() - refused == {
        "active", "active_queues", "conf", "heartbeat", "ping", "query_task", "registered", "reserved",
        "revoked", "scheduled", "stats",
    }  # fmt: skip


class Running:
    """Stand for a running task."""

    def __init__(self, task: str) -> None:
        self.task = task

    def info(self, *, safe: bool) -> dict[str, object]:
        shown = "short form" if safe else "the arguments themselves"
        return {"type": self.task, "args": shown, "kwargs": shown}


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ("tools.execute", "short form"),
        ("runs.poll", "short form"),
        ("runs.enqueue", "(hidden)"),
        ("shop.on_done", "(hidden)"),
    ],
)
def test_only_the_short_arguments_of_harmless_tasks_are_shown(panel, task, shown):
    state = type("State", (), {"tset": staticmethod(lambda _: {Running(task)})})
    assert panel["active"](state) == [{"type": task, "args": shown, "kwargs": shown}]


def test_the_shown_configuration_holds_no_way_to_a_server(panel):
    app = Celery("t", set_as_current=False)
    app.config_from_object(config(REDIS_URL="redis://:hidden@secret-host/0"))
    shown = json.dumps(panel["conf"](type("State", (), {"app": app})))
    assert "worker_concurrency" in shown
    assert "hidden" not in shown
    assert "secret-host" not in shown
