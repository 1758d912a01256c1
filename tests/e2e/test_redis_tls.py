"""rediss:// by settings alone: client and workers check the server's certificate and its name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.celery_settings import celery_config
from config.settings import Settings, load_settings
from tests.e2e.certificates import Authority
from tests.e2e.conftest import HERE, ROOT
from tests.e2e.tls_front import TlsFront
from threadrun import AsyncRunClient, RunClient
from threadrun.errors import StoreUnavailable
from threadrun.redis_urls import RedisAddress
from threadrun.testing import EmbeddedRedis, LocalStack
from worker.redis_clients import redis_client


def url(front: TlsFront, authority: Authority | None) -> str:
    trust = f"?ssl_ca_certs={quote(str(authority.path))}" if authority else ""
    return f"rediss://127.0.0.1:{front.port}/0{trust}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def front(authority: Authority) -> Iterator[TlsFront]:
    with TlsFront(authority.server("127.0.0.1")) as front:
        yield front


def test_a_run_is_carried_over_verified_tls(
    front: TlsFront, authority: Authority, effects_file: Path
) -> None:
    env = {"THREADRUN_REDIS_URL": url(front, authority), "E2E_EFFECTS_FILE": str(effects_file)}
    with LocalStack(
        ["handlers"], checkout=ROOT, paths=[HERE], env=env, runs_workers=0, tools_workers=0
    ) as stack:
        front.socket = RedisAddress.parse(stack.redis_url).path
        for kind in ("runs", "tools"):
            stack.start(kind)
        text = 'call add {"a": 1, "b": 2}\nsay $1'
        record = stack.client.enqueue("asst_demo", messages=text, tools=["add"]).wait(30)

        assert record.output_text == "3"
        assert stack.client.stats().workers[0].alive


class Surroundings:
    """A Redis behind a certificate, and what a client is told to trust."""

    def __init__(self, front: TlsFront, trusted: Authority | None) -> None:
        self.url = url(front, trusted)
        self.settings: Settings = load_settings({"THREADRUN_REDIS_URL": self.url}, None)


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as redis:
        yield redis


@pytest.fixture(params=["signed by somebody else", "of another host", "trusted by nobody"])
def distrusted(
    request: pytest.FixtureRequest, authority: Authority, embedded: EmbeddedRedis, tmp_path: Path
) -> Iterator[Surroundings]:
    signer = Authority(tmp_path, "Other CA") if request.param == "signed by somebody else" else authority
    host = "redis.example" if request.param == "of another host" else "127.0.0.1"
    with TlsFront(signer.server(host)) as front:
        front.socket = RedisAddress.parse(embedded.url).path
        yield Surroundings(front, None if request.param == "trusted by nobody" else authority)


def test_no_client_talks_to_a_server_that_it_cannot_verify(distrusted: Surroundings) -> None:
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        RunClient.from_url(distrusted.url).stats()

    async def ask() -> None:
        client = AsyncRunClient.from_url(distrusted.url)
        try:
            await client.stats()
        finally:
            await client.close()

    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        asyncio.run(ask())


def test_no_worker_and_no_celery_does_either(distrusted: Surroundings) -> None:
    with pytest.raises(RedisError, match="certificate verify failed"):
        redis_client(distrusted.settings).ping()
    config = celery_config(distrusted.settings)
    options = {"ssl": config["broker_use_ssl"], "transport_options": config["broker_transport_options"]}
    with (
        Connection(config["broker_url"], **options) as connection,
        pytest.raises(OperationalError, match="certificate verify failed"),
    ):
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
