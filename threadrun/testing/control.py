"""The paths that are not the wire's: `/_control/…`, for tests and benchmarks in another process.

GET  /_control/log?after=n&limit=m     effects after number n: {"data": […], "has_more": false, "last": number}
GET  /_control/clock                   {"now": unix seconds}
POST /_control/clock                   {"advance_seconds": x}: turn the clock forward
GET  /_control/runs/{run_id}           {"run": …, "transitions": [[unix seconds, status], …]}
GET  /_control/faults                  {"plan": the plan or null, "counts": [{"matched": n, "injected": n}, …]}
POST /_control/faults                  {"seed": n, "rules": [{"fault": …}, …]}: have these faults from now on
DELETE /_control/faults                have none
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from threadrun.testing.fault_control import fault_route, problem
from threadrun.testing.world import World

MAX_EFFECTS = 10_000
"""How many effects one answer gives at most; the default too."""


def control_routes(world: World) -> list[BaseRoute]:
    """Build the routes; they need no key, since the server listens on the loopback address."""

    async def log(request: Request) -> Response:
        limit = min(MAX_EFFECTS, _query_int(request, "limit", MAX_EFFECTS))
        with world.lock:
            effects = world.log.after(_query_int(request, "after", 0), limit + 1)
            last = world.log.last
        data = [effect.to_json() for effect in effects[:limit]]
        return JSONResponse({"data": data, "has_more": len(effects) > limit, "last": last})

    async def clock(request: Request) -> Response:
        with world.lock:
            return JSONResponse({"now": world.clock.now()})

    async def turn_clock(request: Request) -> Response:
        try:
            seconds = float(json.loads(await request.body())["advance_seconds"])
            with world.lock:
                return JSONResponse({"now": world.clock.advance(seconds)})
        except (ValueError, TypeError, KeyError) as error:
            return problem(f'send {{"advance_seconds": seconds}}, 0 or more: {error}', 400)

    async def run(request: Request) -> Response:
        with world.lock:
            found = world.runs.get(request.path_params["run_id"])
            if found is None:
                return problem("no such run", 404)
            world.catch_up(found.thread)
            body: dict[str, Any] = {"run": world.dialect.run(found), "transitions": found.transitions}
            return JSONResponse(body)

    return [
        fault_route(world),
        Route("/_control/log", log),
        Route("/_control/clock", clock, methods=["GET"]),
        Route("/_control/clock", turn_clock, methods=["POST"]),
        Route("/_control/runs/{run_id}", run),
    ]


def _query_int(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, "")
    return int(value) if value.isdigit() else default
