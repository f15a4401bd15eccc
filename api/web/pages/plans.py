# SPDX-License-Identifier: Apache-2.0
"""The plans, and one plan: what to do, what lost, when, how sure it is, and why."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query, Response

from api.http.recommendations import PutForward, put_forward
from api.http.solves import JobId
from api.store import JobStatus, NotFound
from api.web.ask import ask_for_plan
from api.web.base import Pages
from api.web.drawn import ChartView, plan_charts_of
from api.web.kpis import strip
from api.web.visit import Visit, Visiting
from optimizer.reporting import plan_tables
from optimizer.reporting.backtest import gate_lines
from optimizer.reporting.document import Column, Kind, Row, Table
from optimizer.reporting.ladder import triggers
from optimizer.reporting.pages.level import PLAN, levels_of

pages = Pages()
_MOST = 200


@pages.page("/plans", title="Plans", scope="plans:read", template="plans.html", nav=20)
def plans(visit: Visiting) -> Mapping[str, Any]:
    """List the plans that were asked for, newest first."""
    jobs = visit.mine.jobs.page("plan", _MOST)
    columns = (
        Column("asked", "Asked for", Kind.moment),
        Column("id", "Plan"),
        Column("status", "Job", Kind.state),
        Column("found", "Answer", Kind.state),
        Column("total", "Bill", Kind.money),
        Column("savings", "Saves", Kind.change),
        Column("gap", "Gap", Kind.share, formula="1 − lower bound ÷ objective"),
        Column("by", "By"),
    )
    rows = []
    for job in jobs:
        found = job.result or {}
        rows.append(
            Row(
                (
                    job.created_at,
                    job.id,
                    str(job.status),
                    str(found["plan_status"]).replace("_", " ") if "plan_status" in found else None,
                    plan_tables.money(found.get("total")),
                    plan_tables.money(found.get("savings")),
                    found.get("gap"),
                    job.created_by,
                ),
                job.id,
            )
        )
    table = Table("plans", "Plans", columns, tuple(rows), empty="Nothing was planned yet.",
                  rest=f"The newest {_MOST}." if len(rows) == _MOST else "")  # fmt: skip
    snapshot = visit.newest_snapshot() if visit.may("snapshots:read") else None
    return {
        "plans": visit.table(
            table,
            snapshot.currency if snapshot else "USD",
            links={"id": lambda row: f"/plans/{row.key}"},
        ),
        "snapshot": snapshot,
    }


@pages.action("/plans", scope="plans:write")
def plan_newest(visit: Visiting) -> Response:
    """Ask for a plan of a snapshot: that of the form, else the newest."""
    name = visit.form.get("snapshot", "")
    if not name:
        newest = visit.newest_snapshot()
        if newest is None:
            raise NotFound("snapshot", "newest")
        name = newest.id
    job = ask_for_plan(visit, name)
    return visit.go(f"/jobs/{job.id}", "The plan was asked for.")


@pages.page("/plans/{job}", title="Plan", scope="plans:read", template="plan.html")
def plan(visit: Visiting, job: JobId) -> Mapping[str, Any] | Response:
    """Show a plan; one that has no answer is shown as the job that it is."""
    row = visit.mine.jobs.get(job, "plan")
    if not visit.mine.jobs.has_document(job):
        return visit.go(f"/jobs/{job}")
    document = visit.document(job)
    snapshot = visit.snapshot(row.snapshot)
    shown: dict[str, Any] = {
        "job": row,
        "document": document,
        "snapshot": snapshot,
        "stale": visit.stale(snapshot),
        "partial": row.status == JobStatus.cancelled,
        "title": f"Plan as of {document.get('as_of', str(row.created_at))[:10]}",
    }
    if document["status"] == "infeasible":
        currency = document["currency"]
        relaxed = visit.table(plan_tables.relaxations(document), currency)
        return {**shown, "infeasible": True, "relaxations": relaxed}
    return {**shown, "infeasible": False, **_tables(visit, job, document)}


def _tables(visit: Visit, job: str, document: Mapping[str, Any]) -> dict[str, Any]:
    currency = document["currency"]

    def offer(row: Row) -> str | None:
        bought = row.values[0] == "buy" or not row.source.startswith("commitments")
        return f"/plans/{job}/offer?offer={quote(row.key, safe='')}" if bought else None

    made = {"actions": visit.table(plan_tables.actions(document), currency, links={"name": offer})}
    for name in ("considered", "ranges", "scenarios", "sensitivity", "ladder", "lock_in", "bill",
                 "spot", "parts", "checks"):  # fmt: skip
        table = getattr(plan_tables, name)(document)
        links = {"offer": offer} if name == "considered" else {}
        if table is not None:
            made[name] = visit.table(table, currency, links=links)
    drawn = plan_charts(visit, job, document)
    for name, view in drawn.items():
        if name not in made:
            made[name] = visit.table(view.chart.table, currency)
    checks = document["checks"]
    return {
        "made": made,
        "beside": [visit.table(table, currency) for table in plan_tables.beside(document)],
        "charts": drawn,
        **levels_shown(visit, document),
        "figures": strip(document),
        "closing": closing(document),
        "triggers": triggers(document.get("ladder", ())),
        "gate": [line.plain for line in gate_lines(document) if hasattr(line, "plain")],
        "failed": [check for check in checks if not check["ok"]],
    }


def plan_charts(visit: Visit, job: str, document: Mapping[str, Any]) -> dict[str, ChartView]:
    """Return the charts of a plan, those whose numbers it has."""
    return plan_charts_of(visit.mine.tenant, job, document)


def levels_shown(visit: Visit, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the points of the commitment curve, and which the URL asks for; else the plan's."""
    levels = levels_of(document)
    keys = [level.key for level in levels]
    asked = visit.query.get("level", PLAN)
    return {"levels": levels, "level": keys.index(asked if asked in keys else PLAN) if keys else 0}


def closing(document: Mapping[str, Any]) -> str:
    """Say in a sentence how much is to be done."""
    actions = [row["action"] for row in document["commitments"]]
    return (
        f"{len(document['purchases'])} to buy, {actions.count('let_expire')} to let expire, "
        f"{actions.count('resize')} to resize, {actions.count('keep')} to keep"
    )


@pages.page("/plans/{job}/offer", title="Offer", scope="plans:read", template="offer.html")
def offer(
    visit: Visiting, job: JobId, offer: Annotated[str, Query(max_length=300)]
) -> Mapping[str, Any]:
    """Explain why a plan buys an offer, or does not."""
    visit.mine.jobs.get(job, "plan")
    document = visit.document(job)
    bought = next((p for p in document.get("purchases", ()) if p["offer"] == offer), None)
    lost = next((c for c in document.get("considered", ()) if c["offer"] == offer), None)
    if bought is None and lost is None:
        raise NotFound("offer in this plan", offer[:80])
    used = plan_tables.used_shares(document["bill"]).get(f"plan {offer}") if bought else None
    return {
        "job": job,
        "document": document,
        "offer": offer,
        "bought": bought,
        "lost": lost,
        "used": used,
        "why": [line for line in document.get("explanation", ()) if _about(line, offer)],
        "amount": plan_tables.exact(bought["quantity"]) if bought else "",
        "unit": plan_tables.unit_of(bought) if bought else "",
        "monthly": _monthly(bought) if bought else None,
        "covers": visit.table(plan_tables.covers(bought), document["currency"]) if bought else None,
        "title": offer,
    }


def _about(line: str, offer: str) -> bool:
    """Whether a sentence of the explanation is about an offer, and not about a longer name."""
    return offer in line.replace(",", " ").replace(":", " ").split()


def _monthly(bought: Mapping[str, Any]) -> Decimal:
    each_hour = Decimal(bought["hourly"]) + Decimal(bought.get("premium", 0))
    return each_hour * 730 + Decimal(bought["monthly"])


@pages.page("/plans/{job}/document.json", title="Plan", scope="plans:read", template="plan.html")
def document(visit: Visiting, job: JobId) -> Response:
    """Give the document to the byte, as a file."""
    visit.mine.jobs.get(job, "plan")
    return as_file(visit, job)


def as_file(visit: Visit, job: str) -> Response:
    """Return a job's answer as a file to keep."""
    return Response(
        visit.mine.jobs.document(job).text,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{job}.json"'},
    )


@pages.action("/plans/{job}/put-forward", scope="recommendations:write")
def forward(visit: Visiting, job: JobId) -> Response:
    """Make the purchases of a plan the recommendations of now."""
    made = put_forward(visit.request, visit.mine, visit.actor, PutForward(plan=job))
    count = len(made.items)
    return visit.go("/recommendations", f"{count} recommendations of this plan are put forward.")
