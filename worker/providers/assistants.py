"""The Assistants API as a provider: threads, runs, steps and messages over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import httpx

from threadrun.models import Message, Page, Run, RunStep
from threadrun.models.wire_json import read_any_json, write_json
from threadrun.records import ProviderAnswer
from threadrun.request import RunRequest
from worker.providers.base import Capabilities, No, Refusal, Reply, ToolAnswer, ToolApproval, ToolOutput
from worker.providers.dialects import Dialect, OpenAIDialect, QueryPairs
from worker.providers.entra_tokens import EntraTokens, NoTokenError
from worker.providers.ids import is_plain_id, read_run, reading_page
from worker.providers.profile import ProfileConnection
from worker.providers.replies import Replies
from worker.providers.urls import Urls
from worker.transport import HttpTransport

__all__ = ["AssistantsProvider", "ProfileConnection"]

T = TypeVar("T")

PAGE_LIMIT = "100"
"""The most entries that the wire allows on one page."""

# Named, for pydantic forgets a parametrised model as soon as nobody holds it, and takes a millisecond to make it again.
_Runs, _Steps, _Messages = Page[Run], Page[RunStep], Page[Message]


class AssistantsProvider:
    """Speak the Assistants API to one configured server.

    Needs no running loop to be made; from its first request on it belongs to the loop that sent it.
    Keeps nothing but connections: when the worker dies here, the provider may have got the request, and
    whoever follows must ask it.
    """

    def __init__(
        self,
        connection: ProfileConnection,
        *,
        capabilities: Capabilities | None = None,
        dialect: Dialect | None = None,
        tokens: EntraTokens | None = None,
        transport: HttpTransport | None = None,
    ) -> None:
        self.capabilities = capabilities or Capabilities()
        self._dialect = dialect or OpenAIDialect()
        self._tokens = tokens
        self._deadline_seconds = connection.request_deadline_seconds
        self._urls = Urls(connection.base_url, self._dialect.query(connection))
        self._replies = Replies(connection.api_key)
        headers = _our_headers() | self._dialect.headers(connection)
        self._headers = {
            "GET": httpx.Headers(headers),
            "POST": httpx.Headers({**headers, "content-type": "application/json"}),
        }
        self._transport = transport or HttpTransport(
            deadline_seconds=connection.request_deadline_seconds,
            max_connections=connection.max_connections,
            max_reply_bytes=connection.max_reply_bytes,
        )

    async def create_thread(self, request: RunRequest, *, run_key: str) -> Reply[str]:
        """Create a thread holding the request's messages; answer its id."""
        body = request.thread_body(run_key, resources_of_thread=self._dialect.resources_of_thread)
        return await self._ask("POST", ("threads",), _thread_id, body=body)

    async def create_run(self, thread_id: str, request: RunRequest, *, run_key: str) -> Reply[Run]:
        """Create the run; its metadata carries the run key."""
        query = self._dialect.include(request.include)
        body = request.create_body(run_key, resources_of_thread=self._dialect.resources_of_thread)
        return await self._ask("POST", ("threads", thread_id, "runs"), read_run, query, body)

    async def get_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """Read the run."""
        return await self._ask("GET", ("threads", thread_id, "runs", run_id), _this_run(run_id))

    async def list_runs(self, thread_id: str, *, after: str | None = None) -> Reply[Page[Run]]:
        """Read one page of the thread's runs, newest first."""
        return await self._ask(
            "GET", ("threads", thread_id, "runs"), reading_page(_Runs.from_wire), _page("desc", after)
        )

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, outputs: Sequence[ToolAnswer]
    ) -> Reply[Run]:
        """Send all outputs, or approvals, of a required action in one request; the same give the same bytes."""
        path = ("threads", thread_id, "runs", run_id, "submit_tool_outputs")
        return await self._ask("POST", path, _this_run(run_id), body=_answers(outputs))

    async def cancel_run(self, thread_id: str, run_id: str) -> Reply[Run]:
        """Ask for the run's cancellation."""
        path = ("threads", thread_id, "runs", run_id, "cancel")
        return await self._ask("POST", path, _this_run(run_id))

    async def list_steps(
        self, thread_id: str, run_id: str, *, after: str | None = None, include: Sequence[str] = ()
    ) -> Reply[Page[RunStep]]:
        """Read one page of the run's steps, oldest first."""
        query = _page("asc", after) + self._dialect.include(include)
        path = ("threads", thread_id, "runs", run_id, "steps")
        return await self._ask("GET", path, reading_page(_Steps.from_wire), query)

    async def list_messages(
        self, thread_id: str, run_id: str, *, after: str | None = None
    ) -> Reply[Page[Message]]:
        """Read one page of the messages that the run wrote, oldest first."""
        query = (("run_id", run_id), *_page("asc", after))
        return await self._ask(
            "GET", ("threads", thread_id, "messages"), reading_page(_Messages.from_wire), query
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._transport.aclose()
        if self._tokens is not None:
            await self._tokens.close()

    async def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        parse: Callable[[bytes], T],
        query: QueryPairs = (),
        body: dict[str, Any] | None = None,
    ) -> Reply[T]:
        try:
            url = self._urls.of(path, query)
            content = None if body is None else write_json(body).encode()
        except (ValueError, TypeError) as error:
            return No(Refusal.INVALID, ProviderAnswer(reason=f"not sent: {error}"))
        if self._tokens is not None:
            return await self._ask_with_token(self._tokens, method, url, content, parse)
        outcome = await self._transport.send(method, url, self._headers[method], content)
        return self._replies.read(outcome, parse)

    async def _ask_with_token(
        self, tokens: EntraTokens, method: str, url: str, content: bytes | None, parse: Callable[[bytes], T]
    ) -> Reply[T]:
        """Wait for a token and send, both within the one deadline."""
        began = time.monotonic()
        try:
            bearer = await tokens.bearer(self._deadline_seconds / 2)
        except NoTokenError as error:
            return No(Refusal.UNAUTHORIZED, ProviderAnswer(reason=f"not sent, no Entra token: {error}"))
        headers = httpx.Headers({**self._headers[method], "authorization": f"Bearer {bearer}"})
        spent = time.monotonic() - began
        outcome = await self._transport.send(method, url, headers, content, spent_seconds=spent)
        reply = self._replies.read(outcome, parse, bearer)
        if isinstance(reply, No) and reply.refusal is Refusal.UNAUTHORIZED:
            tokens.refused(bearer)
        return reply


def _answers(answers: Sequence[ToolAnswer]) -> dict[str, Any]:
    approvals = [_approval(one) for one in answers if isinstance(one, ToolApproval)]
    if approvals:
        return {"tool_approvals": approvals}
    outputs = [one for one in answers if isinstance(one, ToolOutput)]
    return {"tool_outputs": [{"tool_call_id": one.tool_call_id, "output": one.output} for one in outputs]}


def _approval(approval: ToolApproval) -> dict[str, Any]:
    """Spell an approval as azure-ai-agents' published client does."""
    body: dict[str, Any] = {"tool_call_id": approval.tool_call_id, "approve": approval.approve}
    return {**body, "headers": dict(approval.headers)} if approval.headers else body


def _our_headers() -> dict[str, str]:
    try:
        agent = f"threadrun/{version('threadrun')}"
    except PackageNotFoundError:
        # A checkout that was never installed.
        agent = "threadrun"
    return {"user-agent": agent, "accept": "application/json", "accept-encoding": "gzip, deflate"}


def _page(order: str, after: str | None) -> QueryPairs:
    page: QueryPairs = (("order", order), ("limit", PAGE_LIMIT))
    return page if after is None else (*page, ("after", after))


def _thread_id(body: bytes) -> str:
    match read_any_json(body):
        case {"id": str(thread_id)} if is_plain_id(thread_id):
            return thread_id
    raise ValueError("no thread with an id")


def _this_run(run_id: str) -> Callable[[bytes], Run]:
    def parse(body: bytes) -> Run:
        run = read_run(body)
        if run.id != run_id:
            raise ValueError("another run than the one asked for")
        return run

    return parse
