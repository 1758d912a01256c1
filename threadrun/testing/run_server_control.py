"""Look into a run server that is another process, and break it, over its `/_control` paths."""

from __future__ import annotations

from typing import Any

import httpx

from threadrun.testing.effects import Effect
from threadrun.testing.faults import FaultPlan, RuleCount
from threadrun.testing.objects import JsonObject


class RunServerControl:
    """Ask a run server what it was asked, and set its faults, without leaving an effect."""

    def __init__(self, url: str) -> None:
        """Take the server's own URL, or the base URL of its API."""
        # No proxy of the surroundings: the server listens on this machine.
        self._http = httpx.Client(base_url=httpx.URL(url).copy_with(path="/"), trust_env=False)

    def effects(self, name: str | None = None, *, run_key: str | None = None, after: int = 0) -> list[Effect]:
        """Give what its requests did, oldest first.

        Args:
            name: Only effects of this name, such as `run.created`.
            run_key: Only effects on this run, or on the thread that was made for it.
            after: Only effects with a higher number.

        Raises:
            httpx.HTTPError: The server does not answer.
        """
        found: list[Effect] = []
        more = True
        while more:
            page = self._get("/_control/log", after=found[-1].number if found else after)
            found += [Effect(**item) for item in page["data"]]
            more = page["has_more"]
        return [e for e in found if name in (None, e.effect) and run_key in (None, e.threadrun_key)]

    def requests(self) -> int:
        """Count the requests that it had so far, those of `/_control` apart.

        Raises:
            httpx.HTTPError: The server does not answer.
        """
        return int(self._get("/_control/log", limit=0)["last"])

    def run(self, run_id: str) -> JsonObject:
        """Give a run as a GET would.

        Raises:
            httpx.HTTPError: The server does not answer, or has no such run.
        """
        run: JsonObject = self._get(f"/_control/runs/{run_id}")["run"]
        return run

    def transitions(self, run_id: str) -> list[tuple[float, str]]:
        """Give every status of a run and when it came, in unix seconds.

        Raises:
            httpx.HTTPError: The server does not answer, or has no such run.
        """
        return [(at, status) for at, status in self._get(f"/_control/runs/{run_id}")["transitions"]]

    def turn(self, seconds: float) -> None:
        """Turn its clock forward.

        Raises:
            httpx.HTTPError: The server does not answer.
        """
        self._http.post("/_control/clock", json={"advance_seconds": seconds}).raise_for_status()

    def set_faults(self, plan: FaultPlan | None) -> None:
        """Have the server meet its requests with these faults from now on, or with none.

        Raises:
            httpx.HTTPError: The server does not answer.
        """
        url = "/_control/faults"
        reply = self._http.delete(url) if plan is None else self._http.post(url, json=plan.to_json())
        reply.raise_for_status()

    def fault_counts(self) -> list[RuleCount]:
        """Tell what each rule of the server's plan saw and did, in the rules' order.

        Raises:
            httpx.HTTPError: The server does not answer.
        """
        return [RuleCount(**count) for count in self._get("/_control/faults")["counts"]]

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _get(self, path: str, **query: int) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()
