# SPDX-License-Identifier: Apache-2.0
"""The replayed usage of snapshots, kept for pages that ask it again and again."""

from __future__ import annotations

import threading

from api.store import TenantStore
from api.store.kept import Recent
from optimizer.planning.spend import Spend, spend_of
from optimizer.tables import read_case

_MOST = 2  # a year of 500 meters is several hundred MB
_KEPT: Recent[Spend] = Recent(_MOST)
_ONE = threading.Lock()  # two who ask at once wait for one replay


def spend_of_snapshot(mine: TenantStore, snapshot: str) -> Spend:
    """Return the replay of a snapshot's usage; the first to ask waits for it.

    Raises
    ------
    NotFound
        If there is no such snapshot of this tenant.
    DataError
        If it has no usage, or a price that the bill needs is absent.
    """
    name = (mine.tenant, mine.snapshots.get(snapshot).id)
    found = _KEPT.get(name)
    if found is None:
        with _ONE:
            found = _KEPT.get(name)
            if found is None:
                found = spend_of(read_case(mine.snapshots.folder(snapshot)))
                _KEPT.put(name, found)
    return found
