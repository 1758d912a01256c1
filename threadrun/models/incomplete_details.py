"""Why a run or a message is incomplete."""

from __future__ import annotations

from threadrun.models.tolerant import Tolerant
from threadrun.models.wire import WireModel


class IncompleteDetails(WireModel):
    """Tell why a run or a message is incomplete (RunObject's and MessageObject's `incomplete_details`).

    Null otherwise, though OpenAI has sent a reason with status `completed` (recorded in 2024).
    """

    reason: Tolerant[str] = None
    """A run: max_completion_tokens, max_prompt_tokens. A message: content_filter, max_tokens, run_cancelled,
    run_expired, run_failed. Servers send others too."""
