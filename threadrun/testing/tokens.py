"""Token counts that depend on nothing but the lengths of texts."""

from __future__ import annotations

from collections.abc import Iterable

from threadrun.status import RunStatus
from threadrun.testing.objects import JsonObject, Run, Step

_CHARACTERS_A_TOKEN = 4


def tokens_of(characters: int) -> int:
    """Count the tokens of so many characters: four make one, a beginning one counts."""
    return -(-characters // _CHARACTERS_A_TOKEN)


def step_usage(step: Step) -> JsonObject | None:
    """Render a step's usage; null while it is in progress (OpenAI's published RunStepObject schema)."""
    return None if step.status is RunStatus.IN_PROGRESS else _usage([step])


def run_usage(run: Run) -> JsonObject | None:
    """Render a run's usage, the sum of its steps; null until the run has ended."""
    return _usage(run.steps) if run.status.terminal else None


def _usage(steps: Iterable[Step]) -> JsonObject:
    prompt = completion = 0
    for step in steps:
        prompt += step.prompt_tokens
        completion += step.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
