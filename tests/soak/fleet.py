# SPDX-License-Identifier: Apache-2.0
"""Servers that can be killed, over one store; each in a process group of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from api.settings import ServiceSettings
from api.store import Actor, JobStatus, Store

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ME = Actor("soak")


class Fleet:
    """A store, its servers, and the jobs that were accepted."""

    def __init__(self, folder: Path, url: str | None = None, workers: int = 2) -> None:
        self.env = {**os.environ, "GPUOPT_DATA_DIR": str(folder), "GPUOPT_WORKERS": str(workers)}
        self.env["GPUOPT_WORKER_NICE"] = "0"  # on a busy machine the others would starve them
        self.env["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        if url is not None:
            self.env["GPUOPT_DATABASE_URL"] = url
        self.settings = ServiceSettings(data_dir=folder, **({"database_url": url} if url else {}))
        self.store = Store(self.settings.url, folder)
        self.store.migrate()
        self.tenant = self.store.add_tenant(f"soak-{time.time_ns()}").id
        self.mine = self.store.of(self.tenant)
        self.log = folder / "servers.log"
        self.servers: list[subprocess.Popen[str]] = []
        self.asked: list[str] = []

    def snapshot(self, case: Path) -> str:
        with self.mine.snapshots.place() as place:
            shutil.copytree(case, place, dirs_exist_ok=True)
            row, _ = self.mine.snapshots.add(place, ME)
        return row.id

    def start(self) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            server = subprocess.Popen(
                [sys.executable, str(HERE / "jobs_server.py")],
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.servers.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line == "ready\n", self.log.read_text()[-3000:]
        return server

    def ask(self, kind: str, of: str, **request: object) -> str:
        """Accept a request as the API does: in the store first; a server finds it there."""
        job = self.mine.jobs.add(kind, request, ME, snapshot=of).id
        self.asked.append(job)
        return job

    def kill(self, server: subprocess.Popen[str]) -> None:
        """SIGKILL the server alone: its workers have to notice."""
        server.kill()
        server.wait(10)
        assert server.stdout is not None
        server.stdout.close()
        self.servers.remove(server)

    def attempts(self) -> int:
        """How often jobs were begun, by any server."""
        return sum(self.mine.jobs.get(job).attempts for job in self.asked)

    def until_begun(self, more_than: int, seconds: float = 120) -> None:
        """Wait until jobs were begun more often than so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.attempts() > more_than:
                return
            time.sleep(0.02)
        raise AssertionError(f"no job is begun: {self.log.read_text()[-3000:]}")

    def wait(self, quiet_seconds: float) -> None:
        """Wait until all jobs have ended; nothing may happen to none of them for so long."""
        before, since = "", time.monotonic()
        while self.store.unfinished():
            state = self.state()
            if state != before:
                before, since = state, time.monotonic()
            assert time.monotonic() - since < quiet_seconds, (
                f"stuck: {state}\n{self.log.read_text()[-3000:]}"
            )
            time.sleep(0.2)

    def state(self) -> str:
        """Every job that has not ended: its status, attempts and events."""
        jobs = [self.mine.jobs.get(job) for _, job in self.store.unfinished()]
        told = {job.id: len(self.mine.jobs.events(job.id)) for job in jobs}
        return "; ".join(
            f"{job.id} {job.status}, attempt {job.attempts}, {told[job.id]} events" for job in jobs
        )

    def check(self) -> Counter[str]:
        """Every accepted job ended exactly once, with its answer."""
        told: Counter[str] = Counter()
        for job in self.asked:
            row = self.mine.jobs.get(job)
            told[str(row.status)] += 1
            assert row.status == JobStatus.succeeded, (job, row.status, row.problem)
            ends = [e for e in self.mine.jobs.events(job) if JobStatus(_status(e)).final]
            assert len(ends) == 1, (job, [e.event for e in ends])
            assert self.mine.jobs.document(job).text.startswith("{")
        assert not self.store.unfinished()
        return told

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(5)
            assert server.stdout is not None
            server.stdout.close()
        self.store.close()


def _status(event: object) -> str:
    name = str(event.event)  # type: ignore[attr-defined]
    return name if name in set(JobStatus) else "running"
