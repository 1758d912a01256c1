"""Call the engine's Lua scripts through one Redis client, sync or asyncio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadrun.scripts import script_text

Arg = str | int | float


class Scripts:
    """Register each script once a client and call it by name.

    With an asyncio client the calls return awaitables. A script that Redis has forgotten is loaded again.
    """

    def __init__(self, client: Any, prefix: str, *, clock_key: str | None = None) -> None:
        self._client = client
        self._prefix = prefix
        self._clock_key = clock_key
        self._registered: dict[str, Any] = {}

    def call(self, name: str, keys: Sequence[str], args: Sequence[Arg]) -> Any:
        """Run a script of `worker/store/lua/`."""
        script = self._registered.get(name)
        if script is None:
            text = script_text(name, "worker.store", self._clock_key, self._prefix)
            script = self._registered[name] = self._client.register_script(text)
        return script(keys=keys, args=args)
