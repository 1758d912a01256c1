"""The operations on assistants, threads and messages."""

from __future__ import annotations

from threadrun.testing import shapes
from threadrun.testing.exchange import ApiReply, ApiRequest
from threadrun.testing.objects import Assistant, JsonObject, Message, Thread
from threadrun.testing.paging import page
from threadrun.testing.quirks import Quirk
from threadrun.testing.refusals import message_on_busy_thread, not_found
from threadrun.testing.world import World, assistant_settings


def create_assistant(world: World, request: ApiRequest) -> ApiReply:
    """POST /assistants."""
    body = world.dialect.assistant_body(request.json(), "")
    assistant = Assistant(
        world.ids.next("asst"), world.clock.now(), assistant_settings(body), body.get("metadata", {})
    )
    world.assistants[assistant.id] = assistant
    return ApiReply("assistant.created", world.dialect.assistant(assistant))


def read_assistant(world: World, request: ApiRequest) -> ApiReply:
    """GET /assistants/{assistant_id}."""
    return ApiReply("assistant.read", world.dialect.assistant(world.assistant(request.ids["assistant_id"])))


def list_assistants(world: World, request: ApiRequest) -> ApiReply:
    """GET /assistants."""
    assistants = list(world.assistants.values())
    return ApiReply("assistants.listed", page(request, assistants, world.dialect.assistant, "assistant"))


def create_thread(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads."""
    thread = new_thread(world, shapes.THREAD(request.json(), ""))
    world.threads[thread.id] = thread
    return ApiReply("thread.created", world.dialect.thread(thread), thread)


def read_thread(world: World, request: ApiRequest) -> ApiReply:
    """GET /threads/{thread_id}."""
    thread = world.thread(request.ids["thread_id"])
    return ApiReply("thread.read", world.dialect.thread(thread), thread)


def modify_thread(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/{thread_id}."""
    body = shapes.MODIFY(request.json(), "")
    thread = world.thread(request.ids["thread_id"])
    thread.metadata = body.get("metadata", thread.metadata)
    return ApiReply("thread.modified", world.dialect.thread(thread), thread)


def delete_thread(world: World, request: ApiRequest) -> ApiReply:
    """DELETE /threads/{thread_id}."""
    thread = world.thread(request.ids["thread_id"])
    world.delete_thread(thread)
    return ApiReply("thread.deleted", {"id": thread.id, "object": "thread.deleted", "deleted": True}, thread)


def create_message(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/{thread_id}/messages."""
    body = shapes.MESSAGE(request.json(), "")
    thread = world.thread(request.ids["thread_id"])
    if thread.active_run is not None and Quirk.NO_ACTIVE_RUN_LIMIT not in world.quirks:
        raise message_on_busy_thread(thread.id, thread.active_run.id)
    message = add_message(world, thread, body)
    return ApiReply("message.created", world.dialect.message(message), thread)


def list_messages(world: World, request: ApiRequest) -> ApiReply:
    """GET /threads/{thread_id}/messages; `run_id` keeps those that this run wrote."""
    thread = world.thread(request.ids["thread_id"])
    run_id = None if Quirk.RUN_ID_FILTER_IGNORED in world.quirks else request.query().get("run_id")
    messages = [message for message in thread.messages if run_id in (None, message.run_id)]
    reply = page(request, messages, world.dialect.message, "message")
    return ApiReply("messages.listed", reply, thread, thread.runs.get(run_id or ""))


def read_message(world: World, request: ApiRequest) -> ApiReply:
    """GET /threads/{thread_id}/messages/{message_id}."""
    thread, message = _message(world, request)
    return ApiReply("message.read", world.dialect.message(message), thread)


def modify_message(world: World, request: ApiRequest) -> ApiReply:
    """POST /threads/{thread_id}/messages/{message_id}."""
    body = shapes.MODIFY(request.json(), "")
    thread, message = _message(world, request)
    message.metadata = body.get("metadata", message.metadata)
    return ApiReply("message.modified", world.dialect.message(message), thread)


def new_thread(world: World, body: JsonObject) -> Thread:
    """Make a thread that is not yet known to the world, with its messages."""
    now = world.clock.now()
    thread = Thread(
        id=world.ids.next("thread"),
        created_at=now,
        touched_at=now,
        metadata=body.get("metadata", {}),
        tool_resources=body.get("tool_resources") or {},
    )
    for message in body.get("messages", ()):
        add_message(world, thread, message)
    return thread


def add_message(world: World, thread: Thread, body: JsonObject) -> Message:
    """Put a client's message on a thread."""
    message = Message(
        id=world.ids.next("msg"),
        thread_id=thread.id,
        created_at=world.clock.now(),
        role=body["role"],
        content=body["content"],
        attachments=body.get("attachments") or [],
        metadata=body.get("metadata", {}),
    )
    thread.messages.append(message)
    thread.touched_at = message.created_at
    return message


def _message(world: World, request: ApiRequest) -> tuple[Thread, Message]:
    thread = world.thread(request.ids["thread_id"])
    for message in thread.messages:
        if message.id == request.ids["message_id"]:
            return thread, message
    raise not_found("message", request.ids["message_id"])
