"""Build, for each configured profile, the provider that speaks to it and the rules it is carried by."""

from __future__ import annotations

from typing import assert_never

from config.profile import PollSettings, Profile
from config.sections import EngineSettings
from worker.backoff import Fixed, Gentle, PollPolicy
from worker.decide.rules import Rules
from worker.permits import Limits
from worker.providers import AssistantsProvider, ProfileConnection
from worker.providers.base import Capabilities, Provider
from worker.providers.dialects import DIALECTS
from worker.providers.entra_tokens import EntraTokens, default_credential
from worker.store.gates import Rate


def provider_for(name: str, profile: Profile) -> Provider:
    """Build the provider of a profile; it connects on its first request."""
    return AssistantsProvider(
        ProfileConnection(
            name=name,
            base_url=profile.base_url,
            api_key=profile.api_key,
            api_key_header=profile.api_key_header,
            organization=profile.organization,
            project=profile.project,
            extra_query=profile.query,
            request_deadline_seconds=profile.request_deadline_seconds,
            max_connections=profile.max_requests,
            max_reply_bytes=profile.max_reply_bytes,
        ),
        capabilities=Capabilities(metadata_echoed=profile.metadata_echoed),
        dialect=DIALECTS[profile.dialect](),
        tokens=EntraTokens(default_credential(), profile.entra_scope)
        if profile.credential == "entra"
        else None,
    )


def limits_for(profile: Profile) -> Limits:
    """Gather what a profile says of its requests' number."""
    return Limits(
        gets=Rate(profile.gets_per_second, profile.burst),
        posts=Rate(profile.posts_per_second, profile.burst),
        breaker_failures=profile.breaker_failures,
        probe_ms=_ms(profile.request_deadline_seconds),
    )


def rules_for(profile: Profile, engine: EngineSettings) -> Rules:
    """Gather the numbers to decide by."""
    return Rules(
        poll=poll_policy(profile.poll),
        lease_ms=_ms(engine.lease_seconds),
        request_deadline_ms=_ms(profile.request_deadline_seconds),
        missing_grace_ms=_ms(engine.not_found_grace_seconds),
        stale_read_ms=_ms(engine.stale_read_seconds),
        tools_look_ms=_ms(engine.tools_look_seconds),
        provider_look_ms=_ms(engine.provider_look_seconds),
        expiry_margin_ms=_ms(profile.expiry_margin_seconds),
        finalize_deadline_ms=_ms(engine.finalize_deadline_seconds),
        mcp_approvals=profile.mcp_approvals,
        max_rounds=engine.max_rounds,
        max_calls=engine.max_calls_per_round,
        max_total_calls=engine.max_calls,
        max_same_calls=engine.max_same_calls,
        max_arguments_bytes=engine.max_arguments_bytes,
    )


def poll_policy(settings: PollSettings) -> PollPolicy:
    """Build the policy that a profile asks for."""
    match settings.policy:
        case "gentle":
            return Gentle(
                first_ms=_ms(settings.first_seconds),
                shortest_ms=_ms(settings.shortest_seconds),
                share=settings.share,
                cap_ms=_ms(settings.cap_seconds),
                jitter=settings.jitter,
            )
        case "fixed":
            return Fixed(_ms(settings.fixed_seconds), settings.jitter)
        case unknown:
            assert_never(unknown)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
