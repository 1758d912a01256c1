"""Let a worker outlive the moment in which its broker connection breaks twice.

When Celery closes a broken connection, kombu gives the messages that were not acknowledged back over a new one. If
that breaks too, or its transport is closed already, the AttributeError or ConnectionError of it ends the worker: seen
when Redis was killed again while everybody came back. Nothing is lost by letting go: such a message is given back by
whoever finds its visibility timeout over, a tool call is sent again, and wake-ups are made anew.
"""

from __future__ import annotations

from typing import Any

import structlog
from kombu.transport import redis as kombu_redis
from redis.exceptions import RedisError

from config.unacknowledged import FrugalQoS

_log = structlog.get_logger("threadrun.broker")


class PatientQoS(FrugalQoS):
    """Give messages back if that can be done; else leave them to their visibility timeout."""

    def restore_unacked(self, client: Any = None) -> None:
        """Give back what was not acknowledged, over a connection that may be gone."""
        try:
            super().restore_unacked(client)
        except (AttributeError, RedisError, OSError) as error:
            _log.info("message.not_given_back", error=type(error).__name__)


def outlive_lost_connections() -> None:
    """Have every Redis channel of this process be patient."""
    kombu_redis.Channel.QoS = PatientQoS
