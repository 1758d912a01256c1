"""Key names: one place each, apart from each other whatever ids look like, and all of them documented."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadrun.keys import KEY_DOCS, Keys
from threadrun.status import Stage

run_keys = st.from_regex(r"[A-Za-z0-9._:-]{1,20}", fullmatch=True) | st.sampled_from(
    ["a", "a:events", "a:calls", "a:events:events", "events", ":", "a:"]
)
thread_ids = st.text(min_size=1, max_size=20) | st.sampled_from(["a", "a:active", "a/b", "a%2Fb", "a b"])
profiles = st.from_regex(r"[a-z0-9_-]{1,10}", fullmatch=True)


def names(keys):
    """Call every method, with its parameters' names as values."""
    return {
        "run:{run_key}": keys.run("{run_key}"),
        "run:{run_key}/events": keys.events("{run_key}"),
        "run:{run_key}/calls": keys.calls("{run_key}"),
        "run:{run_key}/twins": keys.twins_of("{run_key}"),
        "twins:{profile}": keys.twins("{profile}"),
        "agenda:{stage}:{profile}": keys.agenda("{stage}", "{profile}"),
        "wake:{stage}:{profile}": keys.wake("{stage}", "{profile}"),
        "permits:{profile}": keys.permits("{profile}"),
        "index:runs": keys.index_runs(),
        "index:status:{status}": keys.index_status("{status}"),
        "stream": keys.stream(),
        "profiles": keys.profiles(),
        "tools": keys.tools(),
        "tools:seen": keys.tools_seen(),
        "workers": keys.workers(),
        "worker:{worker_id}": keys.worker("{worker_id}"),
        "redis": keys.redis(),
        "clock": keys.clock(),
        "hands:{worker_id}": keys.hands("{worker_id}"),
        "quarantine": keys.quarantine(),
        "usage:{day}": keys.usage("{day}"),
    }


def test_every_name_is_the_prefix_and_its_documented_pattern():
    for pattern, name in names(Keys("shop:")).items():
        assert name == f"shop:{pattern}"


def test_every_documented_pattern_has_a_name_and_no_other_name_stands():
    mailbox = {"thread:{profile}:{thread_id}:active", "thread:{profile}:{thread_id}:waiting"}
    built = {*names(Keys()), *mailbox, "index:thread:{profile}:{thread_id}", "mq:…"}
    assert {doc.pattern for doc in KEY_DOCS} == built
    public = {name for name in vars(Keys) if not name.startswith("_")} - {"prefix", "nothing", "of_run"}
    assert len(public) == len(names(Keys())) + 2


def test_the_key_that_stands_where_a_script_has_none_is_in_nobodys_way():
    nothing = Keys("shop:").nothing()
    assert nothing.startswith("shop:")
    assert nothing not in {f"shop:{pattern}" for pattern in names(Keys("shop:"))}


def test_a_run_without_a_status_is_indexed_as_none():
    assert Keys().index_status("") == "threadrun:index:status:none"


def test_a_stage_is_named_by_its_word():
    assert Keys().agenda(Stage.POLL, "azure") == "threadrun:agenda:poll:azure"


@given(st.lists(run_keys, min_size=2, max_size=4, unique=True))
def test_the_keys_of_different_runs_never_meet(found):
    keys = Keys()
    sets = [{keys.run(key), keys.events(key), keys.calls(key)} for key in found]
    assert all(len(each) == 3 for each in sets)
    assert all(not one & other for one, other in combinations(sets, 2))


@given(st.lists(st.tuples(profiles, thread_ids), min_size=2, max_size=4, unique=True))
def test_the_mailboxes_of_different_threads_never_meet(found):
    keys = Keys()
    sets = [
        {f"{keys.thread(*at)}:active", f"{keys.thread(*at)}:waiting", keys.index_thread(*at)} for at in found
    ]
    assert all(not one & other for one, other in combinations(sets, 2))


@given(thread_ids)
def test_a_threads_mailbox_holds_no_character_that_parts_names(thread_id):
    name = Keys().thread("default", thread_id)
    assert re.fullmatch(r"threadrun:thread:default:[A-Za-z0-9._~%-]+", name)


@pytest.mark.parametrize("doc", KEY_DOCS, ids=lambda doc: doc.pattern)
def test_every_kind_of_key_is_told_whole(doc):
    assert all((doc.type, doc.life, doc.writer, doc.reader, doc.holds))
