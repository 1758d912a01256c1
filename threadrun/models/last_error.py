"""Why a run or a run step failed."""

from __future__ import annotations

from threadrun.models.tolerant import TolerantText
from threadrun.models.wire import WireModel


class LastError(WireModel):
    """Tell why a run or a step failed (RunObject's and RunStepObject's `last_error`; null unless failed)."""

    code: TolerantText = ""
    """server_error, rate_limit_exceeded, invalid_prompt; Azure types it as any string."""
    message: TolerantText = ""
    """The server's text for people; it can quote what users wrote."""
