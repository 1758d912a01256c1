"""Settings come from variables and a file, and all that is wrong with them is said at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from threadrun.errors import SettingsInvalid

URL = {"THREADRUN_PROFILES__DEFAULT__BASE_URL": "https://api.example.com/v1"}


def problems(environ: dict[str, str], env_file: str | Path | None = None) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ, env_file)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_no_variables_give_a_working_default():
    settings = load_settings({}, None)
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.key_prefix == "threadrun:"
    assert settings.tools.queues == ("tools",)
    assert settings.profiles == {}


def test_a_profile_needs_nothing_but_its_url():
    profile = load_settings(URL, None).require_profiles()["default"]
    assert profile.base_url == "https://api.example.com/v1"
    assert profile.api_key is None


def test_a_worker_of_runs_is_told_how_to_configure_a_profile():
    with pytest.raises(SettingsInvalid, match="THREADRUN_PROFILES__DEFAULT__BASE_URL: no provider"):
        load_settings({}, None).require_profiles()


ENTRA = {**URL, "THREADRUN_PROFILES__DEFAULT__CREDENTIAL": "entra"}


def test_a_profile_with_entra_tokens_has_no_key_beside_them():
    assert load_settings(ENTRA, None).require_profiles()["default"].credential == "entra"
    assert problems({**ENTRA, "THREADRUN_PROFILES__DEFAULT__API_KEY": "k"}) == {
        "THREADRUN_PROFILES__DEFAULT": "has an API_KEY, but its CREDENTIAL is entra; give one of them"
    }


def test_entra_tokens_without_azure_identity_are_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr("config.settings.find_spec", lambda name: None)
    with pytest.raises(
        SettingsInvalid, match=r"PROFILES__DEFAULT__CREDENTIAL: .* pip install 'threadrun\[azure\]'"
    ):
        load_settings(ENTRA, None).require_profiles()


def test_nested_names_reach_the_innermost_setting():
    settings = load_settings({**URL, "THREADRUN_PROFILES__DEFAULT__POLL__FIRST_SECONDS": "0.5"}, None)
    assert settings.profiles["default"].poll.first_seconds == 0.5


def test_several_profiles_stand_side_by_side():
    other = {"THREADRUN_PROFILES__AZURE_EU__BASE_URL": "https://eu.example.com/openai/"}
    settings = load_settings({**URL, **other}, None)
    assert sorted(settings.profiles) == ["azure_eu", "default"]
    assert settings.profiles["azure_eu"].base_url == "https://eu.example.com/openai"


@pytest.mark.parametrize(
    "text", ["api-version=2025-05-01&deployment=a%20b", '{"api-version": "2025-05-01", "deployment": "a b"}']
)
def test_query_parameters_are_read_from_a_query_string_or_json(text):
    settings = load_settings({**URL, "THREADRUN_PROFILES__DEFAULT__QUERY": text}, None)
    assert settings.profiles["default"].query == {"api-version": "2025-05-01", "deployment": "a b"}


@pytest.mark.parametrize("text", ["shop.handlers, shop.search,", '["shop.handlers", "shop.search"]'])
def test_modules_are_read_from_a_list_with_commas_or_json(text):
    settings = load_settings({"THREADRUN_TOOLS__MODULES": text}, None)
    assert settings.tools.modules == ("shop.handlers", "shop.search")


def test_a_key_read_from_a_file_with_its_newline_is_usable():
    settings = load_settings({**URL, "THREADRUN_PROFILES__DEFAULT__API_KEY": "sk-1234\n"}, None)
    key = settings.profiles["default"].api_key
    assert key is not None
    assert key.get_secret_value() == "sk-1234"


def test_empty_variables_count_as_unset():
    assert load_settings({"THREADRUN_BROKER_URL": "", "THREADRUN_LOG__LEVEL": ""}, None).broker_url is None


def test_levels_are_read_in_any_case():
    assert load_settings({"THREADRUN_LOG__LEVEL": "debug"}, None).log.level == "DEBUG"


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("THREADRUN_KEY_PREFIX=file:\nexport THREADRUN_LOG__FORMAT='json'\nOTHER_APP=1\n")
    settings = load_settings({"THREADRUN_KEY_PREFIX": "shell:"}, file)
    assert (settings.key_prefix, settings.log.format) == ("shell:", "json")


def test_a_dollar_in_the_file_is_a_dollar(tmp_path):
    file = tmp_path / ".env"
    file.write_text("THREADRUN_REDIS_URL='redis://:pa${HOME}ss@h/1'\n")
    assert load_settings({}, file).redis_address.password == "pa${HOME}ss"


def test_a_file_that_cannot_be_understood_is_a_problem_of_its_own(tmp_path):
    file = tmp_path / ".env"
    file.write_text("THREADRUN_KEY_PREFIX='open\nTHREADRUN_LOG__FORMAT=json\n")
    assert list(problems({}, file)) == [f"{file} line 1"]


def test_an_unreadable_file_is_a_problem_of_its_own(tmp_path):
    assert "cannot be read" in problems({}, tmp_path)[str(tmp_path)]


def test_every_problem_is_reported_at_once(tmp_path):
    file = tmp_path / ".env"
    file.write_text("THREADRUN_ENGINE__TICK=1\n")
    found = problems(
        {
            "THREADRUN_REDIS_URL": "redis+cluster://a",
            "THREADRUN_KEY_PREFIX": "a b",
            "THREADRUN_ENGINE__CONCURRENCY": "many",
            "THREADRUN_ENGINE__HEARTBEAT_SECONDS": "9",
            "THREADRUN_PROFILES__A__API_KEY": "k",
            "THREADRUN_PROFILES__B__BASE_URL": "ftp://b",
            "THREADRUN_TOOLS__MODULES": "shop-handlers",
            "THREADRUN_UNHEARD_OF": "1",
        },
        file,
    )
    assert sorted(found) == [
        "THREADRUN_ENGINE__CONCURRENCY",
        "THREADRUN_ENGINE__HEARTBEAT_SECONDS",
        "THREADRUN_ENGINE__TICK",
        "THREADRUN_KEY_PREFIX",
        "THREADRUN_PROFILES__A__BASE_URL",
        "THREADRUN_PROFILES__B__BASE_URL",
        "THREADRUN_REDIS_URL",
        "THREADRUN_TOOLS__MODULES",
        "THREADRUN_UNHEARD_OF",
    ]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("THREADRUN_KEYPREFIX", "did you mean THREADRUN_KEY_PREFIX?"),
        ("THREADRUN_PROFILES__AZURE__BAES_URL", "did you mean THREADRUN_PROFILES__AZURE__BASE_URL?"),
        ("THREADRUN_ENGINE__LEASE", "did you mean THREADRUN_ENGINE__LEASE_SECONDS?"),
        (
            "THREADRUN_ENGINE",
            "is a section, not a setting; set its members, such as THREADRUN_ENGINE__TICK_MS",
        ),
        ("THREADRUN_KEY_PREFIX__X", "THREADRUN_KEY_PREFIX has no members"),
        ("THREADRUN_QWERTZUIOP", "remove it"),
    ],
)
def test_an_unknown_name_is_refused_with_what_was_probably_meant(name, advice):
    assert advice in problems({name: "1"})[name]


def test_names_in_lower_case_are_the_same_names():
    assert load_settings({"threadrun_key_prefix": "low:"}, None).key_prefix == "low:"


def test_what_kubernetes_injects_for_a_service_is_no_problem():
    injected = {
        "THREADRUN_REDIS_SERVICE_HOST": "10.0.0.1",
        "THREADRUN_REDIS_SERVICE_PORT_TCP": "6379",
        "THREADRUN_REDIS_PORT": "tcp://10.0.0.1:6379",
        "THREADRUN_REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(injected, None) == load_settings({}, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROFILES__DEFAULT__BASE_URL", "https://user:hidden1@host/v1"),
        ("PROFILES__DEFAULT__BASE_URL", "https://host/v1?key=hidden1"),
        ("PROFILES__DEFAULT__API_KEY", "hidden1 hidden1"),
        ("PROFILES__DEFAULT__QUERY", '{"key": "hidden1"'),
        ("REDIS_URL", "redis://:hidden1/x@host/0"),
        ("REDIS_URL", "redis://:hidden1#x@host/0"),
        ("REDIS_URL", "http://:hidden1@host/0"),
        ("REDIS_URL", "redis://:hidden1@host/zero"),
        ("REDIS_URL", "redis+cluster://:hidden1@host"),
        ("BROKER_URL", "sqs://:hidden1@host"),
        ("FLOWER__PASSWORD", "hidden1"),
    ],
)
def test_no_problem_repeats_what_may_be_a_secret(name, value):
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({**URL, f"THREADRUN_{name}": value}, None)
    assert "hidden" not in str(caught.value)
    assert f"THREADRUN_{name}" in str(caught.value)


def test_a_short_secret_is_told_in_characters():
    with pytest.raises(SettingsInvalid, match="FLOWER__PASSWORD: must have at least 8 characters"):
        load_settings({**URL, "THREADRUN_FLOWER__PASSWORD": "short"}, None)


def test_no_form_of_the_settings_shows_a_secret():
    settings = load_settings(
        {
            **URL,
            "THREADRUN_PROFILES__DEFAULT__API_KEY": "hidden-key",
            "THREADRUN_REDIS_URL": "redis://bob:hidden-redis@h/1",
            "THREADRUN_BROKER_URL": "amqp://bob:hidden-amqp@h//",
            "THREADRUN_FLOWER__PASSWORD": "hidden-flower",
        },
        None,
    )
    forms = (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json())
    assert not [form for form in forms if "hidden" in form]
    assert json.loads(forms[-1])["redis_url"] == "redis://bob:***@h:6379/1"
    assert settings.secret_values() == {"hidden-key", "hidden-redis", "hidden-amqp", "hidden-flower"}


def test_direct_construction_reads_no_surroundings(monkeypatch):
    monkeypatch.setenv("THREADRUN_KEY_PREFIX", "shell:")
    assert Settings().key_prefix == "threadrun:"
    assert load_settings(env_file=None).key_prefix == "shell:"


def test_a_sentinel_url_needs_the_masters_name():
    url = {"THREADRUN_REDIS_URL": "sentinel://a:26379;sentinel://b:26379"}
    assert "is required" in problems(url)["THREADRUN_REDIS_SENTINEL_MASTER"]
    assert load_settings({**url, "THREADRUN_REDIS_SENTINEL_MASTER": "mymaster"}, None)


def test_a_masters_name_without_sentinels_is_refused():
    assert (
        "no effect" in problems({"THREADRUN_REDIS_SENTINEL_MASTER": "m"})["THREADRUN_REDIS_SENTINEL_MASTER"]
    )


def test_settings_built_by_hand_do_not_repeat_a_secret_either():
    with pytest.raises(ValueError, match="cluster") as caught:
        Settings(redis_url="redis+cluster://:hidden@h")
    assert "hidden" not in str(caught.value)
