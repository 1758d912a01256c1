"""Keep no copy of a message that can be made again.

Kombu writes each message down a second time when it takes it from Redis, and strikes it out when it is acknowledged:
two transactions a message. For a caller's request that is right. What else comes only says *look again*: one that is
lost with its worker costs a delay (a wake-up is made anew, a call that nobody claimed is sent again), and so it is
held in memory alone; a worker that stops gives it back from there.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from config.content_tasks import CONTENT_TASKS


class FrugalQoS(kombu_redis.QoS):
    """Write down messages with content until they are acknowledged, and remember the others."""

    def append(self, message: Any, delivery_tag: Any) -> None:
        """Remember a message that was taken."""
        keeper = kombu_redis.QoS if _has_content(message) else virtual.QoS
        keeper.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]

    def ack(self, delivery_tag: Any) -> None:
        """Forget a message that was acknowledged."""
        keeper = kombu_redis.QoS if self._hint(delivery_tag) is None else virtual.QoS
        keeper.ack(self, delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Forget a message, or give it back to be the next one taken."""
        hint = self._hint(delivery_tag)
        if hint is None:
            super().reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]
            return
        if requeue:
            self._give_back(hint, leftmost=True)
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]

    def restore_unacked(self, client: Any = None) -> None:
        """Give back what was taken and not acknowledged."""
        for tag in list(self._delivered):
            hint = self._hint(tag)
            if hint is not None:
                self._give_back(hint)
                del self._delivered[tag]
        super().restore_unacked(client)  # type: ignore[no-untyped-call]

    def _hint(self, delivery_tag: Any) -> Any:
        message = self._delivered.get(delivery_tag)
        return None if message is None or _has_content(message) else message

    def _give_back(self, hint: Any, *, leftmost: bool = False) -> None:
        to = hint.delivery_info
        with self.channel.conn_or_acquire() as client:
            self.channel._do_restore_message(hint._raw, to["exchange"], to["routing_key"], client, leftmost)


def _has_content(message: Any) -> bool:
    return isinstance(message.headers, dict) and message.headers.get("task") in CONTENT_TASKS
