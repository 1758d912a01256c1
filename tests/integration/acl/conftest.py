"""Fixtures: each server of this machine with the users of config/redis.acl, and clients that use it as they do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.acl.guarded import Guarded, generated, programs
from tests.integration.redis_server import redis_server
from threadrun import RunClient


@pytest.fixture(scope="module", params=programs())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("acl")
    path = f"{programs()[request.param]}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        [shutil.which("redis-server", path=path) or "", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    version = tuple(int(part) for part in re.findall(r"v=(\d+)\.(\d+)", told.stdout)[0])
    (folder / "users.conf").write_text(generated(version))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        with redis_server(folder, "--include", str(folder / "users.conf")) as url:
            yield Guarded(url, version)


@pytest.fixture
def guarded(server: Guarded) -> Guarded:
    server.clean()
    return server


@pytest.fixture
def web(guarded: Guarded) -> Iterator[RunClient]:
    client = RunClient(guarded.redis("web"))
    yield client
    client.close()


@pytest.fixture
def readonly(guarded: Guarded) -> Iterator[RunClient]:
    client = RunClient(guarded.redis("readonly"))
    yield client
    client.close()
