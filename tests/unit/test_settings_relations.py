"""Times that must hang together are checked, for every profile and by name."""

from __future__ import annotations

import pytest

from config.relations import RELATIONS
from config.settings import load_settings
from config.variables import variable_name
from threadrun.errors import SettingsInvalid

PROFILE = {"THREADRUN_PROFILES__X__BASE_URL": "https://x"}


def setting(path: str) -> str:
    return variable_name(path.replace("*", "x"))


def test_the_defaults_keep_every_relation():
    assert load_settings(PROFILE, None).profiles["x"].request_deadline_seconds == 15


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: f"{relation.smaller}<{relation.larger}")
def test_a_broken_relation_names_both_variables_and_the_reason(relation):
    default = load_settings(PROFILE, None)
    larger = default
    for part in relation.larger.replace("*", "x").split("."):
        larger = larger[part] if isinstance(larger, dict) else getattr(larger, part)
    too_much = larger + 1
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({**PROFILE, setting(relation.smaller): str(too_much)}, None)
    mine = [problem for problem in caught.value.problems if relation.why in problem.message]
    assert [problem.path for problem in mine] == [setting(relation.smaller)]
    assert f"{setting(relation.larger)} ({larger:g})" in mine[0].message


def test_equal_values_are_too_tight_where_one_must_outlast_the_other():
    with pytest.raises(SettingsInvalid, match="must be less than THREADRUN_ENGINE__STOP_WAIT_SECONDS"):
        load_settings({"THREADRUN_ENGINE__DRAIN_SECONDS": "45"}, None)


def test_one_lost_heartbeat_must_not_be_a_death():
    with pytest.raises(SettingsInvalid, match=r"is 8 \(times 2\), which must be less than"):
        load_settings({"THREADRUN_ENGINE__HEARTBEAT_SECONDS": "8"}, None)


def test_each_profile_is_checked_by_its_own_name():
    environ = {
        **PROFILE,
        "THREADRUN_PROFILES__SLOW__BASE_URL": "https://slow",
        "THREADRUN_PROFILES__SLOW__REQUEST_DEADLINE_SECONDS": "22",
        "THREADRUN_PROFILES__SLOW__EXPIRY_MARGIN_SECONDS": "30",
    }
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ, None)
    assert [problem.path for problem in caught.value.problems] == [
        "THREADRUN_PROFILES__SLOW__REQUEST_DEADLINE_SECONDS"
    ]


def test_a_relation_is_not_judged_by_a_default_that_stands_in_for_an_invalid_value():
    environ = {
        **PROFILE,
        setting("profiles.*.request_deadline_seconds"): "19",
        "THREADRUN_ENGINE__LEASE_SECONDS": "x",
    }
    environ |= {
        "THREADRUN_PROFILES__X__EXPIRY_MARGIN_SECONDS": "19",
        "THREADRUN_ENGINE__DEAD_AFTER_SECONDS": "24",
    }
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(environ, None)
    assert [problem.path for problem in caught.value.problems] == ["THREADRUN_ENGINE__LEASE_SECONDS"]
