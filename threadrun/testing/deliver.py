"""Send an answer over ASGI in ways that no sound server would.

What ASGI cannot say, such as hanging up, is done to the connection itself: `connection_protocol` makes uvicorn's
protocol put itself within reach of each request.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from threadrun.testing.answer import Answer, Delivery

_CONNECTION = "threadrun_connection"
_BLANKS = b" " * 64 * 1024
_DRIP_SECONDS = 0.05


def connection_protocol(**given: Any) -> asyncio.Protocol:
    """Make the protocol of a connection, for uvicorn's `http`; each request's scope then leads to it."""
    protocol: Any = AutoHTTPProtocol(**given)
    protocol.app_state = {**protocol.app_state, _CONNECTION: protocol}
    return cast("asyncio.Protocol", protocol)


async def deliver(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer as it says; returns when it is sent or the client has gone, whichever is first."""
    sending = asyncio.ensure_future(_send(answer, scope, send))
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    except asyncio.CancelledError:
        # The server stops: uvicorn would answer 500 to a request that was never to be answered.
        _hang_up(scope)
        raise
    finally:
        sending.cancel()
        gone.cancel()
        await asyncio.gather(sending, gone, return_exceptions=True)


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    match answer.delivery:
        case Delivery.NONE:
            _hang_up(scope)
            await _forever()
        case Delivery.SILENT:
            await _forever()
        case Delivery.CUT:
            await _start(answer, send)
            await _part(answer.body[: len(answer.body) // 2], send)
            _hang_up(scope)
            await _forever()
        case Delivery.DRIP:
            await _start(answer, send)
            await _drip(answer, send)
        case Delivery.ENDLESS:
            await _start(answer, send)
            for _ in range(answer.max_bytes // len(_BLANKS)):
                await _part(_BLANKS, send)
                # A client that reads as fast as it gets must not keep all others waiting.
                await asyncio.sleep(0)
            await _part(answer.body, send, more=False)
        case Delivery.WHOLE:
            await _start(answer, send)
            await _part(answer.body, send, more=False)


async def _start(answer: Answer, send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": answer.all_headers()},
    )


async def _part(body: bytes, send: Send, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _drip(answer: Answer, send: Send) -> None:
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while sent < len(answer.body):
        await asyncio.sleep(max(_DRIP_SECONDS, 1 / answer.bytes_per_second))
        due = int((loop.time() - began) * answer.bytes_per_second)
        await _part(answer.body[sent:due], send)
        sent = max(sent, due)
    await _part(b"", send, more=False)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


def _hang_up(scope: Scope) -> None:
    scope["state"][_CONNECTION].transport.close()
