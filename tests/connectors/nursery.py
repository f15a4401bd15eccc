# SPDX-License-Identifier: Apache-2.0
"""A process that has everything imported and forks a ``gpuopt`` for each order it is given.

Starting Python takes longer than a small pull: of processes killed at random moments most
would die before they had begun.  Here every moment is one of the pull itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass
class Ended:
    """How a run ended: its status as ``waitpid`` tells it, its seconds, and its stdout."""

    status: int
    seconds: float
    stdout: str

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def code(self) -> int:
        return os.waitstatus_to_exitcode(self.status)


@dataclass
class Nursery:
    """Orders go in as lines, endings come out as lines."""

    orders: IO[str]
    endings: IO[str]

    def run(
        self, arguments: Sequence[str], *, after: float | None = None, stage: str = ""
    ) -> Ended:
        """Run a command; kill it ``after`` so many seconds, or where it comes to a ``stage``."""
        order = {"arguments": list(arguments), "after": after, "stage": stage}
        print(json.dumps(order), file=self.orders, flush=True)
        return Ended(**json.loads(self.endings.readline()))


@contextmanager
def nursery() -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, __file__],
        cwd=Path(__file__).parents[2],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Nursery(process.stdin, process.stdout)
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _live(order: dict[str, Any], out: int) -> None:
    """What a child does: its stdout is a pipe, and it may die at a stage of the writing."""
    from pathlib import Path as AnyPath

    from api.cli import app
    from connectors import snapshot

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if order["stage"] == "rename":
        AnyPath.rename = die
    elif order["stage"]:
        assert hasattr(snapshot, order["stage"])
        setattr(snapshot, order["stage"], die)
    os.dup2(out, 1)
    code = 0
    try:
        app(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    os._exit(code)


def _serve() -> None:
    # Imports, but nothing that starts a thread: threads do not survive a fork.
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401

    import api.pull  # noqa: F401
    import connectors.focus.source
    import connectors.sources  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                _live(order, writing)
            finally:
                os._exit(70)  # a child never comes back to this loop
        os.close(writing)
        if order["after"] is not None:
            time.sleep(order["after"])
            os.kill(child, signal.SIGKILL)  # not waited for yet: the id is still its own
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        seconds = time.monotonic() - start
        print(json.dumps({"status": status, "seconds": seconds, "stdout": told}), flush=True)


if __name__ == "__main__":
    _serve()
