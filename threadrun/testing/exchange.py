"""One request and one reply, as the operations see them: no HTTP library's types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

from pydantic_core import from_json

from threadrun.testing.objects import JsonObject, Run, Thread
from threadrun.testing.refusals import not_json

if TYPE_CHECKING:
    from threadrun.testing.world import World


@dataclass(slots=True)
class ApiRequest:
    """Carry one request."""

    method: str
    """The HTTP method."""
    path: str
    """The path, without the query."""
    ids: Mapping[str, str]
    """The ids in the path, by name."""
    headers: Mapping[bytes, bytes]
    """Header fields, names in lower case."""
    query_string: bytes = b""
    """What follows the question mark, still encoded."""
    body: bytes = b""
    """The body as it came."""

    def query(self) -> dict[str, str]:
        """Parse the query; of a name given twice the last value counts."""
        return dict(parse_qsl(self.query_string.decode("latin-1"))) if self.query_string else {}

    def json(self) -> Any:
        """Parse the body; an empty body is an empty object.

        Raises:
            RefusedError: if it is no JSON.
        """
        if not self.body:
            return {}
        try:
            return from_json(self.body, allow_inf_nan=False)
        except ValueError:
            raise not_json() from None


@dataclass(slots=True)
class ApiReply:
    """Carry what an operation did and answers."""

    effect: str
    """Its name in the effect log."""
    body: JsonObject | bytes
    """The object to answer, or its bytes where they were rendered before."""
    thread: Thread | None = None
    """The thread it is about."""
    run: Run | None = None
    """The run it is about."""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Header fields to add."""


Operation: TypeAlias = "Callable[[World, ApiRequest], ApiReply]"
"""What a method of a path does; refuses by raising a `RefusedError`."""
