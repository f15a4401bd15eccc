# SPDX-License-Identifier: Apache-2.0
"""``/v1/plans``: what to buy, with the proof of how good it is."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.csvs import csv_response
from api.http.problems import responses
from api.http.route import Mine, scope_of
from api.http.solves import Asked, JobId, need, solve_router
from api.store import NotFound, TenantStore

Id = Annotated[str, Field(max_length=64)]
Money = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?$")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Finance(BaseModel):
    """``[finance]`` of case.toml."""

    model_config = ConfigDict(extra="forbid")
    discount_rate: Annotated[str, Field(pattern=r"^[0-9](\.[0-9]{1,12})?$")] | None = None
    after_horizon: Literal["tail", "prorata"] | None = None


class Risk(BaseModel):
    """``[risk]`` of case.toml."""

    model_config = ConfigDict(extra="forbid")
    measure: Literal["expected", "cvar"] | None = None
    cvar_alpha: Share | None = None
    cvar_weight: Share | None = None
    queueing: Literal["off", "mgc"] | None = None
    quality_confidence: Share | None = None


class Limits(BaseModel):
    """``[limits]`` of case.toml; ``null`` takes a limit away."""

    model_config = ConfigDict(extra="forbid")
    upfront_cash: Money | None = None
    largest_purchase: Money | None = None
    spot_share: Share | None = None
    quality_average: Share | None = None
    max_unused_share: Share | None = None
    survive_zone_loss: bool | None = None


class Solve(BaseModel):
    """``[solve]`` of case.toml."""

    model_config = ConfigDict(extra="forbid")
    method: Literal["auto", "reference", "partition", "mathopt"] | None = None
    gap: Share | None = None
    seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class Settings(BaseModel):
    """Settings that stand in the place of the snapshot's own; see case.toml."""

    model_config = ConfigDict(extra="forbid")
    horizon_hours: Annotated[int, Field(ge=1, le=5 * 8760)] | None = None
    finance: Finance | None = None
    risk: Risk | None = None
    limits: Limits | None = None
    solve: Solve | None = None


class PlanRequest(BaseModel):
    """What is planned."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "snapshot": "snp_019a9f3c5a017c1f0a6b2e9d4c58",
                    "settings": {"horizon_hours": 8760, "limits": {"upfront_cash": "250000"}},
                    "put_forward": True,
                }
            ]
        },
    )
    snapshot: Id
    settings: Settings | None = None
    start: Id | None = Field(None, description="an earlier plan to start the search from")
    detail: bool = Field(False, description="every row: hours, lines, losers")
    put_forward: bool = Field(
        False, description="make the purchases recommendations once the plan has succeeded"
    )


def stated(settings: BaseModel | None) -> dict[str, Any] | None:
    """Return the settings that a request states; what it leaves out is left to the snapshot."""
    return None if settings is None else settings.model_dump(mode="json", exclude_unset=True)


def need_snapshot(mine: TenantStore, snapshot: str) -> str:
    """Refuse a snapshot that there is none of."""
    try:
        return mine.snapshots.get(snapshot).id
    except NotFound:
        raise need(snapshot, "/snapshot", "snapshot") from None


def _prepare(request: Request, mine: TenantStore, asked: PlanRequest) -> Asked:
    snapshot = need_snapshot(mine, asked.snapshot)
    if asked.start is not None:
        try:
            mine.jobs.get(asked.start, "plan")
            mine.jobs.document(asked.start)
        except NotFound:
            raise need(asked.start, "/start", "finished plan") from None
    days = request.app.state.settings.advice_days if asked.put_forward else None
    work = {
        "settings": stated(asked.settings),
        "start": asked.start,
        "detail": asked.detail,
        "put_forward_days": days,
    }
    return Asked(work, snapshot)


router = solve_router("plan", PlanRequest, _prepare, "plans:read", "plans:write", "a plan")


@router.get(
    "/{job}/purchases.csv",
    responses={
        **responses(),
        200: {"description": "a CSV", "content": {"text/csv": {"schema": {"type": "string"}}}},
    },
    response_class=Response,
    operation_id="plan_purchases_csv",
    summary="What to buy, as CSV",
    openapi_extra=scope_of("plans:read"),
)
def purchases(mine: Mine, job: JobId) -> Response:
    """Read what to buy as CSV; texts that a spreadsheet would run begin with an apostrophe."""
    mine.jobs.get(job, "plan")
    document = json.loads(mine.jobs.document(job).text)
    columns = ("offer", "provider_offer_id", "law", "quantity", "measure", "upfront", "hourly",
               "monthly", "term_hours", "start", "end", "cost", "break_even_hours")  # fmt: skip
    return csv_response(columns, document.get("purchases", []), f"{job}.csv")
