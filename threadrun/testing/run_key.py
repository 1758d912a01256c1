"""Whose run a request is about, told before it is performed."""

from __future__ import annotations

from threadrun.request import RUN_KEY_METADATA
from threadrun.testing.exchange import ApiRequest
from threadrun.testing.refusals import RefusedError
from threadrun.testing.world import World


def run_key_of(world: World, request: ApiRequest) -> str | None:
    """Tell the run key that a request carries, or that its run or its thread carries; None: there is none."""
    run = world.runs.get(request.ids.get("run_id", ""))
    thread = world.threads.get(request.ids.get("thread_id", ""))
    kept = [known.metadata.get(RUN_KEY_METADATA) for known in (run, thread) if known is not None]
    return next((key for key in [_sent(request), *kept] if key is not None), None)


def _sent(request: ApiRequest) -> str | None:
    try:
        match request.json():
            case {"metadata": {"threadrun_key": str(key)}}:
                return key
    except RefusedError:
        pass
    return None
