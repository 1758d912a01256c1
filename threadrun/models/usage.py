"""The tokens that a run or a run step used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import model_validator

from threadrun.models.tolerant import Tolerant, TolerantCount
from threadrun.models.wire import WireModel

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class PromptTokenDetails(WireModel):
    """Split up the prompt tokens; sent by OpenAI and Azure, absent on old replies."""

    cached_tokens: TolerantCount = 0
    """Prompt tokens that came from the provider's cache."""


class CompletionTokensDetails(WireModel):
    """Split up the completion tokens; sent by OpenAI, absent at Azure and on old replies."""

    reasoning_tokens: TolerantCount = 0
    """Completion tokens that the model spent on reasoning."""


class Usage(WireModel):
    """Count the tokens of a run or a step (RunCompletionUsage and RunStepCompletionUsage).

    Null until a run is terminal and a step has ended; some servers leave it null or absent for good. An
    object without any of the three counts reads as no usage. A failed run can have one.
    """

    prompt_tokens: TolerantCount = 0
    """Tokens read by the model."""
    completion_tokens: TolerantCount = 0
    """Tokens written by the model."""
    total_tokens: TolerantCount = 0
    """Both, as the server added them up."""
    prompt_token_details: Tolerant[PromptTokenDetails] = None
    """Spelt with a singular "token" on the wire, though absent from the published schema."""
    completion_tokens_details: Tolerant[CompletionTokensDetails] = None
    """Absent from the published schema too."""

    @model_validator(mode="before")
    @classmethod
    def _counts_something(cls, value: Any) -> Any:
        if isinstance(value, dict) and not any(name in value for name in _COUNTS):
            raise ValueError("none of prompt_tokens, completion_tokens, total_tokens")
        return value

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens from the cache; 0 when the server did not say."""
        return self.prompt_token_details.cached_tokens if self.prompt_token_details else 0

    @property
    def reasoning_tokens(self) -> int:
        """Completion tokens spent on reasoning; 0 when the server did not say."""
        return self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else 0

    @staticmethod
    def sum(usages: Iterable[Usage | None]) -> Usage | None:
        """Add up the usages of a run's steps; none when no step has one.

        A run that waited for tools was billed for each step, so where a provider leaves the run's own usage
        null, this is what it cost. A total that was not sent counts as prompt and completion together.
        """
        known = [usage for usage in usages if usage is not None]
        if not known:
            return None
        counts: dict[str, Any] = {
            "prompt_tokens": sum(usage.prompt_tokens for usage in known),
            "completion_tokens": sum(usage.completion_tokens for usage in known),
            "total_tokens": sum(usage._total() for usage in known),
        }
        if any(usage.prompt_token_details for usage in known):
            cached = sum(usage.cached_tokens for usage in known)
            counts["prompt_token_details"] = PromptTokenDetails(cached_tokens=cached)
        if any(usage.completion_tokens_details for usage in known):
            reasoning = sum(usage.reasoning_tokens for usage in known)
            counts["completion_tokens_details"] = CompletionTokensDetails(reasoning_tokens=reasoning)
        return Usage(**counts)

    def _total(self) -> int:
        return self.total_tokens or self.prompt_tokens + self.completion_tokens
