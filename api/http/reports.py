# SPDX-License-Identifier: Apache-2.0
"""``/v1/reports``: a plan against the week before, as JSON, HTML, Markdown and CSV."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.deliver.parcel import MARKDOWN, MEDIA, PAGE, TABLES
from api.http.deliveries import need_destination, state_of
from api.http.plans import Id
from api.http.problems import ProblemError, responses
from api.http.route import By, Mine, scope_of
from api.http.shapes import JobView, ReportView
from api.http.solves import (
    ACCEPTED,
    Asked,
    JobId,
    Prefer,
    accept,
    answer,
    need,
    solve_router,
    view,
    wait_for,
)
from api.reports import currency_of, plan_before
from api.store import Job, JobStatus, NotFound, Refused, TenantStore

# A report holds names that others chose. They are escaped; and were one not, nothing could run.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
POLICY += "frame-ancestors 'none'"
_MOST = 100  # deliveries that a report shows

IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="ETags that are known: 304 if it is one")
]
TableName = Annotated[str, Path(max_length=80, pattern=r"^[a-z0-9_][a-z0-9_-]*$")]


class ReportRequest(BaseModel):
    """Which plan is reported on, and against which."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"plan": "pln_019a9f3c5d217c1f0a6b2e9d4c58"}]},
    )
    plan: Id
    before: Id | None = Field(
        None,
        description="the plan to compare with; default: of those whose data are 5 to 9 days "
        "older the one with the same settings and nearest to a week, if there is one",
    )


class DeliveryRequest(BaseModel):
    """Where a report is delivered to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "finance"}]})
    to: Annotated[str, Field(max_length=100, description="the name of a destination")]


def _prepare(_: Request, mine: TenantStore, asked: ReportRequest) -> Asked:
    planned = _finished(mine, asked.plan, "/plan")
    before = plan_before(mine, planned) if asked.before is None else asked.before
    if asked.before is not None:
        earlier = _finished(mine, asked.before, "/before")
        was, now = currency_of(mine, earlier), currency_of(mine, planned)
        if was != now:
            raise ProblemError(
                "invalid",
                f"/before: {asked.before} is in {was}, and {planned.id} in {now}. "
                "To mend it: name an earlier plan of the same currency",
                errors=[{"pointer": "/before", "detail": f"is in {was}, not in {now}"}],
            )
    return Asked({"plan": planned.id, "before": before}, planned.snapshot)


def _finished(mine: TenantStore, plan: str, pointer: str) -> Job:
    try:
        found = mine.jobs.get(plan, "plan")
    except NotFound:
        raise need(plan, pointer, "finished plan") from None
    if found.status != JobStatus.succeeded:
        raise need(plan, pointer, "finished plan")
    return found


def _show(mine: TenantStore, job: Job) -> JobView:
    rows = mine.jobs.asked_of("delivery", "report", job.id, _MOST)
    return ReportView(**dict(view(job)), deliveries=[state_of(row) for row in rows])


router = solve_router(
    "report", ReportRequest, _prepare, "reports:read", "reports:write", "a report",
    shape=ReportView, show=_show,
)  # fmt: skip


@router.get(
    "/{job}/report.html",
    responses={
        **responses(),
        200: {"description": "a page", "content": {"text/html": {"schema": {"type": "string"}}}},
        304: {"description": "it is known"},
    },
    response_class=Response,
    operation_id="report_html",
    summary="A report as a page",
    openapi_extra=scope_of("reports:read"),
)
def page(mine: Mine, job: JobId, if_none_match: IfNoneMatch = None) -> Response:
    """Read a report as one HTML page that asks for nothing else."""
    return _rendering(mine, job, PAGE, if_none_match)


@router.get(
    "/{job}/report.md",
    responses={
        **responses(),
        200: {"description": "Markdown",
              "content": {"text/markdown": {"schema": {"type": "string"}}}},
        304: {"description": "it is known"},
    },
    response_class=Response,
    operation_id="report_markdown",
    summary="A report as Markdown",
    openapi_extra=scope_of("reports:read"),
)  # fmt: skip
def markdown(mine: Mine, job: JobId, if_none_match: IfNoneMatch = None) -> Response:
    """Read a report as Markdown, for chats and pull requests."""
    return _rendering(mine, job, MARKDOWN, if_none_match)


@router.get(
    "/{job}/tables/{table}.csv",
    responses={
        **responses(),
        200: {"description": "a CSV", "content": {"text/csv": {"schema": {"type": "string"}}}},
        304: {"description": "it is known"},
    },
    response_class=Response,
    operation_id="report_table_csv",
    summary="A table of a report, as CSV",
    openapi_extra=scope_of("reports:read"),
)
def table_csv(
    mine: Mine, job: JobId, table: TableName, if_none_match: IfNoneMatch = None
) -> Response:
    """Read a table as CSV; `result.files` of the report names them."""
    return _rendering(mine, job, f"{TABLES}/{table}.csv", if_none_match)


@router.post(
    "/{job}/deliveries",
    response_model=JobView,
    responses={**responses("refused", "in-flight", "media-type"), **ACCEPTED},
    operation_id="ask_delivery",
    summary="Deliver a report",
    openapi_extra=scope_of("reports:deliver"),
)
async def deliver(
    request: Request, mine: Mine, by: By, job: JobId, asked: DeliveryRequest, prefer: Prefer = ""
) -> Response:
    """Deliver a report to a destination, also if it was delivered there before.

    The answer is a delivery: a job that is tried again until it is taken (`/v1/deliveries`).
    """

    def keep() -> Job:
        report = mine.jobs.get(job, "report")
        need_destination(request, mine, asked.to)
        if report.status != JobStatus.succeeded:
            msg = f"{job} is {report.status}"
            raise Refused(f"{msg}. To mend it: deliver reports that have succeeded")
        work = {"report": report.id, "to": asked.to}
        return accept(request, mine, by, "delivery", Asked(work, report.snapshot))

    kept = await run_in_threadpool(keep)
    found, applied = await wait_for(request, mine, kept.id, prefer)
    return answer(found, applied=applied)


def _rendering(mine: TenantStore, job: str, name: str, known: str | None) -> Response:
    try:
        found = mine.renderings.get(job, name)
    except NotFound:
        mine.jobs.get(job, "report")  # it may be that there is no such report
        raise
    tag = f'"{found.digest}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    suffix = name.rpartition(".")[2]
    if suffix == "html":
        headers["Content-Security-Policy"] = POLICY
    if suffix == "csv":
        file = name.rpartition("/")[2]
        headers["Content-Disposition"] = f'attachment; filename="{file}"'
    tags = {part.strip().removeprefix("W/") for part in (known or "").split(",")}
    if tags & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(found.text, media_type=MEDIA[suffix], headers=headers)
