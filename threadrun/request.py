"""The request of a run: what a caller enqueues, validated before anything is stored."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from threadrun.errors import InvalidRequest, Problem
from threadrun.mcp_approvals import McpApprovals
from threadrun.models import ResponseFormatInput, ToolChoiceInput, TruncationStrategyInput
from threadrun.plain_json import plain_json
from threadrun.plain_words import problems_of
from threadrun.wire_limits import (
    MAX_METADATA_PAIRS,
    MAX_TEXT_CHARACTERS,
    RUN_KEY_METADATA,
    check_metadata,
    check_run_metadata,
    check_text,
    check_tool_resources,
)

__all__ = [
    "MAX_METADATA_PAIRS",
    "RUN_KEY_METADATA",
    "RUN_KEY_PATTERN",
    "JsonObject",
    "MessageInput",
    "OnDone",
    "RunRequest",
]

RUN_KEY_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Which run keys (idempotency keys) are accepted."""

JsonObject = dict[str, Any]


def _text_or_parts(content: Any) -> str | None:
    if isinstance(content, str):
        return "text"
    return "parts" if isinstance(content, list) else None


class OnDone(BaseModel):
    """Name the Celery task of the caller's that is sent when the record is final."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(min_length=1, max_length=200)
    """The task's registered name; it is called with `run_key` and `outcome` as keyword arguments."""
    queue: str = Field(default="celery", min_length=1, max_length=200)
    """The queue to send it to, on the workers' broker."""


class MessageInput(BaseModel):
    """Carry one message to put on the thread before the run."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["user", "assistant"] = "user"
    """Who speaks."""
    content: Annotated[
        Annotated[str, Tag("text")] | Annotated[list[JsonObject], Tag("parts")],
        Discriminator(
            _text_or_parts,
            custom_error_type="content",
            custom_error_message="must be a text or a list of parts",
        ),
    ]
    """A text of 1 to 256,000 characters, or the wire's content parts."""
    metadata: Annotated[dict[str, str], BeforeValidator(check_metadata)] | None = None
    """At most 16 pairs of strings, 64 and 512 characters long."""

    @field_validator("content")
    @classmethod
    def _content_fits_the_wire(cls, content: str | list[JsonObject]) -> str | list[JsonObject]:
        if not content:
            raise ValueError("is empty; give a text or at least one part")
        texts = [content] if isinstance(content, str) else [part.get("text") for part in content]
        for text in texts:
            if isinstance(text, str):
                check_text(text)
        return content


class RunRequest(BaseModel):
    """Hold what a caller asks for; the stored form is `model_dump(exclude_none=True)`.

    Names, types and limits follow the wire's create call (`POST /threads/{thread_id}/runs`, OpenAI's
    published CreateRunRequest); what is not sent there is marked as ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    assistant_id: str = Field(min_length=1, max_length=256)
    """The assistant to run."""
    thread_id: str | None = Field(default=None, min_length=1, max_length=256)
    """The thread to run; none: a new thread is created from `messages`."""
    messages: tuple[MessageInput, ...] = ()
    """With a thread: `additional_messages`. Without: the new thread's messages."""
    model: str | None = Field(default=None, min_length=1, max_length=256)
    """Overrides the assistant's model."""
    instructions: str | None = Field(default=None, max_length=MAX_TEXT_CHARACTERS)
    """Overrides the assistant's instructions; at most 256,000 characters."""
    additional_instructions: str | None = Field(default=None, max_length=MAX_TEXT_CHARACTERS)
    """Appended to the instructions for this run."""
    tools: tuple[JsonObject, ...] | None = None
    """Tool definitions as on the wire; none: the assistant's own."""
    metadata: Annotated[dict[str, str], BeforeValidator(check_run_metadata)] = Field(default_factory=dict)
    """At most 15 pairs of strings, 64 and 512 characters long; the sixteenth pair is ours."""
    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    """0 to 2."""
    top_p: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    """0 to 1."""
    reasoning_effort: str | None = Field(default=None, max_length=64)
    """none, minimal, low, medium, high, xhigh or max, as the model knows them."""
    max_prompt_tokens: Annotated[int, Field(ge=256, strict=True)] | None = None
    """At least 256."""
    max_completion_tokens: Annotated[int, Field(ge=256, strict=True)] | None = None
    """At least 256."""
    truncation_strategy: TruncationStrategyInput | None = None
    """`{"type": "auto"}` or `{"type": "last_messages", "last_messages": n}`."""
    tool_choice: ToolChoiceInput | None = None
    """none, auto, required, or the wire's object naming one tool, of a type known here or not."""
    parallel_tool_calls: StrictBool | None = None
    """Whether the model may ask for several tools at once."""
    response_format: ResponseFormatInput | None = None
    """auto, or the wire's object of type text, json_object or json_schema."""
    tool_resources: Annotated[JsonObject, BeforeValidator(check_tool_resources)] | None = None
    """Resources of the server-side tools, at most 20 files and 1 vector store. They go to the run; where the wire's
    create-run call has no place for them (dialect `openai`), those of a new thread go to the thread."""
    include: tuple[str, ...] = ()
    """What to add to run steps, such as file search results (query `include[]`)."""

    mcp_approvals: McpApprovals | None = None
    """Ours: who approves MCP tools, before the profile's own policy: `always`, `never`, the name of a tool that
    approves, or a mapping of server labels and `label/tool` to these (`threadrun.mcp_approvals`)."""
    profile: str = Field(default="default", pattern=r"^[a-z0-9_-]{1,64}$")
    """Ours: which configured provider carries the run."""
    deadline_seconds: float = Field(default=600.0, gt=0, le=7 * 86_400, strict=True)
    """Ours: after so many seconds from enqueue the run is cancelled with outcome `timed_out`."""
    thread_strategy: Literal["enqueue", "reject", "interrupt"] = "enqueue"
    """Ours: what to do when the thread has an active run: wait for it, refuse, or have it cancelled and be the next."""
    on_done: OnDone | None = None
    """Ours: the caller's task to send when the record is final."""

    @model_validator(mode="after")
    def _has_something_to_run(self) -> RunRequest:
        if self.thread_id is None and not self.messages:
            raise ValueError("give messages (a new thread), thread_id (run it as it is), or both")
        return self

    @classmethod
    def parse(cls, values: JsonObject) -> RunRequest:
        """Validate a caller's values; what JSON could not say is refused, whatever its type is called.

        Raises:
            InvalidRequest: with every problem found, each with its path.
        """
        problems: list[Problem] = []
        plain = plain_json(values, "", problems)
        if problems:
            raise InvalidRequest(problems)
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            raise InvalidRequest(list(problems_of(error))) from None

    def create_body(self, run_key: str, *, resources_of_thread: bool = False) -> JsonObject:
        """Build the body of the wire's create-run call, with our run key in its metadata.

        `resources_of_thread`: tool resources are a thread's and no run's; those of a new thread are left out here.
        """
        ours = {
            "thread_id",
            "messages",
            "profile",
            "deadline_seconds",
            "thread_strategy",
            "on_done",
            "include",
            "mcp_approvals",
        }
        body = self.model_dump(mode="json", exclude=ours, exclude_none=True)
        if self.thread_id is not None and self.messages:
            body["additional_messages"] = [
                m.model_dump(mode="json", exclude_none=True) for m in self.messages
            ]
        if resources_of_thread and self.thread_id is None:
            body.pop("tool_resources", None)
        body["metadata"] = {**self.metadata, RUN_KEY_METADATA: run_key}
        return body

    def thread_body(self, run_key: str, *, resources_of_thread: bool = False) -> JsonObject:
        """Build the body of the wire's create-thread call."""
        messages = [m.model_dump(mode="json", exclude_none=True) for m in self.messages]
        body: JsonObject = {"messages": messages, "metadata": {RUN_KEY_METADATA: run_key}}
        if resources_of_thread and self.tool_resources is not None:
            body["tool_resources"] = self.tool_resources
        return body
