# SPDX-License-Identifier: Apache-2.0
"""``/v1/what-ifs`` and ``/v1/sweeps``: what changes if some things are otherwise."""

from __future__ import annotations

from fastapi import Request

from api.http.plans import need_snapshot
from api.http.solves import Asked, need, solve_router
from api.store import NotFound, TenantStore
from api.whatifs import SweepRequest, WhatIfRequest, plain_edits


def _source(mine: TenantStore, asked: WhatIfRequest | SweepRequest) -> str | None:
    """The snapshot that a request is about; a plan must have one, and have ended well."""
    if asked.plan is None:
        return need_snapshot(mine, str(asked.snapshot))
    try:
        job = mine.jobs.get(asked.plan, "plan")
        mine.jobs.document(asked.plan)
    except NotFound:
        raise need(asked.plan, "/plan", "finished plan") from None
    if (job.result or {}).get("plan_status") == "infeasible":
        raise need(asked.plan, "/plan", "feasible plan")
    return job.snapshot


def prepare_what_if(_: Request, mine: TenantStore, asked: WhatIfRequest) -> Asked:
    """Check a question against the store: its plan is there, has ended well and is feasible."""
    snapshot = _source(mine, asked)
    work = {"plan": asked.plan, "snapshot": snapshot, "edits": plain_edits(asked.edits)}
    return Asked({**work, "detail": asked.detail, "full": asked.full}, snapshot)


def _sweep(_: Request, mine: TenantStore, asked: SweepRequest) -> Asked:
    snapshot = _source(mine, asked)
    work = {"plan": asked.plan, "snapshot": snapshot, "sweep": asked.sweep}
    return Asked({**work, "edits": plain_edits(asked.edits)}, snapshot)


router = solve_router(
    "what_if", WhatIfRequest, prepare_what_if, "plans:read", "plans:write", "a what-if"
)
sweeps = solve_router("sweep", SweepRequest, _sweep, "plans:read", "plans:write", "a sweep")
