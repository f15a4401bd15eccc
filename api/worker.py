# SPDX-License-Identifier: Apache-2.0
"""A worker process: opens the store and runs the jobs that it is told, one after the other."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection

from api.settings import ServiceSettings

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 1.0


def serve_jobs(pipe: Connection, settings: ServiceSettings) -> None:
    """Run jobs until the server is gone."""
    _end_with_the_server()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _give_way(settings.worker_nice)
    memory = settings.worker_memory_bytes
    if memory and sys.platform != "darwin":  # which does not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from api.logs import configure
    from api.solved import held
    from api.store import Store
    from api.work import run_job

    configure(settings.log_level)
    store = Store(settings.url, settings.data_dir)
    while True:
        try:
            tenant, job = pipe.recv()
        except EOFError:
            os._exit(0)
        run_job(store, tenant, job, seconds=float(settings.solve_seconds), settings=settings)
        pipe.send(held())


def _give_way(nice: int) -> None:
    """Leave the processor to whoever reads: solving takes what is left."""
    if not nice:
        return
    os.nice(nice)
    if hasattr(os, "SCHED_BATCH"):  # Linux: no preference for having slept, longer slices
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


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
