"""`threadrun enqueue`: hand in a run, and wait for it if asked to."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.parameters import Content, Timeout
from threadrun.cli.wait import Waited, tell_waited, wait_for
from threadrun.client import RunHandle, RunOptions
from threadrun.errors import InvalidRequest, Problem, StoreUnavailable

_Assistant = Annotated[
    str | None,
    typer.Argument(metavar="ASSISTANT_ID", show_default=False, help="The assistant; --json may name it too."),
]
_Message = Annotated[
    list[str] | None,
    typer.Option("--message", "-m", metavar="TEXT", show_default=False, help="A user message; repeatable."),
]
_Thread = Annotated[
    str | None,
    typer.Option(
        "--thread",
        metavar="ID",
        show_default=False,
        help="The thread to run; without it a new one is made of the messages.",
    ),
]
_Tool = Annotated[
    list[str] | None,
    typer.Option(
        "--tool", metavar="NAME", show_default=False, help="A served tool the run may call; repeatable."
    ),
]
_Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="K=V", show_default=False, help="A pair of metadata; repeatable."),
]
_Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        show_default=False,
        help="The run key; the same request under the same key is enqueued once. By default a new one.",
    ),
]
_Deadline = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        metavar="SECONDS",
        show_default=False,
        help="Cancel the run after so long; by default 600.",
    ),
]
_Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", show_default=False, help="The provider profile."),
]
_Instructions = Annotated[
    str | None,
    typer.Option(
        "--instructions", metavar="TEXT", show_default=False, help="Replace the assistant's instructions."
    ),
]
_Additional = Annotated[
    str | None,
    typer.Option(
        "--additional-instructions", metavar="TEXT", show_default=False, help="Add to the instructions."
    ),
]
_Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", show_default=False, help="Replace the assistant's model."),
]
_OnDone = Annotated[
    str | None,
    typer.Option(
        "--on-done",
        metavar="TASK",
        show_default=False,
        help="A Celery task to send once the record is final.",
    ),
]
_Reject = Annotated[
    bool, typer.Option("--reject", help="Refuse the run if its thread is busy, rather than wait.")
]
_Interrupt = Annotated[
    bool, typer.Option("--interrupt", help="Cancel the run that holds the thread, and be the next on it.")
]
_Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        show_default=False,
        help="The whole request as a JSON object, - for standard input; options override its members.",
    ),
]
_Wait = Annotated[
    bool, typer.Option("--wait", help="Wait until the run is final; its outcome sets the exit code.")
]


_MEMBERS = frozenset({"assistant_id", *RunOptions.__annotations__})


def enqueue(
    at: Invocation,
    assistant_id: _Assistant = None,
    message: _Message = None,
    thread: _Thread = None,
    tool: _Tool = None,
    metadata: _Metadata = None,
    key: _Key = None,
    deadline: _Deadline = None,
    profile: _Profile = None,
    instructions: _Instructions = None,
    additional_instructions: _Additional = None,
    model: _Model = None,
    on_done: _OnDone = None,
    reject: _Reject = False,
    interrupt: _Interrupt = False,
    json_file: _Json = None,
    wait: _Wait = False,
    timeout: Timeout = None,
    content: Content = False,
) -> ExitCode:
    """Enqueue a run and print its key.

    Messages alone make a new thread; a thread alone is run as it is; with both, the messages are added to it.
    """
    given = {
        "assistant_id": assistant_id,
        "messages": message or None,
        "thread_id": thread,
        "tools": tool or None,
        "idempotency_key": key,
        "deadline_seconds": deadline,
        "profile": profile,
        "instructions": instructions,
        "additional_instructions": additional_instructions,
        "model": model,
        "on_done": on_done,
        "thread_strategy": _strategy(reject=reject, interrupt=interrupt),
    }
    handle = _hand_in(at, _request(json_file, given, metadata or ()))
    if wait:
        return _until_final(at, handle, timeout, content=content)
    if at.json:
        at.screen.document({"key": handle.key, "created": handle.created})
        return ExitCode.OK
    _note_repeat(at, handle)
    at.screen.text(handle.key)
    return ExitCode.OK


def _strategy(*, reject: bool, interrupt: bool) -> str | None:
    if reject and interrupt:
        raise InvalidRequest([Problem("thread_strategy", "choose one of --reject and --interrupt")])
    return "reject" if reject else "interrupt" if interrupt else None


def _request(json_file: str | None, given: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    request = read_request(json_file) if json_file is not None else {}
    request |= {name: value for name, value in given.items() if value is not None}
    if pairs:
        known = request.get("metadata") or {}
        # Anything but an object stays as it is, and is refused with the rest of the request.
        request["metadata"] = known | _metadata(pairs) if isinstance(known, dict) else known
    if not request.get("assistant_id"):
        raise InvalidRequest([Problem("assistant_id", "name the assistant to run")])
    if not request.get("messages") and not request.get("thread_id"):
        text = "give --message (a new thread), --thread (it is run as it is), or both"
        raise InvalidRequest([Problem("", text)])
    return request


def _metadata(pairs: Sequence[str]) -> dict[str, str]:
    bad = [pair for pair in pairs if "=" not in pair]
    if bad:
        raise InvalidRequest([Problem("--metadata", f"{pair!r} is not K=V") for pair in bad])
    return dict(pair.split("=", 1) for pair in pairs)


def read_request(name: str) -> dict[str, Any]:
    """Read a request from a file, or from standard input for `-`.

    Raises:
        InvalidRequest: It cannot be read, or is no JSON object.
    """
    try:
        request = json.loads(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise InvalidRequest([Problem("--json", f"{name} cannot be read: {error.strerror}")]) from None
    except json.JSONDecodeError as error:
        text = f"not valid JSON at line {error.lineno}, column {error.colno}"
        raise InvalidRequest([Problem("--json", text)]) from None
    except (ValueError, RecursionError):
        raise InvalidRequest([Problem("--json", "not JSON in UTF-8")]) from None
    if not isinstance(request, dict):
        raise InvalidRequest(
            [Problem("--json", 'give one object, such as {"assistant_id": …, "messages": …}')]
        )
    if unknown := [member for member in request if member not in _MEMBERS]:
        text = f"not known here; known are {', '.join(sorted(_MEMBERS))}"
        raise InvalidRequest([Problem(f"--json {member}", text) for member in unknown[:3]])
    return request


def _hand_in(at: Invocation, request: dict[str, Any]) -> RunHandle:
    # Chosen here, so that a failure can name the key with which repeating is safe.
    key = request.setdefault("idempotency_key", None) or uuid.uuid4().hex
    request["idempotency_key"] = key
    client = at.client
    try:
        return client.enqueue(**request)
    except StoreUnavailable:
        at.complain(
            ExitCode.UNREACHABLE, f"whether the run was enqueued is not known; repeat with --key {key}"
        )
        raise


def _note_repeat(at: Invocation, handle: RunHandle) -> None:
    if not handle.created:
        at.screen.note("The same request was enqueued before under this key; this is its run.")


def _until_final(at: Invocation, handle: RunHandle, timeout: float | None, *, content: bool) -> ExitCode:
    _note_repeat(at, handle)
    at.screen.note(f"Enqueued {handle.key}; waiting.")
    waited: list[Waited] = list(wait_for(at, [handle.key], timeout))
    return tell_waited(at, waited, content=content)
