"""Say in a few words what an event means for a person who looks at the timeline; most events say nothing."""

from __future__ import annotations

from datetime import datetime

from threadrun.cli.screen import plain, seconds
from threadrun.records import Transition


def remark(event: Transition, enqueued_at: datetime) -> str | None:
    """Give the remark, or none where the bar itself says it."""
    reason = plain(event.data.get("reason", "")).replace("_", " ")
    match event.type:
        case "run.create_sent" if event.data.get("attempt", 1) != 1:
            return f"create attempt {plain(event.data.get('attempt'))}"
        case "run.create_unknown":
            return "outcome unknown, searched for"
        case "run.adopted":
            return "found by the search"
        case "run.held":
            return f"held: {reason}"
        case "run.status_unknown":
            return f"unknown status {plain(event.data.get('status'))}"
        case "run.cancel_requested":
            return f"cancel asked at +{seconds(event.at - enqueued_at)}"
        case "run.cancelling" if reason != "cancel requested":
            return reason
        case "tool_outputs.refused":
            return f"outputs refused: {reason}"
        case "tool_outputs.unknown":
            return "unknown whether the outputs arrived"
        case "tool_outputs.found_submitted":
            return "the outputs had arrived"
        case "tool_outputs.wanted_again":
            return "outputs wanted again"
        case "tool_outputs.cancelled":
            return "calls answered as cancelled"
    return None
