# SPDX-License-Identifier: Apache-2.0
"""Worker processes: each solves one job at a time, apart from the server.

A worker that crashes, takes more memory than it may or does not stop in time is a failed job
and a new worker, never a dead server.  Workers end with the server, however that ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from api.settings import ServiceSettings
from api.worker import serve_jobs

_log = logging.getLogger("gpuopt.pool")
GRACE_SECONDS = 30.0  # after the time limit of a solve, to write its best plan down
_CLOSE_SECONDS = 5.0


class WorkerDied(RuntimeError):
    """The process that ran a job ended without an answer."""


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    busy: bool = False
    solved: list[str] = field(default_factory=list)


class Pool:
    """At most so many worker processes, started when they are first needed.

    Parameters
    ----------
    settings
        Where the store is, how many ``workers``, and what each may take.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._most = settings.workers
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._free = threading.Condition()
        self._open = True

    def run(self, tenant: str, job: str, near: str | None = None) -> None:
        """Run a job in a worker and wait for its end.

        ``near`` is a job whose answer a worker may still hold: it is preferred.

        Raises
        ------
        WorkerDied
            If its process ended, or had to be ended, before the job was over.
        """
        worker = self._take(near)
        try:
            worker.pipe.send((tenant, job))
            limit = self._settings.solve_seconds + GRACE_SECONDS
            if not worker.pipe.poll(limit):
                raise WorkerDied(f"it did not stop within {limit:g} seconds")
            worker.solved = worker.pipe.recv()
        except (EOFError, OSError, WorkerDied) as error:
            self._replace(worker)
            code = worker.process.exitcode
            how = str(error) if isinstance(error, WorkerDied) else f"it ended with code {code}"
            raise WorkerDied(how) from error
        self._give_back(worker)

    def processes(self) -> list[int]:
        """Process ids of the workers."""
        with self._free:
            return [worker.process.pid for worker in self._workers if worker.process.pid]

    def close(self) -> None:
        """End the workers; what they ran is unfinished."""
        with self._free:
            self._open = False
            workers, self._workers = self._workers, []
            self._free.notify_all()
        for worker in workers:
            _end(worker)

    def _take(self, near: str | None) -> _Worker:
        with self._free:
            while True:
                if not self._open:
                    raise WorkerDied("the server is closing")
                idle = [worker for worker in self._workers if not worker.busy]
                holding = [worker for worker in idle if near in worker.solved]
                if holding or idle:
                    worker = (holding or idle)[0]
                    break
                if len(self._workers) < self._most:
                    worker = self._start()
                    self._workers.append(worker)
                    break
                self._free.wait()
            worker.busy = True
            return worker

    def _start(self) -> _Worker:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve_jobs, args=(theirs, self._settings), name="gpuopt-worker", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, mine)

    def _give_back(self, worker: _Worker) -> None:
        with self._free:
            worker.busy = False
            self._free.notify()

    def _replace(self, worker: _Worker) -> None:
        _log.warning("a worker (process %s) is gone", worker.process.pid)
        _end(worker)
        with self._free:
            if worker in self._workers:
                self._workers.remove(worker)
            self._free.notify()


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join(_CLOSE_SECONDS)
    worker.pipe.close()
