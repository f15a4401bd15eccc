# SPDX-License-Identifier: Apache-2.0
"""``/v1/schedules``: a source is pulled, planned, reported on and delivered; or alerts are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import SCOPES, Caller
from api.http.deliveries import need_destination
from api.http.plans import Settings, stated
from api.http.problems import ProblemError, responses
from api.http.pulls import need_source
from api.http.route import By, Mine, Route, Who, scope_of
from api.http.shapes import NEXT, example
from api.store import NotFound, Refused

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], route_class=Route)
MOST = 20
_NAME = r"^[a-z][a-z0-9_-]{0,40}$"
_PULLS, _REPORTS, _DELIVERS = "snapshots:write", "reports:write", "reports:deliver"


class Weekday(StrEnum):
    """A day of the week."""

    monday = "monday"
    tuesday = "tuesday"
    wednesday = "wednesday"
    thursday = "thursday"
    friday = "friday"
    saturday = "saturday"
    sunday = "sunday"


class ScheduleRequest(BaseModel):
    """When, what is pulled, and how it is planned."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "weekly", "source": "weekly", "weekday": "monday", "hour": 6,
                 "put_forward": True, "report": True}
            ]
        },
    )  # fmt: skip
    name: Annotated[str, Field(pattern=_NAME)]
    source: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="pulled first; without one the newest snapshot is planned"
    )
    what: Literal["plan", "alerts"] = Field(
        "plan", description="`alerts`: look for anomalies, and deliver those that are new"
    )
    every: Literal["week", "day", "hour"] = "week"
    weekday: Weekday = Field(Weekday.monday, description="of a weekly one")
    hour: Annotated[int, Field(ge=0, le=23)] = Field(6, description="UTC; of all but hourly ones")
    settings: Settings | None = None
    put_forward: bool = Field(False, description="make the plan's purchases recommendations")
    report: bool = Field(False, description="report on the plan against that of the week before")
    deliver_to: Annotated[
        list[Annotated[str, Field(max_length=100)]],
        Field(max_length=10, description="destinations that the report is delivered to"),
    ] = []


class ScheduleView(BaseModel):
    """A schedule."""

    model_config = example(
        name="weekly", source="weekly", cron="0 6 * * 1",
        request={"put_forward_days": 30}, report=True, deliver_to=["finance"],
    )  # fmt: skip
    name: str
    source: str | None
    what: Literal["plan", "alerts"] = "plan"
    cron: str = Field(description="minute, hour, day, month, day of the week; UTC")
    request: dict[str, Any] = Field(description="what the plan is asked with")
    report: bool = False
    deliver_to: list[str] = []


class SchedulePage(BaseModel):
    """All schedules, by name."""

    items: list[ScheduleView]
    next_page_token: str = NEXT


@router.post(
    "",
    status_code=201,
    response_model=ScheduleView,
    responses=responses("refused", "media-type", "in-flight"),
    operation_id="put_schedule",
    summary="Make a schedule",
    openapi_extra=scope_of("plans:write"),
)
def put(request: Request, mine: Mine, by: By, who: Who, asked: ScheduleRequest) -> ScheduleView:
    """Make a schedule, or put it in the place of the one of its name."""
    if asked.source is not None:
        _need_scope(who, _PULLS, "pulling")
        need_source(request, mine, asked.source)
    if asked.report or asked.deliver_to or asked.what == "alerts":
        _need_scope(who, _REPORTS, "reporting")
    for number, name in enumerate(asked.deliver_to):
        _need_scope(who, _DELIVERS, "delivering")
        need_destination(request, mine, name, f"/deliver_to/{number}")
    if not request.app.state.runner.keeps_schedules:
        raise Refused("this server keeps no schedules. To mend it: ask one of gpuopt serve")
    from api import schedules

    known = {row["name"] for row in schedules.schedules_of(mine.tenant)}
    if len(known | {asked.name}) > MOST:
        raise Refused(f"there are {MOST} schedules. To mend it: remove one")
    work: dict[str, Any] = {"settings": stated(asked.settings)}
    if asked.put_forward:
        work["put_forward_days"] = request.app.state.settings.advice_days
    to = [*dict.fromkeys(asked.deliver_to)]
    mine.audit.add(by, "schedule.made", asked.name, source=asked.source, deliver_to=to)
    schedules.put_schedule(
        mine.tenant, asked.name, _cron(asked), source=asked.source, request=work,
        report=asked.report, deliver_to=to, alerts=asked.what == "alerts",
    )  # fmt: skip
    return next(row for row in _all(request, mine.tenant) if row.name == asked.name)


@router.get(
    "",
    response_model=SchedulePage,
    responses=responses(),
    operation_id="list_schedules",
    summary="The schedules",
    openapi_extra=scope_of("plans:read"),
)
def page(request: Request, mine: Mine) -> SchedulePage:
    """List the schedules: all of them, in one page."""
    return SchedulePage(items=_all(request, mine.tenant), next_page_token="")


@router.delete(
    "/{schedule}",
    response_model=ScheduleView,
    responses=responses(),
    operation_id="remove_schedule",
    summary="Remove a schedule",
    openapi_extra=scope_of("plans:write"),
)
def remove(
    request: Request, mine: Mine, by: By, schedule: Annotated[str, Path(pattern=_NAME)]
) -> ScheduleView:
    """Remove a schedule; jobs that it has asked for go on."""
    found = [row for row in _all(request, mine.tenant) if row.name == schedule]
    if not found:
        raise NotFound("schedule", schedule)
    from api import schedules

    mine.audit.add(by, "schedule.removed", schedule)
    schedules.remove_schedule(mine.tenant, schedule)
    return found[0]


def _cron(asked: ScheduleRequest) -> str:
    if asked.every == "hour":
        return "10 * * * *"  # what a cloud writes at the full hour is there by then
    day = (list(Weekday).index(asked.weekday) + 1) % 7 if asked.every == "week" else "*"
    return f"0 {asked.hour} * * {day}"


def _need_scope(who: Caller, scope: str, what: str) -> None:
    if not who.may(scope):
        raise ProblemError(
            "forbidden",
            f"{what} needs {scope}, which {who.name} ({who.role}) does not have. "
            f"To mend it: use a key of the role {SCOPES[scope]} with that scope",
        )


def _all(request: Request, tenant: str) -> list[ScheduleView]:
    if not request.app.state.runner.keeps_schedules:
        return []
    from api import schedules

    rows = schedules.schedules_of(tenant)
    return sorted((ScheduleView.model_validate(row) for row in rows), key=lambda row: row.name)
