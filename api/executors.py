# SPDX-License-Identifier: Apache-2.0
"""Where sweeps and backtests run: processes here, or a Dask cluster by setting.

``GPUOPT_CLUSTER`` is the address of a Dask scheduler (extra ``cluster``), whose workers see the
same folders; without it there is a process for each core, or as many as ``GPUOPT_WORKERS``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from optimizer.errors import UsageError

CLUSTER, WORKERS = "GPUOPT_CLUSTER", "GPUOPT_WORKERS"


def worker_count() -> int:
    """How many processes to use here."""
    text = os.environ.get(WORKERS, "")
    if not text:
        return os.cpu_count() or 1
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        msg = f"{WORKERS} is {text!r}, no number of processes. To mend it: write 1 to 1024"
        raise UsageError(msg)
    return int(text)


@contextmanager
def open_executor() -> Iterator[tuple[Executor, int]]:
    """An executor and how many workers it has: the cluster's, else processes here.

    Raises
    ------
    UsageError
        If a setting is wrong, the cluster is not there, or its extra is not installed.
    """
    with cluster_executor() as (cluster, workers):
        if cluster is not None:
            yield cluster, workers
            return
        count = worker_count()
        # Forked children would share locks of solver threads that are not there any more.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            yield pool, count


@contextmanager
def cluster_executor() -> Iterator[tuple[Executor | None, int]]:
    """The executor of the Dask cluster that is set; ``None`` where none is.

    Raises
    ------
    UsageError
        If the cluster is not there, or its extra is not installed.
    """
    address = os.environ.get(CLUSTER, "")
    if not address:
        yield None, 1
        return
    try:
        from distributed import Client
    except ImportError:
        msg = f"{CLUSTER} is set, but Dask is not installed. To mend it: install gpuopt[cluster]"
        raise UsageError(msg) from None
    try:
        client: Any = Client(address, timeout=10)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, ValueError) as error:
        msg = f"there is no Dask scheduler at {address} ({error}). To mend it: correct {CLUSTER}"
        raise UsageError(msg) from None
    with client:
        yield client.get_executor(), max(1, len(client.scheduler_info()["workers"]))
