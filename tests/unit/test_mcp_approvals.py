"""Who approves a tool of an MCP server: the most exact entry, the run's before the profile's."""

from __future__ import annotations

import pytest

from config.settings import load_settings
from threadrun.errors import InvalidRequest, SettingsInvalid
from threadrun.mcp_approvals import approvers, verdict
from threadrun.request import RunRequest

URL = {"THREADRUN_PROFILES__DEFAULT__BASE_URL": "https://api.example.com/v1"}
NAME = "THREADRUN_PROFILES__DEFAULT__MCP_APPROVALS"


@pytest.mark.parametrize(
    ("label", "tool", "word"),
    [
        ("docs", "delete", "never"),
        ("docs", "search", "always"),
        ("shop", "buy", "ask_budget"),
        ("mail", "send", "never"),
    ],
)
def test_the_most_exact_entry_decides(label: str, tool: str, word: str) -> None:
    policy = {"docs": "always", "docs/delete": "never", "shop/buy": "ask_budget"}
    assert verdict((policy,), label, tool) == word


def test_the_runs_own_policy_goes_before_the_profiles() -> None:
    profile, own = {"*": "always"}, {"docs": "never"}
    assert verdict((own, profile), "docs", "search") == "never"
    assert verdict((own, profile), "mail", "send") == "always"
    assert verdict((), "docs", "search") == "never"


def test_only_words_that_are_no_verdict_name_tools() -> None:
    assert approvers(({"a": "always", "b": "ask"}, {"*": "never", "c": "look"})) == {"ask", "look"}


def test_a_profile_is_given_a_word_or_json() -> None:
    def policy(text: str) -> dict[str, str]:
        return load_settings({**URL, NAME: text}, None).profiles["default"].mcp_approvals

    assert load_settings(URL, None).profiles["default"].mcp_approvals == {"*": "never"}
    assert policy("always") == {"*": "always"}
    assert policy('{"docs/search": "always", "*": "ask_budget"}') == {
        "docs/search": "always",
        "*": "ask_budget",
    }
    for wrong, advice in (("yes please", "write always, never"), ('{"a": ', "is not valid JSON")):
        with pytest.raises(SettingsInvalid, match=advice):
            policy(wrong)


def test_a_run_is_given_a_word_or_a_mapping_that_the_provider_never_sees() -> None:
    for given in ("ask_budget", {"*": "ask_budget"}):
        request = RunRequest.parse({"assistant_id": "a", "thread_id": "t", "mcp_approvals": given})
        assert request.mcp_approvals == {"*": "ask_budget"}
        assert "mcp_approvals" not in request.create_body("k")
    with pytest.raises(
        InvalidRequest, match="mcp_approvals: docs: write always, never, or the name of a tool"
    ):
        RunRequest.parse({"assistant_id": "a", "thread_id": "t", "mcp_approvals": {"docs": "oh no"}})
