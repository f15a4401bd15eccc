# SPDX-License-Identifier: Apache-2.0
"""The anomalies and the pace of snapshots, kept: a snapshot never changes, and neither do they."""

from __future__ import annotations

import threading

from api.store import TenantStore
from api.store.kept import Recent
from optimizer.errors import UsageError
from optimizer.planning.anomalies import Findings, findings_of
from optimizer.planning.budgets import Pace, pace
from optimizer.planning.spend import parse_window
from optimizer.tables import Case, read_case

_FOUND: Recent[Findings] = Recent(5_000)  # anomalies
_PACES: Recent[Pace] = Recent(5_000)  # budgets and days
_ONE = threading.Lock()  # two who ask at once wait for one


def findings_in(mine: TenantStore, snapshot: str, words: str) -> Findings:
    """Return what ran or cost otherwise than expected in a window of a snapshot.

    Parameters
    ----------
    words
        A window as on the page of usage, which ends when the snapshot's data do at the latest.

    Raises
    ------
    NotFound
        If there is no such snapshot of this tenant.
    UsageError
        If the words are no window, or one that has not begun.
    DataError
        If it has neither usage nor workloads.
    """
    row = mine.snapshots.get(snapshot)
    name = (mine.tenant, row.id, words)
    found = _FOUND.get(name)
    if found is None:
        with _ONE:
            found = _FOUND.get(name)
            if found is None:
                found = _find(read_case(mine.snapshots.folder(row.id)), words)
                _FOUND.put(name, found, len(found.anomalies) + 1)
    return found


def _find(case: Case, words: str) -> Findings:
    now = case.settings.as_of
    usage = case.usage_cells() if case.has("usage") else None
    first = now  # where no table has a row
    if usage is not None and usage.hours:
        first = usage.first_hour
    elif case.has("workloads") and len(hours := case.table("workloads")["hour"]):
        first = int(hours.min())
    window = parse_window(words, now, (min(first, now), now))
    if window.first >= now:
        raise UsageError(
            f"the window '{words}' begins when the data end. To mend it: write one of the past, "
            "as 7d"
        )
    return findings_of(case, window.first, window.last, usage=usage)


def pace_of(mine: TenantStore, snapshot: str) -> Pace:
    """Return how the month of a snapshot goes, and its budgets.

    Raises
    ------
    NotFound
        If there is no such snapshot of this tenant.
    DataError
        If it has no usage, a row of its budgets is refused, or a price is missing.
    """
    row = mine.snapshots.get(snapshot)
    name = (mine.tenant, row.id)
    found = _PACES.get(name)
    if found is None:
        with _ONE:
            found = _PACES.get(name)
            if found is None:
                found = pace(read_case(mine.snapshots.folder(row.id)))
                _PACES.put(name, found, len(found.budgets) + len(found.days))
    return found
