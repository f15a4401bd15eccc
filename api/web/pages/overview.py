# SPDX-License-Identifier: Apache-2.0
"""The overview: what the newest plan says, how old its data are, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from api.store import AdviceState, Job, JobStatus, Snapshot
from api.web.base import Pages
from api.web.kpis import Shown, strip
from api.web.pages.plans import levels_shown, plan_charts
from api.web.visit import Visit, Visiting
from optimizer.reporting import plan_tables
from optimizer.reporting.document import Kind, Row, Table
from optimizer.reporting.render.values import shown
from optimizer.reporting.sections.words import futures_text

pages = Pages()
_ACTIONS = ("action", "name", "quantity", "unit", "upfront", "rate", "cost", "used", "until")
_MOST = 10


@dataclass(frozen=True)
class Step:
    """A thing to do next: a link, or a form where ``post`` says what it sends."""

    text: str
    button: str
    path: str
    post: Mapping[str, str] | None = None


@pages.page("/", title="Overview", scope="plans:read", template="overview.html", nav=10)
def overview(visit: Visiting) -> Mapping[str, Any]:
    """Show the newest plan in short, and what is to be done about it."""
    job = visit.newest_plan()
    newest = visit.newest_snapshot() if visit.may("snapshots:read") else None
    document = visit.document(job.id) if job else None
    planned = visit.snapshot(job.snapshot) if job else None
    advice = _advice(visit)
    page: dict[str, Any] = {
        "job": job,
        "document": document,
        "snapshot": planned,
        "newest": newest,
        "stale": visit.stale(planned),
        "feasible": False,
        "running": _running(visit),
        "origin": visit.request.app.state.web.cookies.origin(visit.request),
    }
    page["steps"] = _steps(visit, page, advice)
    if job is None or document is None:
        return page
    if document["status"] == "infeasible":
        table = plan_tables.relaxations(document)
        return {**page, "relaxations": visit.table(table, document["currency"])}
    return {
        **page,
        "feasible": True,
        "headline": headline(document),
        "futures": _futures(document),
        "charts": [
            (view, visit.table(view.chart.table, document["currency"]))
            for view in plan_charts(visit, job.id, document).values()
        ],
        **levels_shown(visit, document),
        "figures": [*strip(document), *_realised(advice, document["currency"])],
        "actions": visit.table(
            _short(plan_tables.actions(document)),
            document["currency"],
            links={"name": lambda row: _offer(job.id, row), "quantity": plan_tables.exact_amount},
        ),
    }


def headline(document: Mapping[str, Any]) -> str:
    """Say in a sentence what a plan is worth."""
    currency, days = document["currency"], document["horizon_hours"] // 24
    total = shown(Decimal(document["total"]), Kind.money, currency)
    if document.get("savings") is None:
        return f"The plan costs {total} over {days} days"
    savings = Decimal(document["savings"])
    if savings <= 0 or not document["purchases"]:
        return f"Nothing to buy: {total} over {days} days is the cheapest that is known"
    return f"Save {shown(savings, Kind.money, currency)} over the next {days} days"


def _futures(document: Mapping[str, Any]) -> str:
    """Say what the same purchases save in other demand."""
    told = futures_text(document)
    return f"The same purchases save {told}." if told else ""


def _short(table: Table) -> Table:
    """The first columns and rows: what costs most is to be bought first."""
    places = [n for n, column in enumerate(table.columns) if column.name in _ACTIONS]
    cost = [column.name for column in table.columns].index("cost")
    bought = [row for row in table.rows if row.values[0] == "buy"]
    others = [row for row in table.rows if row.values[0] != "buy" and row.values[0] != "keep"]
    bought.sort(key=lambda row: -Decimal(str(row.values[cost])))
    rows = [*bought, *others]
    return replace(
        table,
        columns=tuple(table.columns[n] for n in places),
        rows=tuple(replace(r, values=tuple(r.values[n] for n in places)) for r in rows[:_MOST]),
        rest=f"{_MOST} of {len(rows)}: the plan has all of them." if len(rows) > _MOST else "",
    )


def _offer(job: str, row: Row) -> str | None:
    if row.values[0] != "buy":
        return None
    return f"/plans/{job}/offer?offer={quote(row.key, safe='')}"


def _advice(visit: Visit) -> list[Any]:
    if not visit.may("recommendations:read"):
        return []
    return visit.mine.recommendations.every(*AdviceState)


def _realised(advice: list[Any], currency: str) -> list[Shown]:
    measured = [
        Decimal(row.realised["saving"])
        for row in advice
        if row.realised and row.realised.get("currency", currency) == currency
    ]
    if not measured:
        return []
    total = shown(sum(measured, Decimal(0)), Kind.money, currency)
    return [Shown("Realized", total, note=f"of {len(measured)} purchases",
                  formula="the bill without the purchases − with them, on what ran")]  # fmt: skip


def _running(visit: Visit) -> list[Job]:
    return [
        *visit.mine.jobs.page("plan", 5, status=JobStatus.running),
        *visit.mine.jobs.page("plan", 5, status=JobStatus.queued),
    ]


def _steps(visit: Visit, page: Mapping[str, Any], advice: list[Any]) -> list[Step]:
    """What to do next, the most urgent first."""
    job, document, newest = page["job"], page["document"], page["newest"]
    steps = []
    states = Counter(row.state for row in advice)
    if page["running"]:
        one = page["running"][0]
        steps.append(Step(f"A plan is {one.status}.", "Follow it", f"/jobs/{one.id}"))
    elif newest is not None and visit.may("plans:write") and _unplanned(job, newest):
        text = f"The snapshot of {newest.as_of:%Y-%m-%d} is not planned yet."
        steps.append(Step(text, "Plan it", "/plans", {"snapshot": newest.id}))
    if job is not None and document is not None and document["status"] != "infeasible":
        mine = [row for row in advice if row.plan == job.id]
        if document["purchases"] and not mine and visit.may("recommendations:write"):
            text = f"The plan's {len(document['purchases'])} purchases are not put forward."
            steps.append(Step(text, "Put them forward", f"/plans/{job.id}/put-forward", {}))
    if states[AdviceState.active]:
        text = f"{_count(states[AdviceState.active], 'recommendation')} to decide on."
        steps.append(Step(text, "Decide", "/recommendations"))
    if states[AdviceState.accepted]:
        text = f"{_count(states[AdviceState.accepted], 'accepted recommendation')} to buy."
        steps.append(Step(text, "See which", "/recommendations"))
    return steps


def _unplanned(job: Job | None, newest: Snapshot) -> bool:
    return job is None or job.snapshot != newest.id


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
