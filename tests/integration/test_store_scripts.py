"""Every Lua file is loaded under its own name, used in a run's life, and reads the clock where it can be turned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.carrying import (
    CallAddress,
    claim_call,
    claim_one,
    decided_life,
    doubted,
    noted,
    permitted,
    reopen,
    watch_on,
    whole_life,
)
from tests.integration.test_store_clock import set_right
from tests.integration.test_store_tick import beat, due, trim
from threadrun import scripts
from threadrun.scripts import script_text
from threadrun.status import Stage
from worker.store.gates import Verdict
from worker.store.scripts import Scripts

ROOT = Path(scripts.__file__).parents[1]
CALLERS_FILES = sorted(path.stem for path in (ROOT / "threadrun/lua").glob("*.lua") if path.stem != "prelude")
ENGINES_FILES = sorted(path.stem for path in (ROOT / "worker/store/lua").glob("*.lua"))
ALL = [(name, "threadrun") for name in CALLERS_FILES] + [(name, "worker.store") for name in ENGINES_FILES]

OF_A_PURGE = {("purge", "threadrun"), ("forget", "threadrun")}
"""What removes a run is no part of its life; it has tests of its own."""


@pytest.fixture
def asked(monkeypatch):
    """Note which scripts are asked for."""
    names: set[tuple[str, str]] = set()
    real = scripts.script_text

    def noting(name, package="threadrun", clock_key=None, prefix="threadrun:"):
        names.add((name, package))
        return real(name, package, clock_key, prefix)

    for module in (
        "threadrun.client.operations",
        "threadrun.client.quarantine",
        "threadrun.client.reading",
        "worker.store.scripts",
    ):
        monkeypatch.setattr(f"{module}.script_text", noting)
    return names


async def test_a_runs_life_uses_every_script_file_and_no_other(backend, client, store, asked):
    backend.scripts = Scripts(backend.sync, backend.prefix, clock_key=backend.clock_key)
    beat(backend, "runs@a").stop()
    due(backend, ("create", "default"))
    key = await whole_life(client, store, backend.now_ms(), on_done="shop.done")
    run = await claim_one(store, Stage.FINALIZE)
    await store.rest(run, 0)
    await store.attend(run, 0, "op")
    await store.told(await claim_one(store, Stage.FINALIZE))
    await reopen(store, CallAddress(key, 1, 0), "token")
    await store.ledger.pass_on(CallAddress(key, 1, 0))
    await claim_call(store, CallAddress(key, 1, 0), "token")
    client.cancel(key)
    await decided_life(backend, client, store)
    client.enqueue("asst", thread_id="t")
    await doubted(store)
    await watch_on(store, backend)
    await store.failed(run)
    await store.unread(run.stage, "default", run.key, 0)
    trim(backend)
    await permitted(store)
    await noted(store, Verdict.FAILED)
    set_right(backend)

    assert asked == set(ALL) - OF_A_PURGE


@pytest.mark.parametrize(("name", "package"), ALL)
def test_every_script_compiles_on_either_redis(backend, name, package):
    assert backend.sync.script_load(script_text(name, package))
    assert backend.sync.script_load(script_text(name, package, backend.clock_key))


@pytest.mark.parametrize(("name", "package"), ALL)
def test_every_script_names_its_keys_and_arguments_on_top(name, package):
    head, code = split(name, package)
    used = {number for _, number in re.findall(r"(KEYS|ARGV)\[(\d+)\]", code)}

    assert used <= set(re.findall(r"\d+", head))
    assert ("KEYS" in head, "ARGV" in head) == ("KEYS" in code, "ARGV" in code)


@pytest.mark.parametrize(("name", "package"), ALL)
def test_no_script_decodes_json_or_takes_another_clock_than_the_preludes(name, package):
    _, code = split(name, package)
    for word in ("cjson", "TIME", "os."):
        assert word not in code


def split(name, package):
    """Part a script into the comment on its top and its code, without the prelude."""
    own = script_text(name, package).removeprefix((ROOT / "threadrun/lua/prelude.lua").read_text())
    lines = own.strip().splitlines()
    code_at = next(at for at, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:code_at]), "\n".join(lines[code_at:])


def test_the_clock_is_redis_own_unless_a_test_turns_it(backend):
    ask = "\nreturn int(now_ms())"
    seconds, _ = backend.sync.time()
    assert (
        abs(int(backend.sync.eval(script_text("enqueue").split("-- Accepts")[0] + ask, 0)) / 1000 - seconds)
        < 5
    )
    turned = script_text("enqueue", clock_key=backend.clock_key)
    assert "'TIME'" not in turned
    assert int(backend.sync.eval(turned.split("-- Accepts")[0] + ask, 0)) == backend.now_ms()


def test_a_clock_that_is_not_where_it_was_is_told_instead_of_ignored(monkeypatch):
    script_text.cache_clear()
    monkeypatch.setattr(scripts, "_REDIS_CLOCK", "something else")
    with pytest.raises(RuntimeError, match="_REDIS_CLOCK"):
        script_text("enqueue", clock_key="clock")
    assert "now_ms" in script_text("enqueue")
    script_text.cache_clear()


def test_a_script_that_redis_has_forgotten_is_loaded_again(backend, client):
    client.enqueue("asst", messages="hi")
    backend.sync.script_flush()
    client.enqueue("asst", messages="hi")
    assert len(client.enqueue_many([{"assistant_id": "asst", "messages": "hi"}])) == 1


def test_a_script_is_registered_once_a_client(backend):
    registered = []
    plain = backend.sync.register_script

    class Counting:
        def register_script(self, text):
            registered.append(text)
            return plain(text)

    own = Scripts(Counting(), backend.prefix, clock_key=backend.clock_key)
    for _ in range(3):
        own.call(
            "due",
            [backend.keys.agenda("poll", "default"), backend.keys.wake("poll", "default")],
            [1000, 60_000, backend.keys.clock(), 0],
        )
    assert len(registered) == 1
