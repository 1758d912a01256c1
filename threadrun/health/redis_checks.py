"""Look at the Redis server: does it answer, and does it keep what it is given; for workers and operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import (
    AuthenticationError,
    MasterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from threadrun.health.finding import Finding, error, warning

if TYPE_CHECKING:
    from redis import Redis

MINIMUM_REDIS = (6, 2)
"""The oldest Redis that Celery 5.7 supports, and whose commands the scripts use."""

_NO_AOF = (
    "keeps no append-only file: when it crashes, every run enqueued and every step taken since its last "
    "snapshot is lost, and runs may be created twice. Set `appendonly yes` and `appendfsync everysec`."
)
_NO_FSYNC = (
    "leaves writing its append-only file to the operating system: a crash of the machine loses what was not "
    "written yet, often half a minute. Set `appendfsync everysec`."
)


def check_redis(client: Redis, *, where: str = "Redis", key_prefix: str = "threadrun:") -> list[Finding]:
    """Look at the server; rights that an ACL withholds are named, not stumbled over. Nothing is written.

    Args:
        client: A blocking client.
        where: How to call the server in messages, such as its masked URL.
        key_prefix: What this deployment's keys begin with.
    """
    try:
        client.ping()
    except AuthenticationError:
        text = f"{where} refuses the login. Correct user and password in THREADRUN_REDIS_URL."
        return [error("redis.login_refused", text)]
    except NoPermissionError:
        pass  # PING may be forbidden; what is needed is asked for next.
    except RedisError as failure:
        if not str(failure).startswith("MISCONF"):  # what takes no writes is told of next
            return [_unreachable(where, failure)]
    try:
        return [*_scripting(client, where, key_prefix), *_server(client, where)]
    except RedisError as failure:
        return [_unreachable(where, failure)]


def _unreachable(where: str, failure: RedisError) -> Finding:
    if isinstance(failure, ResponseError) and not _passes(failure):
        text = f"{where} refuses the connection ({failure}). Correct THREADRUN_REDIS_URL."
        return error("redis.connection_refused", text)
    text = f"{where} does not answer ({type(failure).__name__}). Start it, or correct THREADRUN_REDIS_URL."
    return error("redis.unreachable", text)


def _passes(answer: ResponseError) -> bool:
    """Tell whether a server that is there answers so for a while: to be waited for, like one that is away."""
    return isinstance(answer, MasterDownError) or str(answer).startswith("BUSY")


def _scripting(client: Redis, where: str, key_prefix: str) -> Iterator[Finding]:
    # Deleting a key that is not there asks for every right and every state of the server that a write needs.
    try:
        sha = client.script_load("return redis.call('DEL', KEYS[1])")
        client.evalsha(sha, 1, f"{key_prefix}startup-check")
    except NoPermissionError:
        yield _forbidden(where, key_prefix)
    except ResponseError as answer:
        text = str(answer)
        # A script's own refusal comes back as an error of the script, not as NOPERM.
        forbidden = any(words in text for words in ("user executing the script", "ACL failure", "NOPERM"))
        yield (
            _forbidden(where, key_prefix)
            if forbidden
            else error("redis.refuses_writes", _refusal(where, text))
        )


def _forbidden(where: str, key_prefix: str) -> Finding:
    # Redis 6.2 counts all of CLIENT among the dangerous commands; connections are given their names by it.
    rights = f"~{key_prefix}* &* +@all -@dangerous +info +client|setname"
    text = f"{where}: this user may not run scripts that write {key_prefix}* keys. Grant it `{rights}`."
    return error("redis.forbidden", text)


def _refusal(where: str, answer: str) -> str:
    if "READONLY" in answer or "read only replica" in answer:
        return f"{where} is a replica and takes no writes. Name the master, or the sentinels (sentinel://…)."
    if "MISCONF" in answer:
        return f"{where} takes no writes because it cannot save to disk. Free its disk, or mend its `dir`."
    if "unknown command" in answer.lower():
        return f"{where} runs no Lua scripts. Use Redis or Valkey with scripting."
    return f"{where} refuses a script that writes ({answer.partition(' ')[0]}). See the server's log."


def _server(client: Redis, where: str) -> Iterator[Finding]:
    try:
        info: Mapping[str, Any] = client.info()
    except ResponseError as answer:
        forbidden = isinstance(answer, NoPermissionError)
        reason = "this user may not ask for INFO" if forbidden else "it answers no INFO"
        text = (
            f"{where}: version, persistence and eviction were not checked, because {reason}. Make sure of "
            "Redis 6.2 or newer, `appendonly yes` and `maxmemory-policy noeviction`, or grant the user +info."
        )
        yield warning("redis.not_checked", text)
        return
    yield from _version(info, where)
    yield from _persistence(info, where, _fsync(client))
    yield from _eviction(info, where)


def _version(info: Mapping[str, Any], where: str) -> Iterator[Finding]:
    version = str(info.get("redis_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < MINIMUM_REDIS:
        yield error("redis.too_old", f"{where} is Redis {version}. Upgrade it to 6.2 or newer.")
    if info.get("redis_mode") == "cluster":
        text = f"{where} runs as a cluster, where a script cannot touch several keys. Use a single server, "
        yield error("redis.cluster", text + "with sentinels if it must outlive a machine.")


def _persistence(info: Mapping[str, Any], where: str, fsync: str) -> Iterator[Finding]:
    if str(info.get("aof_enabled", "1")) == "0":
        yield warning("redis.no_aof", f"{where} {_NO_AOF}")
    elif fsync == "no":
        yield warning("redis.no_fsync", f"{where} {_NO_FSYNC}")


def _fsync(client: Redis) -> str:
    try:
        return str(client.config_get("appendfsync").get("appendfsync", ""))
    except ResponseError:
        return ""  # Hosted servers forbid CONFIG; INFO has told what matters most.


def _eviction(info: Mapping[str, Any], where: str) -> Iterator[Finding]:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    remedy = f"(maxmemory-policy {policy}). Set `maxmemory-policy noeviction`."
    if policy == "noeviction":
        return
    if policy.startswith("volatile"):
        text = f"{where} deletes finished runs before their time when memory is short {remedy}"
        yield warning("redis.evicts_finished", text)
    elif int(info.get("maxmemory", 0)) > 0:
        text = f"{where} deletes any key when memory is short, open runs too and without a trace {remedy}"
        yield error("redis.evicts", text)
    else:
        text = f"{where} would delete any key, open runs too, if it were given a memory limit {remedy}"
        yield warning("redis.would_evict", text)
