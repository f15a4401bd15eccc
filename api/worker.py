# SPDX-License-Identifier: Apache-2.0
"""A worker process: opens the store and runs the jobs that it is told, one after the other."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Given:
    """Where the store is, and what a worker may take.

    Attributes
    ----------
    seconds
        Wall time of a solve; then it answers with its best plan so far.
    memory
        Bytes of address space of the process; then the job fails.
    """

    url: str
    folder: str
    seconds: float | None = None
    memory: int | None = None


def serve_jobs(pipe: Connection, given: Given) -> None:
    """Run jobs until the server is gone."""
    _end_with_the_server()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if given.memory is not None and sys.platform != "darwin":  # which does not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (given.memory, given.memory))
    from pathlib import Path

    from api.solved import held
    from api.store import Store
    from api.work import run_job

    store = Store(given.url, Path(given.folder))
    while True:
        try:
            tenant, job = pipe.recv()
        except EOFError:
            os._exit(0)
        run_job(store, tenant, job, seconds=given.seconds)
        pipe.send(held())


def _end_with_the_server() -> None:
    """End as soon as the server does: what it does not know of must not run on."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_SECONDS):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=watch, name="gpuopt-parent", daemon=True).start()
