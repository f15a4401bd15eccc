# SPDX-License-Identifier: Apache-2.0
"""The report archive: reports as they were made, read in a sandbox, kept as files, delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Response

from api.deliver.parcel import MARKDOWN, PAGE, TABLES
from api.http.reports import POLICY, TableName
from api.http.solves import JobId
from api.reports import plan_before
from api.store import JobStatus, NotFound
from api.web.ask import ask
from api.web.base import Pages
from api.web.visit import Visiting
from optimizer.reporting.document import Column, Kind, Row, Table

pages = Pages()
_MOST = 200
# Shown in a frame of this site alone. Nothing in it runs: names in it were chosen by others.
_FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
_FILES = {"report.html": (PAGE, "text/html"), "report.md": (MARKDOWN, "text/markdown")}
FileName = Annotated[str, Path(pattern=r"^report\.(html|md)$")]


@pages.page("/reports", title="Reports", scope="reports:read", template="reports.html", nav=70)
def reports(visit: Visiting) -> Mapping[str, Any]:
    """List the reports, newest first."""
    jobs = visit.mine.jobs.page("report", _MOST)
    columns = (
        Column("asked", "Made", Kind.moment),
        Column("title", "Report"),
        Column("headline", "Headline"),
        Column("status", "Status", Kind.state),
        Column("plan", "Plan"),
        Column("by", "By"),
    )
    rows = tuple(
        Row((job.created_at, (job.result or {}).get("title", job.id),
             (job.result or {}).get("headline", ""), str(job.status),
             job.request.get("plan", ""), job.created_by), job.id)
        for job in jobs
    )  # fmt: skip
    table = Table("reports", "Reports", columns, rows, empty="No report was made yet.",
                  rest=f"The newest {_MOST}." if len(rows) == _MOST else "")  # fmt: skip
    newest = visit.newest_plan() if visit.may("plans:read") else None
    links = {
        "title": lambda row: f"/reports/{row.key}",
        "plan": lambda row: f"/plans/{row.values[4]}" if row.values[4] else None,
    }
    return {"reports": visit.table(table, links=links), "newest": newest}


@pages.action("/reports", scope="reports:write")
def report_on(visit: Visiting) -> Response:
    """Ask for a report on the newest plan, against that of the week before."""
    job = visit.newest_plan()
    if job is None:
        raise NotFound("plan", "newest")
    request = {"plan": job.id, "before": plan_before(visit.mine, job)}
    made = ask(visit, "report", request, job.snapshot)
    return visit.go(f"/jobs/{made.id}", "The report was asked for.")


@pages.page("/reports/{job}", title="Report", scope="reports:read", template="report.html")
def report(visit: Visiting, job: JobId) -> Mapping[str, Any] | Response:
    """Show a report; one that is not ready is shown as the job that it is."""
    found = visit.mine.jobs.get(job, "report")
    if found.status != JobStatus.succeeded:
        return visit.go(f"/jobs/{job}")
    visit.framed = True
    result = found.result or {}
    names = [str(name) for name in result.get("files", ())]
    sent = visit.mine.jobs.asked_of("delivery", "report", job, 100)
    columns = (
        Column("to", "To"),
        Column("status", "Status", Kind.state),
        Column("at", "At", Kind.moment),
        Column("why", "Problem"),
    )
    rows = tuple(
        Row((str(row.request.get("to", "")), str(row.status), row.finished_at or row.created_at,
             str((row.problem or {}).get("detail", ""))), row.id)
        for row in sent
    )  # fmt: skip
    table = Table("deliveries", "Deliveries", columns, rows, empty="It was not delivered.")
    return {
        "job": found,
        "result": result,
        "tables": visit.tables,
        "files": sorted(n.rpartition("/")[2] for n in names if n.startswith(f"{TABLES}/")),
        "deliveries": visit.table(table, links={"to": lambda row: f"/jobs/{row.key}"}),
        "title": result.get("title", "Report"),
    }


@pages.page("/reports/{job}/files/{name}", title="Report", scope="reports:read",
            template="report.html")  # fmt: skip
def file(visit: Visiting, job: JobId, name: FileName, keep: bool = False) -> Response:
    """Give the report as it was made: to be shown in a frame, or with ``keep`` as a file."""
    visit.mine.jobs.get(job, "report")
    kept, media = _FILES[name]
    headers = {"Content-Security-Policy": _FRAMED, "X-Frame-Options": "SAMEORIGIN"}
    if keep or name.endswith(".md"):
        headers["Content-Disposition"] = f'attachment; filename="{job}-{name}"'
    found = visit.mine.renderings.get(job, kept)
    return Response(found.text, media_type=media, headers=headers)


@pages.page("/reports/{job}/tables/{table}.csv", title="Report", scope="reports:read",
            template="report.html")  # fmt: skip
def table_csv(visit: Visiting, job: JobId, table: TableName) -> Response:
    """Give a table of a report as CSV."""
    visit.mine.jobs.get(job, "report")
    found = visit.mine.renderings.get(job, f"{TABLES}/{table}.csv")
    headers = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    return Response(found.text, media_type="text/csv", headers=headers)
