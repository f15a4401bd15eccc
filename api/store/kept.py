# SPDX-License-Identifier: Apache-2.0
"""What a process keeps in memory of the database: documents, and keys for a moment.

A document never changes, so that a copy is as good as the row. A key can be revoked and a
session ended: this process forgets all of them as soon as it changes one, and what another
process changed within ``KEY_SECONDS``.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from api.store.models import Document, Key, PageSession

KEY_SECONDS = 2.0
_MOST_KEYS = 1_000
_MOST_CHARACTERS = 32 << 20

Kept = TypeVar("Kept")
Known = TypeVar("Known", Key, PageSession)


class Recent(Generic[Kept]):
    """The values that were used last, as many as weigh no more than ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, name: Hashable) -> Kept | None:
        """Return what is kept under a name."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def put(self, name: Hashable, value: Kept, weight: int = 1) -> None:
        """Keep a value; those that were not used for longest make room."""
        with self._lock:
            if weight > self._most or name in self._kept:
                return
            self._kept[name] = (value, weight)
            self._weight += weight
            while self._weight > self._most:
                _, (_, lighter) = self._kept.popitem(last=False)
                self._weight -= lighter


class Documents:
    """Documents that were read, by tenant and job."""

    def __init__(self) -> None:
        self._recent: Recent[Document] = Recent(_MOST_CHARACTERS)

    def get(self, tenant: str, job: str) -> Document | None:
        """Return a document that was read before."""
        return self._recent.get((tenant, job))

    def put(self, document: Document) -> None:
        """Keep a document that was read."""
        name = (document.tenant, document.job)
        self._recent.put(name, document, len(document.text) + 1_000)


class Lately(Generic[Known]):
    """Rows that were read within the last ``KEY_SECONDS``, by what finds them."""

    def __init__(self, name: Callable[[Known], str]) -> None:
        self._name: Callable[[Known], str] = name
        self._lock = threading.Lock()
        self._change = 0
        self._kept: dict[str, tuple[Known, float]] = {}

    def get(self, name: str) -> Known | None:
        """Return the row of a name if it was read a moment ago."""
        found = self._kept.get(name)
        return found[0] if found and time.monotonic() - found[1] < KEY_SECONDS else None

    def change(self) -> int:
        """Say how often rows were changed here; to be asked before one is read."""
        return self._change

    def put(self, row: Known, change: int, since: float) -> None:
        """Keep a row that was read from the moment ``since`` on, unless one changed."""
        with self._lock:
            if change != self._change:
                return
            if len(self._kept) >= _MOST_KEYS:
                self._kept.clear()
            self._kept[self._name(row)] = (row, since)

    def forget(self) -> None:
        """Forget all: one was changed."""
        with self._lock:
            self._change += 1
            self._kept.clear()


def known_keys() -> Lately[Key]:
    """Return an empty memory of keys, by their first part."""
    return Lately(lambda row: row.prefix)


def known_sessions() -> Lately[PageSession]:
    """Return an empty memory of sessions, by their id."""
    return Lately(lambda row: row.id)
