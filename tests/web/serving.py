# SPDX-License-Identifier: Apache-2.0
"""A real ``gpuopt serve``, with a small company in it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from api.access import add_tenant, service_secret
from api.settings import ServiceSettings
from api.store import Actor, JobStatus, Store
from api.store.database import now

ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A running service: where it is, an admin's key, and what was put into it."""

    origin: str
    key: str
    folder: Path
    snapshot: str = ""
    plan: str = ""
    report: str = ""

    def client(self, key: str | None = None) -> httpx.Client:
        """Return a client of the HTTP API."""
        head = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.origin, headers=head, timeout=60)

    def key_of(self, role: str) -> str:
        """Make a key of a role."""
        with self.client() as client:
            answer = client.post("/v1/keys", json={"role": role, "label": f"a {role}"})
            answer.raise_for_status()
            return str(answer.json()["key"])

    def upload(self, files: Mapping[str, bytes], key: str | None = None) -> str:
        """Upload a case; return its snapshot."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        with self.client(key) as client:
            answer = client.post(
                "/v1/snapshots",
                content=stream.getvalue(),
                headers={"Content-Type": "application/zip"},
            )
            answer.raise_for_status()
            return str(answer.json()["id"])

    def neighbour(self, name: str) -> str:
        """Add a tenant; return its admin key."""
        settings = ServiceSettings(data_dir=self.folder)
        store = Store(settings.url, self.folder)
        try:
            return add_tenant(store, settings, service_secret(settings), name)
        finally:
            store.close()

    def advise(self) -> list[str]:
        """Put the plan forward once more, as a new one; return what waits for a decision.

        What earlier tests decided on is of other plans, so that each test has its own.
        """
        settings = ServiceSettings(data_dir=self.folder)
        store = Store(settings.url, self.folder)
        try:
            (tenant,) = store.tenants()
            mine, me = store.of(tenant.id), Actor("test")
            first = mine.jobs.get(self.plan)
            document = mine.jobs.document(self.plan).text
            job = mine.jobs.add("plan", first.request, me, snapshot=first.snapshot)
            mine.jobs.start(job.id)
            mine.jobs.finish(job.id, JobStatus.succeeded, document=document, result=first.result)
            bought = json.loads(document)["purchases"]
            until = now() + timedelta(days=30)
            rows = mine.recommendations.put_forward(job.id, str(first.snapshot), bought, until, me)
            return [row.id for row in rows]
        finally:
            store.close()

    def planned(self, snapshot: str, key: str | None = None) -> str:
        """Plan a snapshot, wait for it, and put it forward."""
        with self.client(key) as client:
            ask: dict[str, Any] = {"snapshot": snapshot}
            answer = client.post("/v1/plans", json=ask, headers={"Prefer": "wait=60"})
            answer.raise_for_status()
            assert answer.json()["status"] == "succeeded", answer.text
            plan = str(answer.json()["id"])
            client.post("/v1/recommendations", json={"plan": plan}).raise_for_status()
            return plan

    def reported(self, plan: str) -> str:
        """Make the report of a plan, and wait for it."""
        with self.client() as client:
            answer = client.post("/v1/reports", json={"plan": plan}, headers={"Prefer": "wait=60"})
            answer.raise_for_status()
            assert answer.json()["status"] == "succeeded", answer.text
            return str(answer.json()["id"])


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Served]:
    """Start a service on loopback in a process of its own; stop it at the end."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("GPUOPT_")},
        "GPUOPT_REQUESTS_PER_MINUTE": "100000",
        "GPUOPT_WORKERS": "1",
        "GPUOPT_WORKER_NICE": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        **settings,
    }
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data-dir", str(folder)]
    log = folder / "server.log"
    with log.open("w") as told:
        server = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=told, text=True
        )
        assert server.stdout is not None
        try:
            key = server.stdout.readline().rpartition(" ")[2].strip()
            assert key, log.read_text()
            yield Served(_origin(log), key, folder)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)
            server.stdout.close()


def _origin(log: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = re.search(r"serving (http://\S+)", log.read_text())
        if found:
            try:
                if httpx.get(f"{found[1]}/readyz", timeout=10).status_code == 200:
                    return found[1]
            except httpx.TransportError:
                pass
        time.sleep(0.05)
    raise AssertionError(f"the server does not get ready: {log.read_text()[-3000:]}")
