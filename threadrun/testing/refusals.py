"""Every refusal of the server, with the words of OpenAI's own.

Texts, types, params and codes are those of recorded replies and published issue reports; where a refusal
was never seen, the nearest recorded form is used.
"""

from __future__ import annotations

from collections.abc import Sequence

JSON_HINT = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
    "have trouble figuring out how to fix this, please contact us through our help center at "
    "help.openai.com.)"
)
"""What OpenAI answers to a body that is not JSON."""


class RefusedError(Exception):
    """End a request without an effect; `name` is our one word for the reason, for the effect log.

    A `bare` one is answered with its code and message alone, as one self-hosted server does.
    """

    def __init__(
        self,
        name: str,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        bare: bool = False,
    ) -> None:
        self.name = name
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.bare = bare
        super().__init__(message)


def missing_key() -> RefusedError:
    """Refuse a request without a bearer key."""
    return RefusedError(
        "missing_key",
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        status=401,
    )


def wrong_key() -> RefusedError:
    """Refuse a request with another key than the configured one; the key is not repeated."""
    return RefusedError("wrong_key", "Incorrect API key provided: ***.", status=401, code="invalid_api_key")


def missing_beta_header() -> RefusedError:
    """Refuse a request that does not ask for version 2 of the Assistants API."""
    return RefusedError(
        "missing_beta_header",
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting "
        "the header 'OpenAI-Beta: assistants=v2'.",
        code="invalid_beta",
    )


def unknown_url(method: str, path: str) -> RefusedError:
    """Refuse a path that does not exist."""
    return RefusedError("unknown_url", f"Invalid URL ({method} {path})", status=404)


def wrong_method(method: str, path: str) -> RefusedError:
    """Refuse a method that this path does not take."""
    return RefusedError("wrong_method", f"Invalid method for URL ({method} {path})", status=405)


def not_json() -> RefusedError:
    """Refuse a body that is not JSON."""
    return RefusedError("not_json", JSON_HINT)


def streaming() -> RefusedError:
    """Refuse a request for server-sent events, which this server does not send."""
    return RefusedError(
        "unsupported_value",
        "Unsupported value: 'stream' does not support true on this server; poll the run instead.",
        param="stream",
        code="unsupported_value",
    )


def not_found(what: str, object_id: str) -> RefusedError:
    """Refuse an id that does not exist; `what` is `thread`, `run`, `run step`, `message` or `assistant`."""
    return RefusedError(
        f"unknown_{what.replace(' ', '_')}", f"No {what} found with id '{object_id}'.", status=404
    )


def busy_thread(thread_id: str, run_id: str) -> RefusedError:
    """Refuse a second active run on a thread."""
    return RefusedError("busy_thread", f"Thread {thread_id} already has an active run {run_id}.")


def message_on_busy_thread(thread_id: str, run_id: str) -> RefusedError:
    """Refuse a message while a run is active."""
    return RefusedError(
        "message_on_busy_thread", f"Can't add messages to {thread_id} while a run {run_id} is active."
    )


def nothing_to_run() -> RefusedError:
    """Refuse a run that has neither a user message nor instructions."""
    return RefusedError(
        "invalid_thread",
        "Run creation requires a Thread with a user message or an assistant with instructions.",
        code="invalid_thread",
    )


def outputs_in_wrong_status(status: str) -> RefusedError:
    """Refuse tool outputs that the run does not wait for."""
    return RefusedError("wrong_status", f'Runs in status "{status}" do not accept tool outputs.')


def outputs_do_not_match(expected: Sequence[str], got: Sequence[str]) -> RefusedError:
    """Refuse tool outputs that are not exactly those that the run waits for."""
    return RefusedError(
        "outputs_do_not_match", f"Expected tool outputs for call_ids {list(expected)}, got {list(got)}"
    )


def approvals_wanted(call_ids: Sequence[str]) -> RefusedError:
    """Refuse what is not exactly the approvals that the run waits for."""
    return RefusedError("approvals_do_not_match", f"Expected tool approvals for call_ids {list(call_ids)}.")


def missing_api_version() -> RefusedError:
    """Refuse a request to Azure without its version."""
    text = "The api-version query parameter (?api-version=) is required for all requests."
    return RefusedError("missing_api_version", text, code="MissingApiVersionParameter")


def unsupported_api_version() -> RefusedError:
    """Refuse a request to Azure in a version that it does not have."""
    text = "The requested api-version is not supported."
    return RefusedError("unsupported_api_version", text, code="UnsupportedApiVersion")


def unauthorized() -> RefusedError:
    """Refuse a request to Azure without an Entra token, or with a key in its place."""
    text = "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired."
    return RefusedError("unauthorized", text, status=401, code="401")


def repeated_include() -> RefusedError:
    """Refuse an `include[]` that is repeated where names are joined by commas."""
    return RefusedError(
        "repeated_include", "Invalid query: include[] was given more than once.", code="BadRequest"
    )


def foreign_header(name: str) -> RefusedError:
    """Refuse a header that belongs to another dialect; only this server does, so that a test sees it."""
    return RefusedError(
        "foreign_header", f"The header '{name}' belongs to another service.", code="BadRequest"
    )


def step_not_in_progress() -> RefusedError:
    """Refuse tool outputs that the run does not wait for, as one self-hosted server does."""
    text = "run_step not found or not in progress"
    return RefusedError("wrong_status", text, status=404, code="http_error", bare=True)


def invalid_tool_call() -> RefusedError:
    """Refuse the output of an unknown call, as one self-hosted server does."""
    return RefusedError("outputs_do_not_match", "Invalid tool call", status=500, code="http_error", bare=True)


def cannot_cancel(run_id: str) -> RefusedError:
    """Refuse to cancel a run that the model is not working on, as one self-hosted server does."""
    return RefusedError("wrong_status", f"run {run_id} cannot cancel", code="http_error", bare=True)


def cancel_in_wrong_status(status: str) -> RefusedError:
    """Refuse to cancel a run that ended or is being cancelled."""
    return RefusedError("wrong_status", f"Cannot cancel run with status '{status}'.")


def update_in_wrong_status(status: str) -> RefusedError:
    """Refuse to modify a run that has not ended."""
    return RefusedError("wrong_status", f"Cannot update run with status '{status}'.")


def invalid(path: str, problem: str, code: str) -> RefusedError:
    """Refuse a value that breaks a limit, such as `string too long. Expected …`."""
    return RefusedError(code, f"Invalid '{path}': {problem}", param=path, code=code)


def invalid_type(path: str, expected: str, got: str) -> RefusedError:
    """Refuse a value of another type."""
    message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    return RefusedError("invalid_type", message, param=path, code="invalid_type")


def invalid_value(path: str, got: str, supported: Sequence[str]) -> RefusedError:
    """Refuse a word that is not one of the supported ones."""
    names = [f"'{name}'" for name in supported]
    listing = (
        f"{', '.join(names[:-1])}{',' if len(names) > 2 else ''} and {names[-1]}" if names[1:] else names[0]
    )
    message = f"Invalid value: '{got}'. Supported values are: {listing}."
    return RefusedError("invalid_value", message, param=path, code="invalid_value")


def missing_parameter(path: str) -> RefusedError:
    """Refuse a body that lacks a required parameter."""
    return RefusedError(
        "missing_required_parameter",
        f"Missing required parameter: '{path}'.",
        param=path,
        code="missing_required_parameter",
    )


def unknown_parameter(path: str) -> RefusedError:
    """Refuse a parameter that does not exist."""
    return RefusedError(
        "unknown_parameter", f"Unknown parameter: '{path}'.", param=path, code="unknown_parameter"
    )
