"""What servers that speak the same wire do otherwise; each was seen on a self-hosted server that was run."""

from __future__ import annotations

from enum import StrEnum


class Quirk(StrEnum):
    """Name one way in which a server differs from OpenAI's."""

    METADATA_NULL = "metadata_null"
    """A run's metadata is never given back."""
    FLOAT_TIMES = "float_times"
    """Times carry a fraction: 1795175614.0."""
    REQUIRED_ACTION_EMPTY_OBJECT = "required_action_empty_object"
    """Once outputs were submitted, `required_action` is the empty object instead of null."""
    USAGE_NULL = "usage_null"
    """A run's usage stays null at its end."""
    STEPS_WITHOUT_USAGE = "steps_without_usage"
    """Steps lack the member `usage`."""
    PARTIAL_OUTPUTS_ACCEPTED = "partial_outputs_accepted"
    """Some of the outputs are taken with 200; the run goes on requiring the others."""
    UNKNOWN_CALL_500 = "unknown_call_500"
    """An output for an unknown call is answered with 500."""
    NOT_FOUND_INSTEAD_OF_WRONG_STATUS = "not_found_instead_of_wrong_status"
    """Outputs that the run does not wait for are answered with 404."""
    CANCEL_REFUSED_OUTSIDE_IN_PROGRESS = "cancel_refused_outside_in_progress"
    """A run is cancelled only while the model works; queued or waiting, the answer is 400."""
    CANCEL_FINISHED_200 = "cancel_finished_200"
    """Cancelling a run that ended, or is being cancelled, is answered with 200 and changes nothing."""
    NO_THREAD_AND_RUN_CREATE = "no_thread_and_run_create"
    """POST /threads/runs does not exist."""
    NO_ACTIVE_RUN_LIMIT = "no_active_run_limit"
    """A thread takes runs and messages while a run is active."""
    RUN_ID_FILTER_IGNORED = "run_id_filter_ignored"
    """The list of messages is not narrowed by `run_id`."""
