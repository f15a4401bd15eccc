# SPDX-License-Identifier: Apache-2.0
"""The commitments: what is held, what waits, what ends soon, how it is used, what is owed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from api.store.kept import Recent
from api.store.models import Snapshot
from api.web.base import Pages
from api.web.kpis import Shown
from api.web.pages.plans import plan_charts
from api.web.visit import Visit, Visiting
from optimizer.reporting import plan_tables
from optimizer.reporting.document import Kind
from optimizer.reporting.inventory import EXPIRING_DAYS, Held, held_of, inventory
from optimizer.reporting.render.values import shown
from optimizer.tables import read_case

pages = Pages()
_HELD: Recent[tuple[Held, ...]] = Recent(20_000)  # commitments


def held(visit: Visit, snapshot: Snapshot) -> tuple[Held, ...]:
    """Return what a snapshot holds; a snapshot never changes, so it is read once."""
    known = _HELD.get(snapshot.id)
    if known is None:
        known = held_of(read_case(visit.mine.snapshots.root / snapshot.name))
        _HELD.put(snapshot.id, known, len(known) + 1)
    return known


@pages.page(
    "/commitments", title="Commitments", scope="snapshots:read", template="commitments.html", nav=60
)
def commitments(visit: Visiting) -> Mapping[str, Any]:
    """Show the inventory of the newest snapshot, and what the newest plan says of it."""
    snapshot = visit.newest_snapshot()
    if snapshot is None:
        origin = visit.request.app.state.web.cookies.origin(visit.request)
        return {"snapshot": None, "origin": origin}
    job = visit.newest_plan() if visit.may("plans:read") else None
    document = visit.document(job.id) if job else None
    if document is not None and document["status"] == "infeasible":
        document = None
    found = held(visit, snapshot)
    lock_in = plan_tables.lock_in(document) if document else None
    return {
        "snapshot": snapshot,
        "job": job if document else None,
        "other": bool(job and document and job.snapshot != snapshot.id),
        "stale": visit.stale(snapshot),
        "figures": _figures(found, snapshot.currency, document),
        "commitments": visit.table(
            inventory(found, document),
            snapshot.currency,
            links={"commitment": lambda row: f"/commitments?commitments.q={quote(row.key)}"},
        ),
        "owed": plan_charts(visit, job.id, document).get("lock_in") if job and document else None,
        "lock_in": visit.table(lock_in, snapshot.currency) if lock_in else None,
    }


def _figures(
    found: tuple[Held, ...], currency: str, document: Mapping[str, Any] | None
) -> list[Shown]:
    def money(value: Decimal | None) -> str:
        return shown(value, Kind.money, currency)

    def count(state: str) -> str:
        return str(sum(one.state == state for one in found))

    kept = [one for one in found if one.renews and one.cancel_until]
    today = (document or {}).get("kpis", {}).get("today", {})
    return [
        Shown("Held", count("held"), formula="in force, and ends later than those that expire"),
        Shown("Expiring", count("expiring"), formula=f"ends within {EXPIRING_DAYS} days"),
        Shown("Queued", count("queued"), formula="bought, and has not begun"),
        Shown("Remaining", money(sum((one.remaining for one in found), Decimal(0))),
              formula="amortised cost of the hours of all terms that are to come"),
        Shown("Utilization", shown(today.get("utilization"), Kind.share, currency),
              formula="used ÷ committed, weighted by cost, with what is held alone"),
        Shown("Renew by themselves", str(len(kept)), formula="unless they are cancelled in time"),
    ]  # fmt: skip
