"""Bodies that say something else than they should, or far too much."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json

from threadrun.testing.answer import Answer
from threadrun.testing.fault_kinds import Fault
from threadrun.testing.ids import derived_id
from threadrun.testing.objects import JsonObject

UNKNOWN_STATUS = "pondering"
"""A status that no schema knows."""

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK_BYTES = 1024**2


def with_wrong_objects(answer: Answer, fault: Fault) -> Answer:
    """Change the object that is answered, or each one of a list; a refusal stays as it is."""
    if answer.status != 200:
        return answer
    body = from_json(answer.body)
    if body.get("object") == "list" and fault is not Fault.WRONG_TYPES:
        body["data"] = [_wrong(item, fault) for item in body["data"]]
    else:
        body = _wrong(body, fault)
    return replace(answer, body=to_json(body))


def behind_blanks(body: bytes, size_bytes: int) -> bytes:
    """Compress JSON behind so many blanks, which change nothing of what it says."""
    so_far, compressor = _compressed_blanks(size_bytes)
    rest = compressor.copy()
    return b"".join((so_far, rest.compress(body), rest.flush()))


@lru_cache(maxsize=4)
def _compressed_blanks(size_bytes: int) -> tuple[bytes, Any]:
    # Compressing 64 MiB takes a fifth of a second, in which the server answers nobody: once is enough.
    compressor = zlib.compressobj(level=1, wbits=_GZIP)
    chunks, rest = divmod(size_bytes, _CHUNK_BYTES)
    parts = [compressor.compress(b" " * _CHUNK_BYTES) for _ in range(chunks)]
    return b"".join([*parts, compressor.compress(b" " * rest)]), compressor


def _wrong(item: JsonObject, fault: Fault) -> JsonObject:
    match fault:
        case Fault.WRONG_ID:
            prefix = str(item["id"]).partition("_")[0]
            return {**item, "id": derived_id(prefix, f"instead of {item['id']}", 0)}
        case Fault.METADATA_NOT_ECHOED:
            return {**item, "metadata": {}}
        case Fault.UNKNOWN_STATUS:
            return {**item, "status": UNKNOWN_STATUS}
    return {name: _of_another_type(value) for name, value in item.items()}


def _of_another_type(value: Any) -> Any:
    match value:
        case bool() | int() | float():
            return "seven"
        case str():
            return 7
    return True
