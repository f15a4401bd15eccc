# SPDX-License-Identifier: Apache-2.0
"""``/v1/backtests``: rules of purchase walked through a snapshot's own history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.plans import Id, need_snapshot
from api.http.solves import Asked, solve_router
from api.store import TenantStore

_YEARS = 5 * 8760


class BacktestRequest(BaseModel):
    """Which history is walked, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"snapshot": "snp_019a9f3c5a017c1f0a6b2e9d4c58", "starts": 1}]
        },
    )
    snapshot: Id
    every_hours: Annotated[int, Field(ge=24, le=_YEARS)] = Field(
        730, description="hours between purchases"
    )
    starts: Annotated[int, Field(ge=1, le=12)] = Field(3, description="start dates")
    backwards: bool = Field(True, description="also walk the history backwards")
    term_hours: Annotated[int, Field(ge=1, le=_YEARS)] | None = Field(
        None, description="the term that is tested; default: the shortest of each offer"
    )
    detail: bool = Field(False, description="every date of every rule")


def _prepare(_: Request, mine: TenantStore, asked: BacktestRequest) -> Asked:
    snapshot = need_snapshot(mine, asked.snapshot)
    return Asked(asked.model_dump(exclude={"snapshot"}), snapshot)


router = solve_router(
    "backtest", BacktestRequest, _prepare, "plans:read", "plans:write", "a backtest"
)
