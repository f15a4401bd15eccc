# SPDX-License-Identifier: Apache-2.0
"""The jobs, and one job while it runs: how far it is, its problem, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from api.http.solves import JobId, stream
from api.store import Job, JobStatus, NotFound
from api.store.jobs import PREFIXES
from api.web.ask import answer_of, may_read, write_scope
from api.web.base import Pages
from api.web.pages.plans import as_file
from api.web.visit import Visit, Visiting
from optimizer.reporting.document import Column, Kind, Row, Table

pages = Pages()
_MOST = 100  # of each kind


@pages.page("/jobs", title="Jobs", scope="plans:read", template="jobs.html", nav=80)
def jobs(visit: Visiting) -> Mapping[str, Any]:
    """List what was asked for, of all kinds, newest first."""
    found = [
        job
        for kind in PREFIXES
        if may_read(visit, kind)
        for job in visit.mine.jobs.page(kind, _MOST)
    ]
    found.sort(key=lambda job: job.created_at, reverse=True)
    columns = (
        Column("asked", "Asked for", Kind.moment),
        Column("id", "Job"),
        Column("kind", "What"),
        Column("status", "Status", Kind.state),
        Column("phase", "Last said"),
        Column("seconds", "Took", Kind.quantity, "s"),
        Column("by", "By"),
    )
    rows = tuple(
        Row((job.created_at, job.id, job.kind.replace("_", " "), str(job.status), job.phase or "",
             _seconds(job), job.created_by), job.id)
        for job in found
    )  # fmt: skip
    table = Table("jobs", "Jobs", columns, rows, empty="Nothing was asked for yet.")
    return {"jobs": visit.table(table, links={"id": lambda row: f"/jobs/{row.key}"})}


@pages.page("/jobs/{job}", title="Job", scope="plans:read", template="job.html")
def job(visit: Visiting, job: JobId) -> Mapping[str, Any]:
    """Show a job; while it runs, its events are followed by a script, or by loading again."""
    found = _mine(visit, job)
    final = JobStatus(found.status).final
    snapshot = visit.snapshot(found.snapshot)
    events = visit.mine.jobs.events(job)
    steps = [
        {"at": event.at, "event": event.event, "phase": (event.data or {}).get("phase") or ""}
        for event in events
    ]
    return {
        "job": found,
        "final": final,
        "solves": found.kind in {"plan", "what_if", "sweep"},
        "currency": snapshot.currency if snapshot else "USD",
        "kind": found.kind.replace("_", " "),
        "has_answer": visit.mine.jobs.has_document(job) if final else False,
        "answer": answer_of(found),
        "steps": steps[-50:],
        "seconds": _seconds(found),
        "problem": found.problem,
        "may_cancel": visit.may(write_scope(found.kind)),
        "title": f"{found.kind.replace('_', ' ').capitalize()} {found.status}",
    }


@pages.page("/jobs/{job}/events", title="Job", scope="plans:read", template="job.html")
def events(
    visit: Visiting,
    job: JobId,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID", pattern="^[0-9]{1,9}$")] = None,
) -> Response:
    """Follow a job to its end, as ``/v1/…/events`` does."""
    found = _mine(visit, job)
    seen = int(last_event or 0)
    if JobStatus(found.status).final and not visit.mine.jobs.events(job, seen):
        return Response(status_code=204)
    return StreamingResponse(stream(visit.mine, job, seen), media_type="text/event-stream")


@pages.page("/jobs/{job}/document.json", title="Job", scope="plans:read", template="job.html")
def document(visit: Visiting, job: JobId) -> Response:
    """Give the answer to the byte, as a file."""
    _mine(visit, job)
    return as_file(visit, job)


@pages.action("/jobs/{job}/cancel", scope="plans:write")
def cancel(visit: Visiting, job: JobId) -> Response:
    """Ask a job to stop; what it has found so far is kept as its answer."""
    found = _mine(visit, job)
    visit.need(write_scope(found.kind))
    visit.mine.jobs.cancel(job, visit.actor)
    return visit.go(f"/jobs/{job}", "The job was asked to stop.")


def _mine(visit: Visit, job: str) -> Job:
    found = visit.mine.jobs.get(job)
    if not may_read(visit, found.kind):
        raise NotFound("job", job)
    return found


def _seconds(job: Job) -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return round((job.finished_at - job.started_at).total_seconds(), 1)
