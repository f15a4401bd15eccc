# SPDX-License-Identifier: Apache-2.0
"""``/v1/kpis``: the key figures of today and of the newest plan, with their formulae."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http.problems import responses
from api.http.route import Mine, Route, scope_of
from api.http.shapes import MONEY, example
from api.store import AdviceState, JobStatus, NotFound, TenantStore
from api.store.kept import Recent
from api.store.models import Document
from optimizer.tables import decimal_string

router = APIRouter(prefix="/v1/kpis", tags=["kpis"], route_class=Route)

FORMULAE = {
    "coverage": "covered usage at on-demand prices ÷ (that + on-demand cost)",
    "utilization": "used ÷ committed, weighted by cost",
    "effective_savings_rate_on_demand": "1 − total ÷ (all usage at the contract's prices)",
    "effective_savings_rate_list_price": "1 − total ÷ (all usage at list prices)",
    "unused_cost": "amortised cost of what is committed and not used",
    "net_savings": "covered usage at on-demand prices − amortised cost of all commitments",
    "remaining_commitment": "amortised cost of what is held and bought, after as_of",
    "savings": "baseline − total: the horizon's bill with what is held, less the plan's",
    "realised": "the bill without the purchases − the bill with them, replayed on what ran",
}


class Kpis(BaseModel):
    """Key figures of the newest plan that succeeded."""

    model_config = example(
        plan="pln_019a9f3c5d217c1f0a6b2e9d4c58",
        snapshot="snp_019a9f3c5a017c1f0a6b2e9d4c58",
        currency="USD",
        as_of="2026-11-21T00:00:00Z",
        horizon_hours=8760,
        baseline="12784424.100000000000",
        total="8363845.200000000000",
        savings="4420578.900000000000",
        kpis={"plan": {"coverage": 0.877, "utilization": 0.915}},
        recommendations={"active": 17, "accepted": 2},
        realised="10211.42",
        formulae=FORMULAE,
    )
    plan: str
    snapshot: str | None
    currency: str
    as_of: str
    horizon_hours: int
    baseline: str | None = Field(None, description=MONEY)
    total: str = Field(description=MONEY)
    savings: str | None = Field(None, description=MONEY)
    kpis: dict[str, Any] = Field(description="`today` and `plan`, as in the plan's document")
    recommendations: dict[str, int] = Field(description="how many are in each state")
    realised: str = Field(description=f"what measured purchases saved so far: {MONEY}")
    formulae: dict[str, str]


@router.get(
    "",
    response_model=Kpis,
    responses=responses(),
    operation_id="get_kpis",
    summary="The key figures",
    openapi_extra=scope_of("kpis:read"),
)
def kpis(
    mine: Mine,
    plan: Annotated[
        str | None, Query(max_length=64, description="of this plan; default: the newest")
    ] = None,
) -> Kpis:
    """Read the key figures of today and of a plan, and what became of recommendations."""
    name = plan or _newest(mine)
    job = mine.jobs.get(name, "plan")
    document = _figures(mine.jobs.document(name))
    if document["status"] == "infeasible":
        raise NotFound("key figure of the infeasible plan", name)
    advice = mine.recommendations.every(*AdviceState)
    saved = sum((Decimal(row.realised["saving"]) for row in advice if row.realised), Decimal(0))
    return Kpis(
        plan=name,
        snapshot=job.snapshot,
        currency=document["currency"],
        as_of=document["as_of"],
        horizon_hours=document["horizon_hours"],
        baseline=document.get("baseline"),
        total=document["total"],
        savings=document.get("savings"),
        kpis=document["kpis"],
        recommendations=dict(sorted(Counter(row.state for row in advice).items())),
        realised=decimal_string(saved),
        formulae=FORMULAE,
    )


def _figures(document: Document) -> dict[str, Any]:
    """What of a plan's document is shown; the document never changes, so it is read once."""
    known = _FIGURES.get(document.digest)
    if known is None:
        whole = json.loads(document.text)
        known = {key: whole[key] for key in _SHOWN if key in whole}
        _FIGURES.put(document.digest, known)
    return known


_SHOWN = (
    "status", "currency", "as_of", "horizon_hours", "baseline", "total", "savings", "kpis",
)  # fmt: skip
_FIGURES: Recent[dict[str, Any]] = Recent(100)


def _newest(mine: TenantStore) -> str:
    found = mine.jobs.newest("plan", JobStatus.succeeded)
    if found is None:
        raise NotFound("plan", "newest")
    return found.id
