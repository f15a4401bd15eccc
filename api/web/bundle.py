# SPDX-License-Identifier: Apache-2.0
"""The script of live charts, made in a process of its own.

To make it takes seconds in which the converter lets no other thread of its process run: a server
that made it itself would answer nobody meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

_SECONDS = 120.0


def bundle_apart() -> bytes:
    """Return what ``optimizer.reporting.charts.javascript`` makes, made by a child.

    Raises
    ------
    EOFError, OSError
        If the child ended without it.
    TimeoutError
        If it takes longer than two minutes.
    """
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_make, args=(theirs,), name="gpuopt-charts", daemon=True)
    child.start()
    theirs.close()
    try:
        if not mine.poll(_SECONDS):
            raise TimeoutError(f"no script of charts within {_SECONDS:g} seconds")
        return mine.recv_bytes()
    finally:
        mine.close()
        child.kill()
        child.join()


def _make(pipe: Connection) -> None:
    """What the child does: give way to all others, and send the script."""
    # A terminal's Ctrl-C reaches all of its processes; the server ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from optimizer.reporting import charts

    if hasattr(os, "nice"):
        os.nice(19)
    pipe.send_bytes(charts.javascript().encode())
