"""Celery's configuration, made of threadrun's settings.

Messages only say *look again* or name one tool call; all that matters is in Redis before a message is sent.
So messages are acknowledged early and may be lost or doubled, nothing waits in Celery, and results are not
kept, with the exception of `runs.enqueue`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.entity import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.settings import Settings
from threadrun.redis_clients import tls_keywords
from threadrun.redis_urls import AddressKind, RedisAddress, authority, credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNS_QUEUE = "runs"
"""The queue of the engine's wake-ups."""

TOOLS_QUEUE = "tools"
"""The queue of tool calls whose handler names no other."""

MESSAGE_PREFIX = "mq:"
"""What the broker's keys begin with, after the deployment's own prefix."""

_PUBLISH_RETRY = {"max_retries": 5, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}


def celery_config(settings: Settings) -> dict[str, Any]:
    """Build what `app.config_from_object` takes.

    The default `worker_concurrency` is that of a `runs` worker; a `tools` worker names its own with `-c`.
    """
    return {
        **_broker(settings),
        **_results(settings),
        **_tasks(settings),
        **_worker(settings),
        "enable_utc": True,
        "timezone": "UTC",
        "event_queue_expires": 60,
        "control_queue_expires": 30,
    }


def celery_url(address: RedisAddress) -> str:
    """Spell a Redis address as Celery's transport and result backend read it, with the password."""
    login = credentials(address.username, address.password)
    match address.kind:
        case AddressKind.UNIX:
            return f"redis+socket://{login}{address.path}?virtual_host={address.db}"
        case AddressKind.SENTINEL:
            return ";".join(f"sentinel://{login}{authority(host)}/{address.db}" for host in address.hosts)
        case AddressKind.TCP:
            scheme = "rediss" if address.tls else "redis"
            return f"{scheme}://{login}{authority(address.hosts[0])}/{address.db}"


def _broker(settings: Settings) -> dict[str, Any]:
    address = settings.broker_address
    shared: dict[str, Any] = {
        "broker_connection_timeout": 5,
        "broker_connection_retry": True,
        # Workers may start before the broker, and wait for it as long as it takes.
        "broker_connection_retry_on_startup": True,
        # LOADING and READONLY answers during a failover are a reconnect, not an end.
        "broker_channel_error_retry": True,
    }
    if address is None:
        url = settings.broker_url.get_secret_value() if settings.broker_url else ""
        return shared | {"broker_url": url}
    shared |= {"broker_url": celery_url(address), "broker_transport_options": _transport(settings, address)}
    return shared | ({"broker_use_ssl": _tls(address)} if address.tls else {})


def _transport(settings: Settings, address: RedisAddress) -> dict[str, Any]:
    options = {
        # Only runs.enqueue is acknowledged late, and it takes well under a second.
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        # Without a timeout and a health check a half-open connection stalls a worker for ever, silently;
        # without retry_on_timeout a message that was just taken is lost with the dead connection.
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "retry_on_timeout": True,
        "max_connections": 50,
        "global_keyprefix": settings.key_prefix + MESSAGE_PREFIX,
        "queue_order_strategy": "priority",
        "client_name": "threadrun-celery",
    }
    return options | _sentinel(settings, address)


def _results(settings: Settings) -> dict[str, Any]:
    address = settings.redis_address
    transport = {"global_keyprefix": settings.key_prefix + MESSAGE_PREFIX} | _sentinel(settings, address)
    results = {
        "result_backend": celery_url(address),
        "result_backend_transport_options": transport,
        "task_ignore_result": True,
        # A caller of runs.enqueue fetches its run key at once or not at all.
        "result_expires": 3600,
        "redis_socket_timeout": 10,
        "redis_socket_connect_timeout": 5,
        "redis_backend_health_check_interval": 10,
        "redis_retry_on_timeout": True,
        "redis_socket_keepalive": address.kind is not AddressKind.UNIX,
    }
    return results | ({"redis_backend_use_ssl": _tls(address)} if address.tls else {})


def _tasks(settings: Settings) -> dict[str, Any]:
    names = dict.fromkeys((RUNS_QUEUE, TOOLS_QUEUE, *settings.tools.queues))
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_acks_late": False,
        "task_default_queue": RUNS_QUEUE,
        "task_queues": tuple(_queue(name) for name in names),
        # The queue of a caller's on_done task, and that of a handler that only another worker knows, must be
        # publishable from here although this worker does not declare them.
        "task_create_missing_queues": True,
        "task_publish_retry": True,
        "task_publish_retry_policy": _PUBLISH_RETRY,
        # Keeps nested values out of events and logs, whatever a message holds.
        "task_repr_maxlevels": 1,
    }


def _queue(name: str) -> Queue:
    # The same shape as Celery gives a queue that a caller names without declaring it.
    exchange = Exchange(name, "direct")  # type: ignore[no-untyped-call]  # kombu's are not annotated
    return Queue(name, exchange, routing_key=name)  # type: ignore[no-untyped-call]


def _worker(settings: Settings) -> dict[str, Any]:
    redis_broker = settings.broker_address is not None
    return {
        "worker_concurrency": settings.engine.concurrency,
        "worker_prefetch_multiplier": 1,
        # Redis only: nothing waits in one worker's memory while another is free.
        "worker_disable_prefetch": redis_broker,
        "worker_enable_prefetch_count_reduction": not redis_broker,
        # True has lost running tasks when broker and results share a server that restarts.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # A child builds its handlers before it reports; 4 s is too short on a busy machine.
        "worker_proc_alive_timeout": 30.0,
        "worker_send_task_events": True,
        # The log pipeline owns every line (config/log_pipeline.py).
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_log_color": False,
        "worker_enable_remote_control": True,
    }


def _tls(address: RedisAddress) -> Mapping[str, Any]:
    # Celery asks for ssl_cert_reqs to be said; the safe choice is said where the URL says nothing.
    return {"ssl_cert_reqs": "required", **tls_keywords(address)}


def _sentinel(settings: Settings, address: RedisAddress) -> dict[str, Any]:
    if address.kind is not AddressKind.SENTINEL:
        return {}
    password = settings.redis_sentinel_password
    # No retries: the next sentinel is asked instead. redis-py's default would try a dead one ten times.
    options: dict[str, Any] = {
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "retry": Retry(NoBackoff(), 0),
    }
    secret = {"password": password.get_secret_value()} if password else {}
    return {"master_name": settings.redis_sentinel_master, "sentinel_kwargs": options | secret}
