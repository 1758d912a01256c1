"""A Redis in memory, for machines without any: `python -m threadrun.testing.memory_redis`.

It is fakeredis's TCP server in a process of its own, mended where Celery and our scripts need it: an error is
answered and the connection stays, a pipeline is answered in one write, no reply is too long, a burst of
connections is accepted, and INFO is known. What it holds is gone when it ends. It prints one line of JSON,
`{"port": …}`.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
import uuid
from typing import Any

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler, encode_reply
from fakeredis._commands import SUPPORTED_COMMANDS, Signature
from fakeredis._socket import FakeSocket
from redis.exceptions import AuthenticationError, ResponseError

PUSH_LOOK_MS = 10
"""How soon a message that was published reaches a subscriber."""

_READ_BYTES = 64 * 1024


class Connection(TCPFakeRequestHandler):
    """Serve one client.

    fakeredis 2.40's own handler closes the connection after every error reply, and so loses NOSCRIPT and its
    remedy; writes reply for reply, which costs 40 ms a pipeline; and breaks off a reply that does not fit the
    socket's buffer. The class is private to fakeredis, so its version is pinned and tests watch it.
    """

    def setup(self) -> None:
        """Make the socket blocking again; fakeredis has just made it non-blocking."""
        super().setup()
        self.connection.setblocking(True)

    def handle(self) -> None:
        """Feed what comes to fakeredis and send what it answers, until either side is gone."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        with contextlib.suppress(ConnectionError):  # reset by the client, or by CLIENT KILL
            while self._serve(poll):
                self._send_replies()

    def _serve(self, poll: select.poll) -> bool:
        fake = self.current_client.get_socket()
        # Only a subscriber gets what it did not ask for, so only it must be looked at again and again.
        if not poll.poll(PUSH_LOOK_MS if fake._pubsub else None):
            return True
        data = self.connection.recv(_READ_BYTES)
        if data:
            fake.sendall(data)
        return bool(data)

    def _send_replies(self) -> None:
        replies = []
        while self.current_client.can_read():
            replies.append(encode_reply(self._reply(), self.protocol_version))
        if replies:
            self.connection.sendall(b"".join(replies))

    def _reply(self) -> Any:
        try:
            return self.current_client.read_response()
        except (ResponseError, AuthenticationError) as error:
            return error


class MemoryRedis(TcpFakeServer):
    """Listen for clients."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, server_version=(7, 0))
        self.RequestHandlerClass = Connection
        self.daemon_threads = True
        _teach_info(uuid.uuid4().hex)


def _teach_info(run_id: str) -> None:
    """Add the one command that workers need and fakeredis lacks: who the server is, and what it keeps."""
    members = {
        "redis_version": "7.0.0",
        "redis_mode": "standalone",
        "run_id": run_id,
        "aof_enabled": 0,
        "maxmemory": 0,
        "maxmemory_policy": "noeviction",
    }
    text = "".join(f"{name}:{value}\r\n" for name, value in members.items()).encode()
    FakeSocket.info = lambda _, *sections: text  # type: ignore[attr-defined]  # commands are found by name
    SUPPORTED_COMMANDS["info"] = Signature("info", "info", (), (bytes,))  # type: ignore[arg-type]  # as its own


def main() -> int:
    """Serve until killed."""
    with MemoryRedis() as server:
        sys.stdout.write(json.dumps({"port": server.server_address[1]}) + "\n")
        sys.stdout.flush()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
