# SPDX-License-Identifier: Apache-2.0
"""A fake AWS with moto's S3 beside it, and gpuopt pointed at both."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from ..fake_cloud.aws import ACCOUNTS, SECRETS, FakeAws, role
from ..fake_cloud.aws_export import EXPORT, s3_client, write_advisor, write_export
from ..fake_cloud.server import Loopback

ROOT = Path(__file__).parents[2]


@dataclass
class Aws:
    """The fake services, their server, and the environment that leads to them."""

    fake: FakeAws
    loopback: Loopback
    env: dict[str, str]
    log: io.StringIO = field(default_factory=io.StringIO)

    def command(self, to: Path, *more: str, roles: bool = True) -> list[str]:
        accounts = [x for a in ACCOUNTS.values() for x in ("--account", role(a))] if roles else []
        return [
            "pull", "aws", "--to", str(to), "--until", "2026-11-21", "--since", "90d",
            "--set", "tags=team;purpose", "--set", "wait=0.01", "--set", "attempts=4",
            *accounts, *more,
        ]  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            env={**os.environ, **self.env},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


def environment(url: str, s3: str, secrets: Mapping[str, str] = SECRETS) -> dict[str, str]:
    """Variables that send every service to the loopback, and no question anywhere else."""
    return {
        **secrets,
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_S3": s3,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def storage(months: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Moto's S3 with the company's export and the spot advisor: a client and its address.

    ``months`` are the billing periods of the export; default: all.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        client = s3_client(f"http://127.0.0.1:{port}")
        with tempfile.TemporaryDirectory() as folder:
            write_export(client, Path(folder), months)
        write_advisor(client)
        yield client, f"http://127.0.0.1:{port}"
    finally:
        server.stop()


@contextmanager
def clouds(s3: str, monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[Aws]:
    """A fake AWS; with ``monkeypatch`` this process is pointed at it too."""
    fake = FakeAws()
    with fake.start() as loopback:
        env = environment(loopback.url, s3)
        if monkeypatch is not None:
            for name, value in env.items():
                monkeypatch.setenv(name, value)
        yield Aws(fake, loopback, env)


__all__ = ["EXPORT", "Aws", "clouds", "environment", "storage"]
