# SPDX-License-Identifier: Apache-2.0
"""Runs jobs in threads of this process: for tests, and for one machine without DBOS.

What is unfinished when the process ends is in the store and is run again at the next start.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from api.settings import ServiceSettings
from api.store import Store
from api.work import run_job


class ThreadRunner:
    """Runs at most so many jobs at once, each in a thread."""

    def __init__(
        self, store: Store, workers: int = 2, settings: ServiceSettings | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="gpuopt-job")
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._waiting: list[threading.Timer] = []
        self._open = True

    @property
    def keeps_schedules(self) -> bool:
        """Never: threads that end with their process keep nothing."""
        return False

    def submit(self, tenant: str, job: str) -> None:
        """Run a job as soon as a thread is free; one that was submitted before is not."""
        with self._lock:
            if not self._open or job in self._taken:
                return
            self._taken.add(job)
            self._pool.submit(self._run, tenant, job)

    def recover(self) -> None:
        """Submit all that is unfinished."""
        for tenant, job in self._store.unfinished():
            self.submit(tenant, job)

    def ready(self) -> bool:
        """Whether jobs are being taken."""
        return self._open

    def close(self) -> None:
        """Take no more jobs, ask what runs to stop, and wait for it."""
        with self._lock:
            self._open = False
            for timer in self._waiting:
                timer.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, tenant: str, job: str) -> None:
        again: float | None = None
        try:
            again = run_job(self._store, tenant, job, settings=self._settings)
        finally:
            with self._lock:
                self._taken.discard(job)
        if again is not None:
            self._submit_later(tenant, job, again)

    def _submit_later(self, tenant: str, job: str, seconds: float) -> None:
        timer = threading.Timer(seconds, self.submit, (tenant, job))
        timer.daemon = True
        with self._lock:
            if self._open:
                self._waiting = [other for other in self._waiting if other.is_alive()]
                self._waiting.append(timer)
                timer.start()
