# SPDX-License-Identifier: Apache-2.0
"""What a solve tells while it runs, and when it has to stop."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


@dataclass(frozen=True)
class Progress:
    """Where a solve is.

    Attributes
    ----------
    phase
        What is being done, for people.
    incumbent, bound
        Dollars of the best plan known and of the certificate, where there are any.
    """

    phase: str
    incumbent: float | None = None
    bound: float | None = None

    @property
    def gap(self) -> float | None:
        """(incumbent − bound) / incumbent."""
        if self.incumbent is None or self.bound is None or not self.incumbent:
            return None
        return (self.incumbent - self.bound) / abs(self.incumbent)

    def times(self, money: float) -> Progress:
        """The same in another unit of money."""
        return Progress(
            self.phase,
            None if self.incumbent is None else self.incumbent * money,
            None if self.bound is None else self.bound * money,
        )

    def __str__(self) -> str:
        if self.gap is None:
            return self.phase
        return (
            f"{self.phase}: best {self.incumbent:,.0f}, bound {self.bound:,.0f}, gap {self.gap:.3%}"
        )


@dataclass
class Watch:
    """Receives progress and decides when to stop; the best plan so far is kept.

    Attributes
    ----------
    tell
        Called with every :class:`Progress`.
    cancelled
        Asked between steps; true stops the solve.
    seconds, memory
        Limits of wall time since the watch was made, and of this process's peak resident
        memory in bytes.  A run that must repeat has neither.
    """

    tell: Callable[[Progress], None] = lambda _: None
    cancelled: Callable[[], bool] = lambda: False
    seconds: float | None = None
    memory: int | None = None
    started: float = field(default_factory=time.monotonic)
    reason: str = ""

    def report(
        self, phase: str, incumbent: float | None = None, bound: float | None = None
    ) -> None:
        """Tell where the solve is."""
        self.tell(Progress(phase, incumbent, bound))

    def left(self) -> float | None:
        """Seconds until the time limit; ``None`` without one."""
        if self.seconds is None:
            return None
        return self.seconds - (time.monotonic() - self.started)

    def stop(self) -> bool:
        """Whether to stop now; the first reason is kept in ``reason``."""
        if not self.reason:
            left = self.left()
            if self.cancelled():
                self.reason = "request"
            elif left is not None and left <= 0:
                self.reason = f"the time limit of {self.seconds:g} seconds"
            elif self.memory is not None and _peak() > self.memory:
                self.reason = f"the memory limit of {self.memory / 2**20:,.0f} MiB"
        return bool(self.reason)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
