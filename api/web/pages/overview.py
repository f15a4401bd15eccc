# SPDX-License-Identifier: Apache-2.0
"""The overview: what the newest plan says, how old its data are, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.store import NotFound
from api.store.database import now
from api.web.base import Pages
from api.web.kpis import strip
from api.web.visit import Visit, Visiting

pages = Pages()


@pages.page("/", title="Overview", scope="plans:read", template="overview.html", nav=10)
def overview(visit: Visiting) -> Mapping[str, Any]:
    """Show the newest plan in short."""
    job = visit.newest_plan()
    snapshot = visit.newest_snapshot() if visit.may("snapshots:read") else None
    document = visit.document(job.id) if job else None
    feasible = document is not None and document["status"] != "infeasible"
    return {
        "job": job,
        "document": document,
        "feasible": feasible,
        "figures": strip(document) if document is not None and feasible else [],
        "snapshot": snapshot,
        "planned": _snapshot_of(visit, job.snapshot) if job else None,
        "stale": visit.stale(_snapshot_of(visit, job.snapshot)) if job else False,
        "now": now(),
    }


def _snapshot_of(visit: Visit, name: str | None) -> Any:
    if name is None:
        return None
    try:
        return visit.mine.snapshots.get(name)
    except NotFound:
        return None
