"""Choose ports for servers that cannot choose one themselves and say which."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below what Linux gives to outgoing connections: one of those could take the port before its server does."""

_given: set[int] = set()


def free_port() -> int:
    """Give a port on which nobody listens, each only once."""
    while True:
        port = random.randrange(LOWEST, HIGHEST)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
