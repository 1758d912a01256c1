"""`threadrun cancel`: wish runs cancelled."""

from __future__ import annotations

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Keys
from threadrun.cli.screen import plain
from threadrun.errors import RunNotFound


def cancel(at: Invocation, keys: Keys) -> ExitCode:
    """Wish runs cancelled; a run may still complete, `threadrun wait` tells how it ended."""
    wished: dict[str, bool] = {}
    code = ExitCode.OK
    for key in dict.fromkeys(keys):
        try:
            wished[key] = at.client.cancel(key)
        except RunNotFound as error:
            code = at.fail(error)
    if at.json:
        at.screen.document({"runs": [{"key": key, "wished": new} for key, new in wished.items()]})
        return code
    for key, new in wished.items():
        at.screen.text(f"{plain(key)}  {'wished cancelled' if new else _why_not(at, key)}")
    return code


def _why_not(at: Invocation, key: str) -> str:
    return "is final already" if at.client.waits_for(key).final else "was wished cancelled before"
