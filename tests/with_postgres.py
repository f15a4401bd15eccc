# SPDX-License-Identifier: Apache-2.0
"""Run the tests of the store and the service on a PostgreSQL server of their own.

    python tests/with_postgres.py [pytest arguments]

The server's programs come from the system's packages; where they are missing and may be
installed, they are. The server lies in a temporary folder, listens on loopback, and is gone
afterwards. Exit code 77: there is no PostgreSQL here, and none can be had.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SKIPPED = 77
TESTS = ["-n", "auto", "--dist", "loadfile", "tests/api/http"]


def find() -> Path | None:
    """Return the folder of the newest server's programs."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(places, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


def install() -> None:
    """Install the server, where this may be done."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
        subprocess.run(["apt-get", "--quiet", *command], check=False, env=environment)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def main() -> int:
    """Start a server, run the tests on it, stop it."""
    programs = find()
    if programs is None:
        install()
        programs = find()
    if programs is None:
        print("skipped: there is no PostgreSQL here, and it could not be installed with apt-get")
        return SKIPPED
    # PostgreSQL refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gpuopt-postgres-") as folder:
        if user:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        create = [f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "gpuopt", "-E", "UTF8"]
        control = [f"{programs}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log"]
        subprocess.run([*user, *create], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        subprocess.run([*user, *control, "-o", settings, "start"], check=True, cwd=folder,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        try:
            url = f"postgresql+psycopg://gpuopt@127.0.0.1:{port}/postgres"
            environment = {**os.environ, "GPUOPT_TEST_DATABASE_URL": url}
            tests = [sys.executable, "-m", "pytest", *(sys.argv[1:] or TESTS)]
            return subprocess.run(tests, check=False, cwd=ROOT, env=environment).returncode
        finally:
            subprocess.run([*user, *control, "-m", "immediate", "stop"], check=False, cwd=folder,
                           stdout=subprocess.DEVNULL)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
