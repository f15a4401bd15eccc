# SPDX-License-Identifier: Apache-2.0
"""Schedules: a source is pulled, what it brings is planned, reported on and delivered.

A schedule is kept by DBOS and fires once over all servers.  Its jobs have ids that are made of
the schedule and its moment, so that a server that ends in between starts nothing twice.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dbos import DBOS
from dbos import error as dbos_error

from api.store import SERVICE, Actor, JobStatus, Refused
from api.store.jobs import PREFIXES
from api.work import Closing

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_PAUSE_SECONDS = 0.5
WEEKLY = "0 6 * * 1"  # Monday, six o'clock UTC


def put_schedule(
    tenant: str, name: str, cron: str = WEEKLY, *, source: str | None = None,
    request: Mapping[str, Any] | None = None, time_zone: str = "Etc/UTC",
    report: bool = False, deliver_to: Sequence[str] = (), alerts: bool = False,
) -> None:  # fmt: skip
    """Add a schedule of a tenant, or replace the one of its name.

    Parameters
    ----------
    cron
        Minute, hour, day, month, day of the week.
    source
        A source of the service's settings that is pulled first; without one the newest snapshot
        is planned.
    request
        What a plan is asked with, such as ``{"put_forward_days": 30}``.
    report
        Whether the plan is reported on, against that of the week before.
    deliver_to
        Names of destinations that the report is delivered to; it is made for them if need be.
    alerts
        Look for what is not as expected instead of planning, and deliver what is new.

    Raises
    ------
    Refused
        If the name or the cron expression is none.
    """
    if _NAME.fullmatch(name) is None:
        raise Refused(f"'{name}' is no name. To mend it: small letters, digits, - and _")
    if len(cron.split()) != 5:
        raise Refused(f"'{cron}' is no schedule. To mend it: five fields, as in '{WEEKLY}'")
    known = _id(tenant, name)
    DBOS.delete_schedule(known)
    try:
        DBOS.create_schedule(
            schedule_name=known,
            workflow_fn=scheduled,
            schedule=cron,
            context={
                "tenant": tenant,
                "name": name,
                "source": source,
                "request": request or {},
                "report": report or bool(deliver_to),
                "deliver_to": [*deliver_to],
                "alerts": alerts,
            },
            cron_timezone=time_zone,
            automatic_backfill=False,
        )
    except (dbos_error.DBOSException, ValueError, KeyError) as error:
        msg = f"the schedule is refused ({error}). To mend it: five fields, as in '{WEEKLY}'"
        raise Refused(msg) from None


def schedules_of(tenant: str) -> list[dict[str, Any]]:
    """The schedules of a tenant."""
    found = DBOS.list_schedules(schedule_name_prefix=f"{tenant}.")
    return [
        {
            "name": row["schedule_name"].partition(".")[2],
            "cron": row["schedule"],
            "source": row["context"].get("source"),
            "request": row["context"].get("request"),
            "what": "alerts" if row["context"].get("alerts") else "plan",
            "report": row["context"].get("report", False) and not row["context"].get("alerts"),
            "deliver_to": row["context"].get("deliver_to", []),
        }
        for row in found
    ]


def remove_schedule(tenant: str, name: str) -> None:
    """Remove a schedule; nothing happens if there is none of this name."""
    DBOS.delete_schedule(_id(tenant, name))


@DBOS.workflow(name="gpuopt.scheduled", max_recovery_attempts=20)
def scheduled(moment: datetime, context: Any) -> None:
    """Pull, plan, report, deliver; or pull, look for anomalies, deliver what is new.

    Each step is a job of the store that is waited for.
    Deliveries are not waited for: they may take hours, and they fail nothing but themselves.
    """
    tenant, snapshot = str(context["tenant"]), None
    at = moment.isoformat()
    stamp = f"{tenant}.{context['name']}.{at}"
    if context.get("source"):
        pull = add_job(tenant, "pull", {"source": context["source"]}, None, at, stamp)
        _submit(tenant, pull)
        ended = wait_for(tenant, pull)
        if ended["status"] != str(JobStatus.succeeded):
            return
        snapshot = ended["snapshot"]
    else:
        snapshot = newest_snapshot(tenant)
    if snapshot is None:
        return
    if context.get("alerts"):
        told = add_job(tenant, "alert", {"name": context["name"]}, snapshot, at, stamp)
        _submit(tenant, told)
        if wait_for(tenant, told)["new"]:
            _deliver(tenant, told, context, at, stamp)
        return
    plan = add_job(tenant, "plan", dict(context["request"]), snapshot, at, stamp)
    _submit(tenant, plan)
    planned = wait_for(tenant, plan)
    if planned["status"] != str(JobStatus.succeeded) or not context.get("report"):
        return
    asked = {"plan": plan, "before": before(tenant, plan)}
    report = add_job(tenant, "report", asked, planned["snapshot"], at, stamp)
    _submit(tenant, report)
    if wait_for(tenant, report)["status"] == str(JobStatus.succeeded):
        _deliver(tenant, report, context, at, stamp)


def _deliver(tenant: str, report: str, context: Any, at: str, stamp: str) -> None:
    for name in context.get("deliver_to", ()):
        wanted = {"report": report, "to": name}
        _submit(tenant, add_job(tenant, "delivery", wanted, None, at, f"{stamp}.{name}"))


@DBOS.step(name="gpuopt.add")
def add_job(
    tenant: str, kind: str, request: dict[str, Any], snapshot: str | None, moment: str, stamp: str
) -> str:
    """Add a job of a schedule's moment, once; its id sorts by that moment, as others do."""
    from api.jobs import here

    at = int(datetime.fromisoformat(moment).timestamp() * 1000)
    digest = hashlib.sha256(f"{stamp}.{kind}".encode()).hexdigest()[:16]
    job = f"{PREFIXES[kind]}_{at:012x}{digest}"
    jobs = here().store.of(tenant).jobs
    if not jobs.exists(job):
        jobs.add(kind, request, Actor(SERVICE.name), snapshot=snapshot, name=job)
    return job


def _submit(tenant: str, job: str) -> None:
    """Queue a job: of the workflow, for within a step DBOS takes none."""
    from api.jobs import here

    here().submit(tenant, job)


@DBOS.step(name="gpuopt.wait")
def wait_for(tenant: str, job: str) -> dict[str, Any]:
    """Wait for the end of a job; what it came to."""
    from api.jobs import here

    pause = threading.Event()
    while True:
        runner = here()
        found = runner.store.of(tenant).jobs.get(job)
        if JobStatus(found.status).final:
            snapshot = (found.result or {}).get("snapshot") or found.snapshot
            new = (found.result or {}).get("new")
            return {"status": str(found.status), "snapshot": snapshot, "new": new}
        if not runner.ready():
            raise Closing
        pause.wait(_PAUSE_SECONDS)


@DBOS.step(name="gpuopt.before")
def before(tenant: str, plan: str) -> str | None:
    """The plan that a report of a plan compares with."""
    from api.jobs import here
    from api.reports import plan_before

    mine = here().store.of(tenant)
    return plan_before(mine, mine.jobs.get(plan))


@DBOS.step(name="gpuopt.newest")
def newest_snapshot(tenant: str) -> str | None:
    """The newest snapshot of a tenant."""
    from api.jobs import here

    found = here().store.of(tenant).snapshots.page(1)
    return found[0].id if found else None


def _id(tenant: str, name: str) -> str:
    return f"{tenant}.{name}"
