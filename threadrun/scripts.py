"""Load the Lua scripts: each is the prelude and one file, registered by its SHA with either kind of client."""

from __future__ import annotations

from functools import cache
from importlib import resources

from threadrun.keys import DEFAULT_PREFIX

PRELUDE_PACKAGE = "threadrun"
"""The package whose `lua/` holds the prelude and the scripts that a caller runs."""

_CLOCK = "'threadrun:clock'"
"""How the scripts write the key that says how far Redis's clock is ahead; each deployment has its own."""

_REDIS_CLOCK = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)"


@cache
def script_text(
    name: str, package: str = PRELUDE_PACKAGE, clock_key: str | None = None, prefix: str = DEFAULT_PREFIX
) -> str:
    """Read a script's whole text.

    Args:
        name: The file's name without `.lua`.
        package: The package whose `lua/` folder holds it.
        clock_key: For tests with a turned clock: a key holding the time in milliseconds, read in place of
            Redis's clock.
        prefix: That of the deployment, under which the jumps of Redis's clock are known.
    """
    text = f"{_read(PRELUDE_PACKAGE, 'prelude')}\n{_read(package, name)}"
    text = text.replace(_CLOCK, _quoted(f"{prefix}clock"))
    return text if clock_key is None else turned(text, clock_key)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def turned(text: str, clock_key: str) -> str:
    """Put a turned clock in place of Redis's in a script's text, for tests.

    Raises:
        RuntimeError: The text reads no clock where the prelude did.
    """
    if text.count(_REDIS_CLOCK) != 1:
        raise RuntimeError(
            "the prelude's clock is not where it was; mend _REDIS_CLOCK in threadrun/scripts.py"
        )
    return text.replace(_REDIS_CLOCK, f"return tonumber(redis.call('GET', '{clock_key}'))")


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
