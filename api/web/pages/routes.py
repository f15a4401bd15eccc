# SPDX-License-Identifier: Apache-2.0
"""Routes: which deployment answers which class, with how many replicas, and at what prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from api.export import Target, exported
from api.http.problems import ProblemError
from api.store import Job, JobStatus, NotFound
from api.web.ask import ask
from api.web.base import Pages
from api.web.visit import Visit, Visiting
from optimizer.reporting.charts import routes_chart
from optimizer.reporting.pages.routing import (
    alternative_table,
    barred_table,
    hourly_table,
    hours_of,
    latency_table,
    price_table,
    quality_table,
    replica_table,
    route_table,
)

pages = Pages()

_PLANS = 20
_FILES = {
    Target.litellm: ("LiteLLM router", "yaml", "application/yaml"),
    Target.gateway: ("Gateway API", "yaml", "application/yaml"),
    Target.autoscaler: ("Replicas for an autoscaler", "csv", "text/csv"),
}
_GATEWAY, _PORT = "inference", 8000


@pages.page("/routes", title="Routes", scope="plans:read", template="routes.html", nav=50)
def routes(visit: Visiting) -> Mapping[str, Any]:
    """The routes of a plan; without one, of the newest that routes something."""
    routed = _routed(visit)
    name = visit.query.get("plan") or (routed[0].id if routed else "")
    if not name:
        return {"job": None}
    job = visit.mine.jobs.get(name, "plan")
    document = visit.document(job.id)
    hours, currency = hours_of(document), str(document["currency"])
    hour = visit.query.get("hour", "")
    if hour and hour not in hours:
        raise ProblemError(
            "invalid",
            f"/query/hour: the plan has no hour '{hour[:40]}'. To mend it: choose one of the list",
        )
    shown: dict[str, Any] = {
        "job": job, "plans": routed, "hours": hours, "hour": hour, "files": _FILES,
        "has_routes": "routes" in document, "first": [], "more": [],
        "replicas_run": bool(document.get("replicas")),
    }  # fmt: skip
    if "routes" not in document:
        return shown
    drawn = visit.chart(job.id, "routes", lambda: routes_chart(document))
    shown["chart"] = drawn
    first = [route_table(document, hour), replica_table(document)]
    more = [
        latency_table(document),
        quality_table(document),
        price_table(document),
        alternative_table(document),
        hourly_table(document),
        barred_table(document),
        drawn.chart.table,
    ]
    shown["first"] = [visit.table(table, currency) for table in first]
    shown["more"] = [visit.table(table, currency) for table in more if table is not None]
    shown["missing"] = {
        "latency": more[0] is None,
        "hours": not hours,
    }
    return shown


@pages.page("/routes/{plan}/{target}", title="Export", scope="plans:read", template="routes.html")
def export(visit: Visiting, plan: str, target: str) -> Response:
    """Routes or replicas as a file for what runs them, of the horizon or of an hour."""
    try:
        wanted = Target(target)
    except ValueError:
        raise NotFound("export", target) from None
    visit.mine.jobs.get(plan, "plan")
    hour = visit.query.get("hour") or None
    text = exported(visit.document(plan), wanted, hour, _GATEWAY, _PORT)
    _, ending, media = _FILES[wanted]
    name = f"{plan}-{wanted}.{ending}"
    return Response(
        text,
        media_type=media,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@pages.action("/routes/{plan}/hours", scope="plans:write")
def with_hours(visit: Visiting, plan: str) -> Response:
    """Plan again from where a plan ended, with its hours in the answer."""
    job = visit.mine.jobs.get(plan, "plan")
    visit.mine.jobs.document(plan)
    request = {**job.request, "detail": True, "start": plan, "put_forward_days": None}
    again = ask(visit, "plan", request, job.snapshot)
    return visit.go(f"/jobs/{again.id}", "The plan is made again, with its hours.")


def _routed(visit: Visit) -> list[Job]:
    """The plans that route something, newest first."""
    found = visit.mine.jobs.page("plan", _PLANS, status=JobStatus.succeeded)
    return [job for job in found if "routes" in visit.document(job.id)]
