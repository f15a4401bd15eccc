# SPDX-License-Identifier: Apache-2.0
"""Reports as jobs: a plan against the plan of the week before, rendered once and kept.

The document is the report's JSON. Its other forms are written in the same transaction, so that
what was read, sent and filed of a report is the same to the byte, then and later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.deliver.parcel import JSON, MESSAGES, one_line, renderings, slug
from api.plans import changed_settings
from api.store import AdviceState, Job, JobStatus, TenantStore
from api.store.models import Recommendation
from api.work import Answer, Stopped, Task
from optimizer.reporting.weekly import weekly_report
from optimizer.tables import Case, format_hour, parse_hour, read_case

WEEK = timedelta(days=7)
LEAST, MOST = timedelta(days=5), timedelta(days=9)
_LOOKED_AT = 500  # plans, the newest


def report_job(task: Task) -> Answer:
    """Report on a plan; the request names the one before, or none."""
    mine, asked = task.store, task.request
    planned = mine.jobs.get(str(asked["plan"]), "plan")
    before = mine.jobs.get(str(asked["before"]), "plan") if asked.get("before") else None
    task.progress("reading tables")
    case, earlier = _case(mine, planned), None if before is None else _case(mine, before)
    task.progress("replaying the week")
    report = weekly_report(
        case,
        _document(mine, planned.id),
        before=None if before is None else _document(mine, before.id),
        advice=advice_of(mine, planned.id),
        earlier=earlier,
        name=case.settings.name or one_line(task.tenant_name),
    )
    if task.stopped():
        raise Stopped("the report was stopped; half of one is none")
    texts = renderings(report)
    document = texts.pop(JSON)
    shown = sorted(name for name in texts if name not in MESSAGES)
    result = {
        "name": slug(report.name),
        "title": one_line(report.title),
        "headline": one_line(report.headline, 500),
        "currency": report.currency,
        "plan": planned.id,
        "before": asked.get("before"),
        "files": shown,
    }

    def keep(session: Session) -> None:
        mine.renderings.add_in(session, task.job.id, texts)

    return Answer(document, result, keep, complete=True)


def advice_of(mine: TenantStore, plan: str) -> list[dict[str, Any]]:
    """The earlier recommendations of a tenant as JSON values, oldest first.

    Those of the plan itself are not advice that could have been followed, and what was
    superseded is told of the plan before; money of another currency cannot be set beside
    the plan's. ``plan`` of a row is the id that the plan's document bears, as in the plan
    before, and ``until`` the end of its horizon.
    """
    currency = currency_of(mine, mine.jobs.get(plan))
    plans: dict[str, dict[str, Any]] = {}
    rows = []
    for row in mine.recommendations.every(*(s for s in AdviceState if s != "superseded")):
        if row.plan == plan:
            continue
        if row.plan not in plans:
            same = currency_of(mine, mine.jobs.get(row.plan)) == currency
            plans[row.plan] = _horizon(mine, row.plan) if same else {}
        if plans[row.plan]:
            rows.append({**_plain(row), **plans[row.plan]})
    return rows


def _horizon(mine: TenantStore, job: str) -> dict[str, Any]:
    """What a plan is called, and until when its numbers reach."""
    name = str((mine.jobs.get(job).result or {}).get("plan", job))
    document = _document(mine, job)
    until = parse_hour(str(document["as_of"])) + int(document["horizon_hours"])
    return {"plan": name, "until": format_hour(until)}


def plan_before(mine: TenantStore, plan: Job) -> str | None:
    """The plan that a plan's report compares with: that of about a week before.

    Of the plans in the same currency whose data are 5 to 9 days older, those made with the same
    settings come first, then those nearest to 7 days, then the newest.
    """
    moments: dict[str, datetime] = {}

    def as_of(job: Job) -> datetime:
        name = str(job.snapshot)
        if name not in moments:
            moments[name] = mine.snapshots.get(name).as_of
        return moments[name]

    now, currency = as_of(plan), currency_of(mine, plan)
    found = [
        job
        for job in mine.jobs.page("plan", _LOOKED_AT, status=JobStatus.succeeded)
        if job.id != plan.id
        and (job.result or {}).get("plan_status") != "infeasible"
        and currency_of(mine, job) == currency
        and LEAST <= now - as_of(job) <= MOST
    ]
    wanted = plan.request.get("settings")
    best = min(
        found,
        key=lambda job: (
            job.request.get("settings") != wanted,
            abs(now - as_of(job) - WEEK),
            -job.created_at.timestamp(),
            job.id,
        ),
        default=None,
    )
    return None if best is None else best.id


def currency_of(mine: TenantStore, plan: Job) -> str:
    """Return the currency of a plan: of its answer, else of what it is made from."""
    told = (plan.result or {}).get("currency")
    return str(told or mine.snapshots.get(str(plan.snapshot)).currency)


def _case(mine: TenantStore, plan: Job) -> Case:
    """What a plan was made from: its snapshot, with the settings that it was asked with."""
    case = read_case(mine.snapshots.folder(str(plan.snapshot)))
    return replace(case, settings=changed_settings(case.settings, plan.request.get("settings")))


def _document(mine: TenantStore, job: str) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(mine.jobs.document(job).text)
    return found


def _plain(row: Recommendation) -> dict[str, Any]:
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    del values["tenant"]
    return {
        key: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for key, value in values.items()
    }
