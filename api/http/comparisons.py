# SPDX-License-Identifier: Apache-2.0
"""``/v1/comparisons``: a plan beside the providers' own advice, scored by the same replay."""

from __future__ import annotations

import json

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from api.http.plans import Id
from api.http.solves import Asked, need, solve_router
from api.store import NotFound, TenantStore


class ComparisonRequest(BaseModel):
    """Which plan is compared; the advice is that of its snapshot."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"plan": "pln_019a9f3c5d217c1f0a6b2e9d4c58"}]},
    )
    plan: Id


def _prepare(_: Request, mine: TenantStore, asked: ComparisonRequest) -> Asked:
    try:
        job = mine.jobs.get(asked.plan, "plan")
        document = json.loads(mine.jobs.document(asked.plan).text)
    except NotFound:
        raise need(asked.plan, "/plan", "finished plan") from None
    if document["status"] == "infeasible":
        raise need(asked.plan, "/plan", "feasible plan")
    settings = job.request.get("settings")
    return Asked({"plan": asked.plan, "settings": settings}, job.snapshot)


router = solve_router(
    "comparison", ComparisonRequest, _prepare, "plans:read", "plans:write", "a comparison"
)
