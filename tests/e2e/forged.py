"""Messages that neither threadrun nor any caller of it would send, pushed to the real broker."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from celery import Celery
from kombu import Exchange

from config.celery_settings import celery_config
from config.settings import load_settings
from threadrun.redis_clients import connect
from threadrun.testing import LocalStack

NOTHING: Mapping[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
CALLBACK = {"task": "tools.execute", "args": ["k", 1, 0], "kwargs": {}, "options": {"queue": "tools"}}


class Forger:
    """Write to the broker as somebody who knows its address and its password."""

    def __init__(self, stack: LocalStack) -> None:
        self.app = Celery("forger", set_as_current=False)
        self.app.config_from_object(
            celery_config(load_settings({"THREADRUN_REDIS_URL": stack.redis_url}, None))
        )
        self.connection = self.app.connection_for_write()
        self.producer = self.connection.Producer(auto_declare=False)
        self.redis = connect(stack.redis_url)
        self.prefix = "threadrun:mq:"

    def close(self) -> None:
        self.connection.release()
        self.redis.close()
        self.app.close()

    def waiting(self, queue: str) -> int:
        """Count the messages that no worker has taken yet."""
        return int(self.redis.llen(f"{self.prefix}{queue}"))

    def results(self) -> set[str]:
        """List the results that Celery keeps."""
        return set(self.redis.keys(f"{self.prefix}celery-task-meta-*"))

    def task(
        self, queue: str, name: Any, args: Any = (), kwargs: Any = None, embed: Any = NOTHING, **headers: Any
    ) -> None:
        """Send a task's message (protocol 2) in which anything may be wrong."""
        told = {"lang": "py", "task": name, "id": uuid.uuid4().hex, "root_id": None, "parent_id": None}
        self.body(queue, [args, {} if kwargs is None else kwargs, embed], {**told, **headers})

    def body(
        self, queue: str, body: Any, headers: Mapping[str, Any] | None = None, **properties: Any
    ) -> None:
        """Send a body with headers."""
        self.producer.publish(
            body, exchange=Exchange(queue), routing_key=queue, headers=dict(headers or {}),
            **{"serializer": "json", **properties},
        )  # fmt: skip

    def raw(self, queue: str, entry: str | bytes) -> None:
        """Put an entry on the broker's list that no client of it has made."""
        self.redis.lpush(f"{self.prefix}{queue}", entry)

    def envelope(self, **changed: Any) -> str:
        """Make an entry as kombu would, with parts exchanged; `None` leaves one out."""
        properties = {
            "correlation_id": "c", "delivery_mode": 2, "delivery_tag": uuid.uuid4().hex, "priority": 0,
            "body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "runs"},
        }  # fmt: skip
        whole = {
            "body": base64.b64encode(json.dumps([["default"], {}, dict(NOTHING)]).encode()).decode(),
            "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {"task": "runs.poll", "id": uuid.uuid4().hex}, "properties": properties,
        }  # fmt: skip
        for name, value in changed.items():
            place, key = (properties, name[3:]) if name.startswith("in_") else (whole, name.replace("_", "-"))
            place[key] = value
            if value is None:
                del place[key]
        return json.dumps(whole)

    def everything(self, queue: str, name: str, args: list[Any]) -> Iterator[None]:
        """Send one message after another; `args` are right ones for the task."""
        for wrong in (
            [], ["x"] * 9, [None], [7], [{"a": 1}], [["default"]], ["no/such:profile"], ["x" * 1000], [True, 1, 0],
            ["k", "1", 0], ["k", 1.5, 0], ["k", True, 0], ["k", -1, 0], ["k", 10**30, 0], ["../k", 1, 0],
            ["k\n", 1, 0], ["x" * 200, 1, 0], {"run_key": "k"}, "k10", 7, None,
        ):  # fmt: skip
            yield self.task(queue, name, wrong)
        yield self.task(queue, name, args, {"extra": 1})
        yield self.task(queue, name, args, [1])
        for header in (
            {"eta": "2999-01-01T00:00:00+00:00"}, {"eta": "x" * 50}, {"eta": 7}, {"expires": "1999-01-01T00:00:00"},
            {"expires": {"a": 1}}, {"timelimit": [0.001, 0.001]}, {"timelimit": "xy"}, {"timelimit": [None, 1e-3]},
            {"timelimit": [{}, []]}, {"id": 7}, {"id": {"a": 1}}, {"id": None}, {"id": "../x\n" * 99},
            {"retries": "many"}, {"group": {"a": 1}}, {"root_id": ["x"]}, {"shadow": "runs.\x1b[2J"}, {"shadow": 7},
            {"argsrepr": 7}, {"argsrepr": "x" * 100_000}, {"ignore_result": False}, {"stamps": 7, "stamped_headers": 7},
            {"stamped_headers": ["a"], "stamps": {"a": [1]}}, {"replaced_task_nesting": "x"}, {"task": ["a"]},
            {"task": {"a": 1}}, {"task": None}, {"task": 7}, {"task": ""}, {"compression": "no-such"},
        ):  # fmt: skip
            yield self.task(
                queue, header.get("task", name), args, **{k: v for k, v in header.items() if k != "task"}
            )
        for embed in (
            {**NOTHING, "callbacks": [CALLBACK]}, {**NOTHING, "errbacks": [CALLBACK]}, {**NOTHING, "chain": [CALLBACK]},
            {**NOTHING, "chord": CALLBACK}, {"callbacks": "x"}, [], "x", 7, None, {"args": 1, "task": "runs.poll"},
            {"id": "other", "task": "tools.execute", "hostname": 7, "loglevel": "x"},
        ):  # fmt: skip
            yield self.task(queue, name, args, embed=embed)
        for other in (
            "celery.backend_cleanup",
            "celery.chord",
            "celery.map",
            "shop.nobodys",
            "\x1b[2J",
            "x" * 5000,
        ):
            yield self.task(queue, other, args)
        for body in ([], {}, "x", 7, None, [args], {"task": name, "args": args, "kwargs": {}, "id": "v1"}):
            yield self.body(queue, body, {"task": name, "id": uuid.uuid4().hex})
            yield self.body(queue, body)
        yield from self._contents(queue, name, args)
        yield from self._entries(queue)

    def _contents(self, queue: str, name: str, args: list[Any]) -> Iterator[None]:
        headers = {"task": name, "id": uuid.uuid4().hex}
        right = json.dumps([args, {}, dict(NOTHING)]).encode()
        deep = b"[" * 100_000
        huge = b'[["' + b"x" * 16_000_000 + b'"], {}, {}]'
        bomb = zlib.compress(b"[" + b" " * 60_000_000 + b"]")
        for content, kind, encoding in (
            (pickle.dumps((args, {}, {})), "application/x-python-serialize", "binary"),
            (b"- [default]\n- {}\n- {}\n", "application/x-yaml", "utf-8"), (right, "text/plain", "utf-8"),
            (right, "no/such", "utf-8"), (right, "", "utf-8"), (right, "application/json", "no-such-encoding"),
            (b"\xff\xfe", "application/json", "utf-8"), (deep, "application/json", "utf-8"),
            (b"1" * 5000, "application/json", "utf-8"),
            (b'[["k", ' + b"1" * 5000 + b", 0], {}, {}]", "application/json", "utf-8"),
            (b'[[NaN], {}, {}]', "application/json", "utf-8"), (b'[["\\ud800"], {}, {}]', "application/json", "utf-8"),
            (huge, "application/json", "utf-8"), (b"", "application/json", "utf-8"),
        ):  # fmt: skip
            yield self.body(
                queue, content, headers, serializer=None, content_type=kind, content_encoding=encoding
            )
        bombed = {**headers, "compression": "application/x-gzip"}
        yield self.body(
            queue, bomb, bombed, serializer=None, content_type="application/json", content_encoding="utf-8"
        )

    def _entries(self, queue: str) -> Iterator[None]:
        for entry in ("", "x", "[]", "{}", "7", "null", b"\xff\xfe", "[" * 100_000, '{"body": 1}'):
            yield self.raw(queue, entry)
        for changed in (
            {"body": None}, {"body": 7}, {"body": "%%%"}, {"headers": None}, {"headers": 7}, {"headers": ["task"]},
            {"properties": None}, {"properties": 7}, {"content_type": None}, {"content_type": 7},
            {"content_encoding": 7},
            {"in_delivery_tag": None}, {"in_delivery_tag": {"a": 1}}, {"in_delivery_tag": 7},
            {"in_delivery_info": None},
            {"in_delivery_info": 7}, {"in_delivery_info": {}}, {"in_body_encoding": "no-such"}, {"in_body_encoding": 7},
            {"in_reply_to": "victim", "in_correlation_id": {"a": 1}}, {"in_priority": "x"},
        ):  # fmt: skip
            yield self.raw(queue, self.envelope(**changed))
