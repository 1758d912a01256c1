"""The path `/_control/faults`, where another process sets what a run server does wrong."""

from __future__ import annotations

import json
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from threadrun.testing.faults import FaultPlan
from threadrun.testing.world import World


def fault_route(world: World) -> Route:
    """Build the route: GET tells the plan and what it did, POST sets one, DELETE takes it away."""

    async def faults(request: Request) -> Response:
        try:
            if request.method == "POST":
                _set(world, FaultPlan.from_json(json.loads(await request.body())))
            elif request.method == "DELETE":
                _set(world, None)
        except ValueError as error:
            return problem(f"that is no fault plan: {error}", 400)
        return _told(world)

    return Route("/_control/faults", faults, methods=["GET", "POST", "DELETE"])


def problem(message: str, status: int) -> Response:
    """Answer that a control request cannot be done."""
    return JSONResponse({"error": {"message": message}}, status_code=status)


def _set(world: World, plan: FaultPlan | None) -> None:
    with world.lock:
        world.set_faults(plan)


def _told(world: World) -> Response:
    with world.lock:
        plan = world.faults
        counts = [] if plan is None else [asdict(count) for count in plan.counts()]
        return JSONResponse({"plan": None if plan is None else plan.to_json(), "counts": counts})
