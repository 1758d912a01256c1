"""The start-up checks say what is wrong with a real server, with real rights, and how to mend it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
from celery.concurrency import get_implementation
from redis import Redis
from redis.exceptions import ResponseError

from tests.integration.redis_server import redis_server
from threadrun.health import Finding, Severity, check_redis
from threadrun.redis_clients import connect
from worker.startup_checks import check_pool, check_queue_names, check_rooms


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis"), "--appendonly", "yes") as found:
        yield found


@pytest.fixture
def server(url: str) -> Iterator[Redis]:
    """Give the server's owner, and put back what a test changed."""
    client = connect(url)
    yield client
    client.replicaof("NO", "ONE")
    for name, value in (("appendonly", "yes"), ("appendfsync", "everysec"), ("maxmemory", "0")):
        client.config_set(name, value)
    client.config_set("maxmemory-policy", "noeviction")
    client.acl_deluser("limited")
    client.close()


@pytest.fixture
def limited(server: Redis, url: str) -> Iterator[Redis]:
    """Give a client of the user `limited`, whose rights a test sets."""
    server.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
    client = connect(url.replace("unix://", "unix://limited:pw@"))
    yield client
    client.close()


def checks(found: list[Finding]) -> dict[str, Severity]:
    return {finding.check: finding.severity for finding in found}


def test_a_server_as_it_should_be_gives_no_finding(server):
    assert check_redis(server) == []


def test_looking_leaves_nothing_behind(server):
    check_redis(server)
    assert server.dbsize() == 0


def test_a_server_without_an_append_only_file_is_warned_of(server):
    server.config_set("appendonly", "no")
    (finding,) = check_redis(server, where="redis://h:6379/0")
    assert checks([finding]) == {"redis.no_aof": Severity.WARNING}
    assert finding.message.startswith("redis://h:6379/0 keeps no append-only file")
    assert "every run enqueued" in finding.message
    assert finding.message.endswith("Set `appendonly yes` and `appendfsync everysec`.")


def test_a_server_that_never_syncs_is_warned_of(server):
    server.config_set("appendfsync", "no")
    assert checks(check_redis(server)) == {"redis.no_fsync": Severity.WARNING}


@pytest.mark.parametrize(
    ("policy", "limit", "expected"),
    [
        ("allkeys-lru", "100mb", {"redis.evicts": Severity.ERROR}),
        ("allkeys-lru", "0", {"redis.would_evict": Severity.WARNING}),
        ("volatile-ttl", "100mb", {"redis.evicts_finished": Severity.WARNING}),
        ("noeviction", "100mb", {}),
    ],
)
def test_a_server_that_may_delete_runs_is_told_by_how_bad_it_is(server, policy, limit, expected):
    server.config_set("maxmemory", limit)
    server.config_set("maxmemory-policy", policy)
    assert checks(check_redis(server)) == expected


def test_a_replica_is_refused(server):
    server.replicaof("127.0.0.1", "1")
    (finding,) = check_redis(server)
    assert finding.severity is Severity.ERROR
    assert "is a replica" in finding.message


def test_a_cluster_is_refused(tmp_path):
    with (
        redis_server(tmp_path, "--appendonly", "yes", "--cluster-enabled", "yes") as url,
        connect(url) as client,
    ):
        assert checks(check_redis(client))["redis.cluster"] is Severity.ERROR


@pytest.mark.parametrize(
    ("version", "expected"), [("6.0.20", {"redis.too_old"}), ("6.2.0", set()), ("8.0.1", set())]
)
def test_a_server_that_is_too_old_is_refused(server, monkeypatch, version, expected):
    told = server.info() | {"redis_version": version}
    monkeypatch.setattr(server, "info", lambda: told)
    assert checks(check_redis(server)).keys() == expected


def test_a_user_who_may_not_ask_is_told_what_was_not_checked(server, limited):
    server.execute_command("ACL", "SETUSER", "limited", "-info", "-config")
    (finding,) = check_redis(limited)
    assert checks([finding]) == {"redis.not_checked": Severity.WARNING}
    assert "+info" in finding.message


def test_a_user_without_config_is_checked_all_the_same(server, limited):
    server.execute_command("ACL", "SETUSER", "limited", "-config")
    server.config_set("appendonly", "no")
    assert checks(check_redis(limited)) == {"redis.no_aof": Severity.WARNING}


@pytest.mark.parametrize("rights", [["-@scripting"], ["-del"], ["resetkeys", "~other:*"]])
def test_a_user_who_may_not_write_our_keys_is_refused_with_the_rights_that_are_missing(
    server, limited, rights
):
    server.execute_command("ACL", "SETUSER", "limited", *rights)
    (finding,) = check_redis(limited, key_prefix="shop:")
    assert checks([finding]) == {"redis.forbidden": Severity.ERROR}
    assert "~shop:*" in finding.message


def test_the_rights_that_are_asked_for_are_enough(server, limited):
    server.execute_command("ACL", "SETUSER", "limited", "reset")
    wanted = ["~threadrun:*", "&*", "+@all", "-@dangerous", "+info", "+client|setname"]
    server.execute_command("ACL", "SETUSER", "limited", "on", ">pw", *wanted)
    assert check_redis(limited) == []


def test_a_wrong_password_is_told_without_the_password(server, limited, url):
    with connect(url.replace("unix://", "unix://limited:wrong-one@")) as client:
        (finding,) = check_redis(client)
    assert checks([finding]) == {"redis.login_refused": Severity.ERROR}
    assert "wrong-one" not in str(finding)


def test_a_database_that_the_server_does_not_have_is_told_and_not_waited_for(url):
    with connect(f"{url.partition('?')[0]}?db=99") as client:
        (finding,) = check_redis(client)
    assert checks([finding]) == {"redis.connection_refused": Severity.ERROR}
    assert "DB index is out of range" in finding.message


class Answers(fakeredis.FakeRedis):
    """Answer each PING with an error."""

    def __init__(self, error: str) -> None:
        super().__init__()
        self.error = error

    def ping(self, **_: object) -> bool:
        raise ResponseError(self.error)


def test_a_server_that_runs_a_long_script_is_waited_for():
    (finding,) = check_redis(Answers("BUSY Redis is busy running a script."))
    assert finding.check == "redis.unreachable"


def test_a_server_that_cannot_save_is_told_by_what_it_does_not_take():
    found = check_redis(Answers("MISCONF Redis is configured to save RDB snapshots, but cannot."))
    assert "redis.connection_refused" not in checks(found)


def test_a_server_that_is_not_there_is_told(tmp_path):
    with connect(f"unix://{tmp_path}/nobody.sock") as client:
        (finding,) = check_redis(client, where="unix:///nobody.sock")
    assert checks([finding]) == {"redis.unreachable": Severity.ERROR}
    assert "unix:///nobody.sock does not answer" in finding.message


def test_a_server_without_info_such_as_fakeredis_still_passes():
    assert checks(check_redis(fakeredis.FakeRedis())) == {"redis.not_checked": Severity.WARNING}


def test_runs_are_served_by_threads_only():
    assert check_pool(get_implementation("threads")) == []
    (finding,) = check_pool(get_implementation("prefork"))
    assert checks([finding]) == {"pool.wrong": Severity.ERROR}
    assert "`-P threads`" in finding.message
    assert checks(check_pool(get_implementation("solo"), {"runs", "tools"})) == {"pool.wrong": Severity.ERROR}


def test_handlers_without_processes_have_no_time_limit():
    assert check_pool(get_implementation("prefork"), {"tools"}) == []
    (finding,) = check_pool(get_implementation("threads"), {"tools", "gpu"})
    assert checks([finding]) == {"pool.no_time_limits": Severity.WARNING}
    assert "gpu, tools" in finding.message


@pytest.mark.parametrize("queues", [{"runs"}, {"tools"}, {"tools", "gpu"}])
def test_a_worker_may_consume_the_queues_that_are_served(queues):
    assert check_queue_names(queues, ("tools", "gpu")) == []


def test_a_mistyped_queue_is_refused_with_those_that_are_served():
    (finding,) = check_queue_names({"run"}, ("tools", "gpu"))
    assert checks([finding]) == {"queue.unknown": Severity.ERROR}
    assert "the queue run; served are runs, tools, gpu" in finding.message
    assert "THREADRUN_TOOLS__QUEUES" in finding.message


def test_runs_and_handlers_in_one_worker_are_refused():
    (finding,) = check_queue_names({"runs", "tools"}, ("tools",))
    assert checks([finding]) == {"queue.mixed": Severity.ERROR}


def test_our_own_rooms_are_found():
    assert check_rooms(names=("config", "worker")) == []


def test_another_package_called_config_is_found_out(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "config", raising=False)
    (finding,) = check_rooms(names=("config",))
    assert checks([finding]) == {"rooms.shadowed": Severity.ERROR}
    assert str(tmp_path / "config") in finding.message
    assert "python -m celery" in finding.message


def test_a_missing_room_is_found_out():
    (finding,) = check_rooms(Path("/nowhere"), names=("no_such_room",))
    assert "was not found" in finding.message
