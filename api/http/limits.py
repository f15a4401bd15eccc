# SPDX-License-Identifier: Apache-2.0
"""How often one may ask: a bucket that refills, for each key and each stranger's address."""

from __future__ import annotations

import threading
import time

_MOST = 10_000  # buckets kept; the fullest are forgotten first, which loses nothing


class Rates:
    """Buckets of so many requests that refill within a minute; of this process alone."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / 60.0
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Take one request; return 0, or the seconds until there is another."""
        moment = time.monotonic()
        with self._lock:
            left, since = self._left.get(name, (self._size, moment))
            left = min(self._size, left + (moment - since) * self._rate)
            granted = left >= 1
            self._left[name] = (left - 1 if granted else left, moment)
            if len(self._left) > _MOST:
                self._forget(moment)
        return 0.0 if granted else (1 - left) / self._rate

    def empty(self, name: str) -> float:
        """Return the seconds until a request could be taken, without taking it."""
        moment = time.monotonic()
        with self._lock:
            left, since = self._left.get(name, (self._size, moment))
        left = min(self._size, left + (moment - since) * self._rate)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def _forget(self, moment: float) -> None:
        full = sorted(
            self._left, key=lambda n: self._left[n][0] + (moment - self._left[n][1]) * self._rate
        )
        for name in full[_MOST // 2 :]:
            del self._left[name]
