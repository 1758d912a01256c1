"""The canaries: one secret for each way in, and runs that carry them through every way out."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INPUTS = (
    "api key",
    "redis password",
    "flower password",
    "query value",
    "header value",
    "message",
    "message of a task",
    "instructions",
    "additional instructions",
    "metadata value",
    "tool arguments",
    "tool output",
    "exception of a handler",
    "cause of an exception",
    "ToolError",
    "arguments that do not fit",
    "reply of the model",
    "last error of a run",
    "refusal of a create",
    "refusal of a key",
    "page in place of a reply",
    "refused request",
    "forged message",
    "unreachable redis password",
)
"""Every way in; each gets a secret of its own."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """Hold a unique secret for each input."""

    of: dict[str, str] = field(
        default_factory=lambda: {name: f"canary{secrets.token_hex(8)}" for name in INPUTS}
    )

    def __getitem__(self, name: str) -> str:
        return self.of[name]

    def found_in(self, text: str) -> list[str]:
        """Name the inputs whose secret stands in a text."""
        return [name for name, secret in self.of.items() if secret in text]


def scripts(canaries: Canaries) -> dict[str, str]:
    """Give, for each run key, what the model is told to do; each message holds a secret as well."""
    values = {
        "plain": f"say {canaries['reply of the model']}",
        "tools": f"call echo {json.dumps({'text': canaries['tool arguments']})}\nsay $1",
        "output": "call give {}\nsay done",
        "raises": "call raise_chain {}\nsay done",
        "tool-error": "call raise_tool_error {}\nsay done",
        "misfit": f"call echo {json.dumps({'text': [canaries['arguments that do not fit']]})}\nsay done",
        "no-such-tool": f"call nobody {json.dumps({'text': canaries['tool arguments']})}\nsay done",
        "killed": f"call die {json.dumps({'text': canaries['tool arguments']})}\nsay done",
        "fails": f"end failed server_error {canaries['last error of a run']}",
    }
    return {f"canary-{name}": f"{text}" for name, text in values.items()}


@contextmanager
def refusing_server(canaries: Canaries) -> Iterator[str]:
    """Run a provider that refuses everything and quotes what it should not; a kind is appended to its URL."""

    class Refusing(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            kind = self.path.split("/")[1]
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, text = {
                "invalid": (400, canaries["refusal of a create"]),
                "unauthorized": (401, f"Incorrect API key provided: {canaries['refusal of a key']}"),
            }.get(kind, (502, ""))
            body = {"error": {"message": text, "type": "invalid_request_error", "code": "bad", "param": None}}
            page = f"<html><body>{canaries['page in place of a reply']}</body></html>"
            data = (json.dumps(body) if text else page).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json" if text else "text/html")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 names of http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
