"""Try a broker that cannot be reached again soon, for as long as it takes, with one log line a try.

Celery's own pause grows to 30 s, in which a broker that is back stands unused, and it logs three lines a try.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery.worker.state import maybe_shutdown
from redis.exceptions import AuthenticationError, AuthorizationError

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 5.0
"""The pauses between two tries; each is one second longer than the one before."""

MAX_DETAIL = 200
"""How much is told of what the library says, in characters: it names host and port."""

log = structlog.get_logger("threadrun.broker")


def reconnect(connection: Any) -> Any:
    """Give Kombu's connection once it is made; a worker that is told to stop meanwhile stops."""

    def tell(error: BaseException, retry_seconds: float) -> None:
        words = {"error": type(error).__name__, "detail": str(error)[:MAX_DETAIL]}
        if isinstance(error, AuthenticationError | AuthorizationError):
            log.error("broker.login_refused", **words, retry_seconds=retry_seconds)
        else:
            log.warning("broker.unreachable", **words, retry_seconds=retry_seconds)

    pauses = {"interval_start": SHORTEST_SECONDS, "interval_step": 1.0, "interval_max": LONGEST_SECONDS}
    return connection.ensure_connection(tell, callback=maybe_shutdown, **pauses)
