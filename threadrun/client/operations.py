"""Put the client's operations together, once for both clients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from threadrun.client import enqueueing, reading
from threadrun.client.catalogue import Shelf, read_catalogue
from threadrun.client.enqueueing import Enqueued, Prepared, enqueue_script, read_verdict
from threadrun.client.operation import Operation
from threadrun.client.patience import Patience, patiently
from threadrun.client.slices import Command, exchange
from threadrun.errors import IdempotencyConflict, InvalidRequest, Problem, ThreadBusy
from threadrun.keys import Keys
from threadrun.records import Transition
from threadrun.scripts import script_text

Refused = IdempotencyConflict | ThreadBusy

SLICE = 64
"""How many runs of `enqueue_many` are sent together, while Redis works on as many before them."""


class Operations:
    """Hold what the operations of one client share: key names and the catalogue."""

    def __init__(self, keys: Keys, *, clock_key: str | None = None) -> None:
        self.keys = keys
        self.clock_key = clock_key
        self.shelf = Shelf(keys)
        self._enqueue_script: Any = None

    def enqueue(self, assistant_id: str, options: Mapping[str, Any]) -> Operation[Enqueued]:
        """See RunClient.enqueue."""
        prepared = yield from enqueueing.prepare(self.shelf, assistant_id, options)
        return (yield from self._store(prepared))

    def _store(self, prepared: Prepared) -> Operation[Enqueued]:
        keys, args = enqueue_script(self.keys, prepared)

        def call(client: Any) -> Any:
            return self._enqueueing(client)(keys=keys, args=args)

        answer = yield from reading.stored(prepared.run_key, call)
        return read_verdict(prepared, answer)

    def _enqueueing(self, client: Any) -> Any:
        """Give the script; it is kept, for to register one means to hash it, which is a tenth of an enqueue."""
        if self._enqueue_script is None:
            text = script_text("enqueue", clock_key=self.clock_key, prefix=self.keys.prefix)
            self._enqueue_script = client.register_script(text)
        return self._enqueue_script

    def replay(self, run_key: str, idempotency_key: str | None) -> Operation[Enqueued]:
        """See RunClient.replay."""
        record = yield from reading.get(self.keys, run_key)
        values = record.request.model_dump(exclude_none=True)
        assistant_id = values.pop("assistant_id")
        options = {**values, "idempotency_key": idempotency_key}
        prepared = yield from enqueueing.prepare(self.shelf, assistant_id, options, replay_of=run_key)
        return (yield from self._store(prepared))

    def enqueue_many(self, requests: Sequence[Any]) -> Operation[list[Enqueued | Refused]]:
        """See RunClient.enqueue_many."""
        prepared: list[Prepared] = []
        problems: list[Problem] = []
        shelf = self.shelf.for_batch()
        for at, values in enumerate(requests):
            if not isinstance(values, Mapping):
                problems.append(Problem(str(at), "must be an object that holds what `enqueue` takes"))
                continue
            options = dict(values)
            try:
                assistant_id = options.pop("assistant_id", None)
                prepared.append((yield from enqueueing.prepare(shelf, assistant_id, options)))
            except InvalidRequest as error:
                problems += [
                    Problem(f"{at}.{p.path}" if p.path else str(at), p.message) for p in error.problems
                ]
        if problems:
            raise InvalidRequest(problems)
        found = yield lambda client: exchange(client, lambda first: self._slices(prepared, first))
        answers = (answer for _, *of_slice in found for answer in of_slice)
        return [_verdict(one, answer) for one, answer in zip(prepared, answers, strict=True)]

    def events_page(
        self, run_key: str, after: int, patience: Patience
    ) -> Operation[tuple[list[Transition], bool]]:
        """Read the events after a seq, and whether the record is final; see RunClient.events."""
        return (yield from patiently(lambda: reading.events(self.keys, run_key, after), patience))

    def served_tools(self) -> Operation[dict[str, dict[str, Any]]]:
        """See RunClient.tools."""
        catalogue = yield from read_catalogue(self.keys)
        return {name: dict(entry) for name, entry in sorted(catalogue.tools.items())}

    def _slices(self, prepared: Sequence[Prepared], first: int) -> Iterator[list[Command]]:
        text = script_text("enqueue", clock_key=self.clock_key, prefix=self.keys.prefix)
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        for at in range(first * SLICE, len(prepared), SLICE):
            scripts = [enqueue_script(self.keys, one) for one in prepared[at : at + SLICE]]
            yield [
                ("SCRIPT LOAD", text),  # in each slice, so that Redis cannot have forgotten it
                *(("EVALSHA", sha, len(keys), *keys, *args) for keys, args in scripts),
            ]


def _verdict(prepared: Prepared, answer: Sequence[str]) -> Enqueued | Refused:
    try:
        return read_verdict(prepared, answer)
    except (IdempotencyConflict, ThreadBusy) as refusal:
        return refusal
