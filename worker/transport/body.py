"""Read a reply's body without ever holding more than the limit allows."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterable, Mapping
from itertools import accumulate

from worker.transport.outcome import Fault

DEFAULT_MAX_REPLY_BYTES = 8 * 1024 * 1024
"""A page of 100 runs with large tool lists is about 1 MB."""

MAX_JSON_DEPTH = 128
"""The deepest nesting that is handed to a parser; wire objects have about ten levels."""

BYTES_A_CONTAINER = 80
"""A reply may have one object or list for so many bytes of its limit, about 100,000: real ones are larger, and each
costs a kilobyte and ten microseconds of the loop once it is parsed, though it be only two bytes long."""

_AUTO_DETECT_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CODINGS = {"gzip": _AUTO_DETECT_GZIP_OR_ZLIB, "x-gzip": _AUTO_DETECT_GZIP_OR_ZLIB, "deflate": zlib.MAX_WBITS}
_JSON_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*+[\[{]")
# Every quote opens a match, even one that is never closed: so the scan stays linear on hostile text.
_JSON_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP_OF_BRACKET = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class UnreadableBodyError(Exception):
    """End the reading of a body, with the fault to report."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault)


class _Plain:
    """Pass bytes on, up to the limit."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def feed(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise UnreadableBodyError(Fault.TOO_LARGE)
        return chunk

    def finish(self) -> None:
        """Accept the end; aiohttp has already held a length against what came."""


class _Inflating:
    """Inflate gzip or deflate; never produces more than one byte above the limit, however dense the input."""

    def __init__(self, window_bits: int, max_bytes: int) -> None:
        self._window_bits = window_bits
        self._inflater = zlib.decompressobj(window_bits)
        self._left = max_bytes
        self._started = False

    def feed(self, chunk: bytes) -> bytes:
        try:
            inflated = self._inflate(chunk)
        except zlib.error:
            raise UnreadableBodyError(Fault.BAD_BODY) from None
        self._left -= len(inflated)
        if self._left < 0:
            raise UnreadableBodyError(Fault.TOO_LARGE)
        if self._inflater.unused_data:
            raise UnreadableBodyError(Fault.BAD_BODY)
        return inflated

    def _inflate(self, chunk: bytes) -> bytes:
        first, self._started = not self._started, True
        try:
            return self._inflater.decompress(chunk, self._left + 1)
        except zlib.error:
            if not first or self._window_bits != zlib.MAX_WBITS:
                raise
        # "deflate" means zlib's format, but some servers send it without its header.
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._inflater.decompress(chunk, self._left + 1)

    def finish(self) -> None:
        if self._started and not self._inflater.eof:
            raise UnreadableBodyError(Fault.BAD_BODY)


async def read_body(chunks: AsyncIterable[bytes], headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Collect a body, decoded.

    Raises:
        UnreadableBodyError: it is too large, cannot be decoded, or is JSON nested too deeply or of too many parts.
    """
    decoder = _decoder(headers.get("content-encoding", ""), max_bytes)
    parts = [decoder.feed(chunk) async for chunk in chunks]
    decoder.finish()
    body = b"".join(parts)
    if beyond_parsing(body, max_bytes // BYTES_A_CONTAINER):
        raise UnreadableBodyError(Fault.BAD_BODY)
    return body


def _decoder(content_encoding: str, max_bytes: int) -> _Plain | _Inflating:
    coding = content_encoding.strip().lower()
    if coding in {"", "identity"}:
        return _Plain(max_bytes)
    window_bits = _CODINGS.get(coding)
    if window_bits is None:
        raise UnreadableBodyError(Fault.BAD_BODY)
    return _Inflating(window_bits, max_bytes)


def beyond_parsing(body: bytes, max_containers: int) -> bool:
    """Tell whether a JSON text nests too deeply or has too many objects and lists, without parsing it."""
    if body.count(b"[") + body.count(b"{") <= MAX_JSON_DEPTH or not _JSON_BEGINS.match(body):
        return False
    brackets = _JSON_STRINGS.sub(b"", body).translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * max_containers:
        return True
    return any(depth > MAX_JSON_DEPTH for depth in accumulate(map(_STEP_OF_BRACKET.__getitem__, brackets)))
