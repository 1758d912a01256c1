"""Read a Redis URL once, in every form that deployments use, and say it again without its password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
"""The server that is used when none is configured."""

MASK = "***"
"""What stands in place of a password wherever an address is shown."""

_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}
_TLS_OPTIONS = frozenset(
    {"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
)
_CERT_REQS = {"none": "none", "optional": "optional", "required": "required"}
_CERT_REQS |= {f"cert_{name}": name for name in tuple(_CERT_REQS)}
_SCHEMES = "redis://, rediss://, unix://, redis+socket:// or sentinel://"


class AddressKind(StrEnum):
    """Name the three ways to a Redis server."""

    TCP = "tcp"
    """One host and port, with or without TLS."""
    UNIX = "unix"
    """A socket in the file system."""
    SENTINEL = "sentinel"
    """Sentinels, which are asked for the master each time a connection is made."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Hold the parts of a Redis URL; its text form never shows the password."""

    kind: AddressKind
    """Which way."""
    hosts: tuple[tuple[str, int], ...] = ()
    """The server, or the sentinels; empty for a socket."""
    path: str = ""
    """The socket."""
    db: int = 0
    """The database number."""
    username: str | None = None
    """The user of the server (never of the sentinels)."""
    password: str | None = field(default=None, repr=False)
    """The password of the server (never of the sentinels)."""
    tls: bool = False
    """Whether the connection is wrapped in TLS."""
    tls_options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """redis-py's `ssl_…` options."""

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read a URL.

        Raises:
            ValueError: with a text that never holds the URL or a part that could be its password.
        """
        scheme = url.partition("://")[0].lower()
        match scheme:
            case "redis" | "rediss":
                return _tcp(_split(url))
            case "unix" | "redis+socket":
                return _unix(_split(url))
            case "sentinel":
                return _sentinel(url)
            case "redis+cluster" | "rediss+cluster" | "redis-cluster":
                raise ValueError(
                    "a Redis Cluster cannot be used: scripts touch several keys at once and Celery's "
                    "transport does not know clusters; name one server or its sentinels"
                )
        raise ValueError(f"not a Redis URL; it must begin with {_SCHEMES}")

    @property
    def url(self) -> str:
        """Spell it as redis-py does, with the password; for clients, never for people."""
        return self._spelt(self.password)

    @property
    def shown(self) -> str:
        """Spell it for people: the password is masked."""
        return self._spelt(None if self.password is None else MASK)

    def __str__(self) -> str:
        return self.shown

    def _spelt(self, password: str | None) -> str:
        login = credentials(self.username, password)
        match self.kind:
            case AddressKind.UNIX:
                return f"unix://{login}{quote(self.path)}?db={self.db}"
            case AddressKind.SENTINEL:
                return ";".join(f"sentinel://{login}{authority(host)}/{self.db}" for host in self.hosts)
            case AddressKind.TCP:
                scheme = "rediss" if self.tls else "redis"
                options = "&".join(
                    f"{name}={quote(value)}" for name, value in sorted(self.tls_options.items())
                )
                return f"{scheme}://{login}{authority(self.hosts[0])}/{self.db}" + (
                    f"?{options}" if options else ""
                )


def credentials(username: str | None, password: str | None) -> str:
    """Spell the part of a URL before the host, `user:password@`, or nothing."""
    if password is None:
        return f"{quote(username, safe='')}@" if username else ""
    return f"{quote(username or '', safe='')}:{password if password == MASK else quote(password, safe='')}@"


def authority(host: tuple[str, int]) -> str:
    """Spell a host and port; an IPv6 address gets its brackets."""
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError:
        # The standard library's message may quote a piece of the password.
        raise ValueError(
            "the host or port cannot be read; percent-encode special characters of the password"
        ) from None
    if parts.fragment:
        raise ValueError("it holds a bare '#'; percent-encode special characters of the password")
    return parts


def _tcp(parts: SplitResult) -> RedisAddress:
    query = _query(parts)
    return RedisAddress(
        kind=AddressKind.TCP,
        hosts=(_host(parts),),
        db=_db(_db_option(query) or parts.path),
        username=_unquoted(parts.username),
        password=_unquoted(parts.password),
        tls=parts.scheme == "rediss",
        tls_options=_tls_options(query, tls=parts.scheme == "rediss"),
    )


def _unix(parts: SplitResult) -> RedisAddress:
    query = _query(parts)
    path = unquote(parts.path)
    if not path.startswith("/") or path == "/" or parts.hostname:
        raise ValueError("a socket is named by an absolute path: unix:///run/redis/redis.sock?db=0")
    db = _db(_db_option(query))
    username = query.pop("username", "") or _unquoted(parts.username)
    password = query.pop("password", "") or _unquoted(parts.password)
    _refuse_unknown(query)
    return RedisAddress(AddressKind.UNIX, path=path, db=db, username=username, password=password)


def _sentinel(url: str) -> RedisAddress:
    chunks = [chunk.strip() for chunk in url.split(";") if chunk.strip()]
    parts = [_split(chunk if "://" in chunk else f"sentinel://{chunk}") for chunk in chunks]
    if any(part.scheme != "sentinel" for part in parts):
        raise ValueError("every address of a sentinel:// list must be a sentinel")
    # Logins and database may stand at any of them; they mean the master, which all of them lead to.
    for part in parts:
        _refuse_unknown(_query(part))
    login = next((part for part in parts if part.username or part.password), parts[0])
    return RedisAddress(
        kind=AddressKind.SENTINEL,
        hosts=tuple(_host(part) for part in parts),
        db=_db(next((part.path for part in parts if part.path.strip("/")), "0")),
        username=_unquoted(login.username),
        password=_unquoted(login.password),
    )


def _host(parts: SplitResult) -> tuple[str, int]:
    if not parts.hostname:
        raise ValueError("it names no host")
    return unquote(parts.hostname), parts.port or _PORTS[parts.scheme]


def _db_option(query: dict[str, str]) -> str:
    # redis-py says `db`, Celery's transport says `virtual_host`.
    return query.pop("db", "") or query.pop("virtual_host", "")


def _db(text: str) -> int:
    digits = text.strip("/") or "0"
    if not digits.isdecimal() or not digits.isascii():
        raise ValueError("the database must be a number, as in redis://host:6379/0")
    return int(digits)


def _query(parts: SplitResult) -> dict[str, str]:
    return dict(parse_qsl(parts.query, keep_blank_values=True))


def _tls_options(query: dict[str, str], *, tls: bool) -> Mapping[str, str]:
    options = {name: query.pop(name) for name in sorted(_TLS_OPTIONS & query.keys())}
    _refuse_unknown(query)
    if options and not tls:
        raise ValueError("it has ssl_… options without TLS; use rediss://")
    if "ssl_cert_reqs" in options:
        wanted = _CERT_REQS.get(options["ssl_cert_reqs"].lower())
        if wanted is None:
            raise ValueError("ssl_cert_reqs must be required, optional or none")
        options["ssl_cert_reqs"] = wanted
    return MappingProxyType(options)


def _refuse_unknown(query: Mapping[str, str]) -> None:
    if query:
        raise ValueError(
            f"it has the options {', '.join(sorted(query))}, which are not known here "
            "(timeouts, retries and pools are threadrun's own); remove them"
        )


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None
