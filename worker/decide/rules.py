"""The numbers by which the engine decides, gathered from the settings of a profile and of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.backoff import Gentle, PollPolicy


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold every duration and cap that `decide` uses; all times in milliseconds."""

    poll: PollPolicy = field(default_factory=Gentle)
    lease_ms: int = 20_000
    """How long a claim lasts; longer than a request may take."""
    request_deadline_ms: int = 15_000
    """How long after its intent a POST may still take effect."""
    adoption_looks_ms: tuple[int, ...] = (1_000, 2_000, 4_000, 8_000)
    """When to search again for a run whose creation is unknown."""
    waiting_look_ms: int = 30_000
    """How soon a run that waits for its thread is looked at without being woken."""
    busy_thread_ms: int = 3_000
    """How soon to try again on a thread that somebody else's run holds."""
    hold_ms: int = 30_000
    """How long to hold a run whose profile has a key that is refused, or a wrong address."""
    missing_grace_ms: int = 60_000
    """How long a run may answer 404 before it is lost."""
    stale_read_ms: int = 10_000
    """How long after a submit the same required action counts as an old read."""
    tools_look_ms: int = 5_000
    """How soon to look at the ledger of a run whose handlers run."""
    provider_look_ms: int = 15_000
    """How soon to look at the provider while handlers run."""
    expiry_margin_ms: int = 15_000
    """How long before the provider's expiry unfinished calls are answered with an error."""
    hard_limit_grace_ms: int = 20_000
    """How long after a claimed call's deadline its worker may still report; then it counts as timed out."""
    first_resend_ms: int = 15_000
    """When an unclaimed call is sent again; doubles each time."""
    cancel_deadline_ms: int = 120_000
    """How long to wait for a terminal status after a cancel before recording it as unconfirmed."""
    cancel_again_ms: int = 10_000
    """How soon an accepted cancel that shows no effect is repeated."""
    finalize_deadline_ms: int = 120_000
    """How long to try to read steps and messages; then the record says what is missing."""
    usage_look_ms: int = 1_500
    """How soon to look again for a usage that is null; twice."""
    max_failures: int = 3
    """How often a defect of ours may break off an advance after the run's deadline; then it is lost."""
    max_repeats: int = 3
    """How often outputs are sent again where the steps prove neither that they arrived nor that they did not."""
    max_refusals: int = 3
    """How often a submit may be refused for its content before the run is given up."""
    mcp_approvals: Mapping[str, str] = field(default_factory=dict)
    """The profile's policy of who approves MCP tools; empty: nobody does."""
    max_rounds: int = 50
    """How many rounds of tool calls a run may have."""
    max_calls: int = 128
    """How many tool calls one round may have."""
    max_total_calls: int = 1_000
    """How many tool calls a run may ask for in all its rounds."""
    max_same_calls: int = 20
    """How often a run may ask for the same tool with the same arguments."""
    max_arguments_bytes: int = 1024 * 1024
    """How long the arguments of a call may be; longer ones are answered with an error and kept nowhere."""
    max_strikes: int = 3
    """How many processes may die with an idempotent call alone in their hands; then it is quarantined."""
    max_deaths: int = 6
    """How many may die with it at all."""
    apart_ms: int = 2_000
    """How far apart those calls are run again that were in the hands of one dead worker; times their deaths."""
