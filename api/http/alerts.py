# SPDX-License-Identifier: Apache-2.0
"""``/v1/alerts``: what is not as expected in the newest hours of a snapshot."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.alerts import HOURS
from api.http.plans import Id, need_snapshot
from api.http.solves import Asked, solve_router
from api.store import TenantStore


class AlertRequest(BaseModel):
    """Which hours are looked at."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"snapshot": "snp_019a9f3c5a017c1f0a6b2e9d4c58"}]},
    )
    snapshot: Id
    hours: Annotated[int, Field(ge=1, le=24 * 35)] = Field(
        HOURS, description="the window: so many hours up to the snapshot's as-of"
    )
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="leave out what an earlier alert of this name has seen"
    )


def _prepare(_: Request, mine: TenantStore, asked: AlertRequest) -> Asked:
    snapshot = need_snapshot(mine, asked.snapshot)
    return Asked({"hours": asked.hours, "name": asked.name}, snapshot)


router = solve_router("alert", AlertRequest, _prepare, "reports:read", "reports:write", "an alert")
