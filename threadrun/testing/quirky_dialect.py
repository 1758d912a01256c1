"""Any dialect, with the quirks that show in its objects."""

from __future__ import annotations

from collections.abc import Mapping

from threadrun.testing.dialect import Dialect
from threadrun.testing.objects import Assistant, JsonObject, Message, Run, Step, Thread
from threadrun.testing.quirks import Quirk
from threadrun.testing.refusals import RefusedError


class QuirkyDialect(Dialect):
    """Speak as another dialect does, except for the quirks."""

    def __init__(self, inner: Dialect, quirks: frozenset[Quirk]) -> None:
        self.name, self.prefix, self.queues = inner.name, inner.prefix, inner.queues
        self.life_seconds, self.approval_life_seconds = inner.life_seconds, inner.approval_life_seconds
        self.run_body, self.assistant_body = inner.run_body, inner.assistant_body
        self._inner = inner
        self._quirks = quirks

    def authorize(self, headers: Mapping[bytes, bytes], query: str, api_key: str | None) -> None:
        """Check the headers and the query of a request.

        Raises:
            RefusedError: if the other dialect refuses them.
        """
        self._inner.authorize(headers, query, api_key)

    def error(self, refusal: RefusedError) -> JsonObject:
        """Render a refusal."""
        return self._inner.error(refusal)

    def assistant(self, assistant: Assistant) -> JsonObject:
        """Render an assistant."""
        return self._timed(self._inner.assistant(assistant))

    def thread(self, thread: Thread) -> JsonObject:
        """Render a thread."""
        return self._timed(self._inner.thread(thread))

    def message(self, message: Message) -> JsonObject:
        """Render a message."""
        return self._timed(self._inner.message(message))

    def run(self, run: Run) -> JsonObject:
        """Render a run."""
        body = self._inner.run(run)
        if Quirk.METADATA_NULL in self._quirks:
            body["metadata"] = None
        if Quirk.USAGE_NULL in self._quirks:
            body["usage"] = None
        answered = any(step.outputs for step in run.steps)
        if Quirk.REQUIRED_ACTION_EMPTY_OBJECT in self._quirks and answered and not body["required_action"]:
            body["required_action"] = {}
        return self._timed(body)

    def step(self, run: Run, step: Step) -> JsonObject:
        """Render a run step."""
        body = self._inner.step(run, step)
        if Quirk.STEPS_WITHOUT_USAGE in self._quirks:
            del body["usage"]
        return self._timed(body)

    def _timed(self, body: JsonObject) -> JsonObject:
        if Quirk.FLOAT_TIMES not in self._quirks:
            return body
        return {
            name: float(value) if name.endswith("_at") and value is not None else value
            for name, value in body.items()
        }
