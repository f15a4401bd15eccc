# SPDX-License-Identifier: Apache-2.0
"""What pages ask the service to do; the same requests as the API's."""

from __future__ import annotations

from typing import Any

from api.http.plans import need_snapshot
from api.store import Job
from api.web.visit import Visit

# Where the answer of a kind of job is shown, and which scope reading its jobs needs.
ANSWERS = {
    "plan": "/plans/{}", "what_if": "/what-if/{}", "report": "/reports/{}",
    "backtest": "/backtests/{}",
}  # fmt: skip
READS = {
    "pull": "snapshots:read",
    "report": "reports:read",
    "delivery": "reports:read",
    "alert": "reports:read",
}
WRITES = {
    "pull": "snapshots:write",
    "report": "reports:write",
    "delivery": "reports:deliver",
    "alert": "reports:write",
}


def ask(visit: Visit, kind: str, request: dict[str, Any], snapshot: str | None = None) -> Job:
    """Keep a request as a job of the visitor, and have it run.

    Raises
    ------
    TooMany
        If the tenant has as many unfinished jobs as it may have.
    """
    most = visit.settings.max_queued
    job = visit.mine.jobs.add(kind, request, visit.actor, snapshot=snapshot, most=most)
    visit.runner.submit(visit.mine.tenant, job.id)
    return job


def ask_for_plan(visit: Visit, snapshot: str) -> Job:
    """Ask for a plan of a snapshot, with the snapshot's own settings."""
    request = {"settings": None, "start": None, "detail": False, "put_forward_days": None}
    return ask(visit, "plan", request, need_snapshot(visit.mine, snapshot))


def may_read(visit: Visit, kind: str) -> bool:
    """Whether the visitor may see jobs of a kind."""
    return visit.may(READS.get(kind, "plans:read"))


def write_scope(kind: str) -> str:
    """Return the scope that asking for a kind of job needs, and cancelling it."""
    return WRITES.get(kind, "plans:write")


def answer_of(job: Job) -> str:
    """Where the answer of a job is shown."""
    return ANSWERS.get(job.kind, "/jobs/{}/document.json").format(job.id)
