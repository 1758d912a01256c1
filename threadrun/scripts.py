"""Load the Lua scripts: each is the prelude and one file, registered by its SHA with either kind of client."""

from __future__ import annotations

from functools import cache
from importlib import resources

PRELUDE_PACKAGE = "threadrun"
"""The package whose `lua/` holds the prelude and the scripts that a caller runs."""

_REDIS_CLOCK = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)"


@cache
def script_text(name: str, package: str = PRELUDE_PACKAGE, clock_key: str | None = None) -> str:
    """Read a script's whole text.

    Args:
        name: The file's name without `.lua`.
        package: The package whose `lua/` folder holds it.
        clock_key: For tests with a turned clock: a key holding the time in milliseconds, read in place of
            Redis's clock.
    """
    prelude = _read(PRELUDE_PACKAGE, "prelude")
    if clock_key is not None:
        turned = f"return tonumber(redis.call('GET', '{clock_key}'))"
        if prelude.count(_REDIS_CLOCK) != 1:
            raise RuntimeError(
                "the prelude's clock is not where it was; mend _REDIS_CLOCK in threadrun/scripts.py"
            )
        prelude = prelude.replace(_REDIS_CLOCK, turned)
    return f"{prelude}\n{_read(package, name)}"


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
