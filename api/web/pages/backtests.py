# SPDX-License-Identifier: Apache-2.0
"""Backtests: what rules of purchase would have cost on a snapshot's own history."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import Response

from api.http.backtests import BacktestRequest
from api.http.plans import need_snapshot
from api.http.solves import JobId
from api.store import NotFound
from api.web.ask import ask
from api.web.base import Pages
from api.web.visit import Visiting
from optimizer.reporting.backtest import walks
from optimizer.reporting.charts import backtest_chart
from optimizer.reporting.document import Column, Kind, Row, Table

pages = Pages()
_MOST = 100
_BEST = "optimum"


@pages.page("/backtests", title="Backtests", scope="plans:read", template="backtests.html")
def backtests(visit: Visiting) -> Mapping[str, Any]:
    """List the backtests that were asked for, newest first."""
    columns = (
        Column("asked", "Asked for", Kind.moment),
        Column("id", "Backtest"),
        Column("status", "Status", Kind.state),
        Column("starts", "Starts", Kind.whole),
        Column("best", "Cheapest rule"),
        Column("over", "Over the optimum", Kind.share, formula="its cost ÷ the optimum's − 1"),
        Column("by", "By"),
    )
    rows = []
    for job in visit.mine.jobs.page("backtest", _MOST):
        rules = [row for row in (job.result or {}).get("rules", ()) if row["rule"] != _BEST]
        best = min(rules, key=lambda row: float(row["cost_over_optimum"]), default=None)
        rows.append(
            Row(
                (
                    job.created_at,
                    job.id,
                    str(job.status),
                    job.request.get("starts"),
                    best["rule"] if best else "",
                    Decimal(str(best["cost_over_optimum"])) - 1 if best else None,
                    job.created_by,
                ),
                job.id,
            )
        )
    table = Table("backtests", "Backtests", columns, tuple(rows), empty="Nothing was walked yet.",
                  rest=f"The newest {_MOST}." if len(rows) == _MOST else "")  # fmt: skip
    return {
        "backtests": visit.table(table, links={"id": lambda row: f"/backtests/{row.key}"}),
        "snapshot": visit.newest_snapshot() if visit.may("snapshots:read") else None,
    }


@pages.action("/backtests", scope="plans:write")
def walk(visit: Visiting) -> Response:
    """Ask for a backtest of the newest snapshot, with the defaults of the API."""
    newest = visit.newest_snapshot()
    if newest is None:
        raise NotFound("snapshot", "newest")
    asked = BacktestRequest.model_validate({"snapshot": need_snapshot(visit.mine, newest.id)})
    job = ask(visit, "backtest", asked.model_dump(exclude={"snapshot"}), newest.id)
    return visit.go(f"/jobs/{job.id}", "The backtest was asked for.")


@pages.page("/backtests/{job}", title="Backtest", scope="plans:read", template="backtest.html")
def backtest(visit: Visiting, job: JobId) -> Mapping[str, Any] | Response:
    """Show a backtest; one that has no answer is shown as the job that it is."""
    found = visit.mine.jobs.get(job, "backtest")
    if not visit.mine.jobs.has_document(job):
        return visit.go(f"/jobs/{job}")
    document = visit.document(job)
    currency = str(document["currency"])
    drawn = visit.chart(job, "backtest", lambda: backtest_chart(document))
    return {
        "job": found,
        "document": document,
        "chart": drawn,
        "twin": visit.table(drawn.chart.table, currency),
        "rules": visit.table(_rules(document), currency),
        "title": f"Backtest of {str(document['history']['start'])[:10]} to "
        f"{str(document['history']['end'])[:10]}",
    }


def _rules(document: Mapping[str, Any]) -> Table:
    """Every rule of every walk, the cheapest of a walk first."""
    columns = (
        Column("scenario", "Walk"),
        Column("start", "From", Kind.day),
        Column("rule", "Rule"),
        Column("cost", "Cost", Kind.money),
        Column("over", "Over the optimum", Kind.share, formula="cost ÷ the optimum's − 1"),
        Column("regret", "Regret", Kind.change, formula="cost − the optimum's"),
        Column("commitments", "Commitments", Kind.money),
        Column("rate", "Savings rate", Kind.share, formula="1 − cost ÷ all usage on demand"),
        Column("coverage", "Coverage", Kind.share),
        Column("utilization", "Utilization", Kind.share),
    )
    rows = [
        Row(
            (
                row["scenario"], str(row["start"])[:10], row["rule"], Decimal(row["cost"]),
                row["cost_over_optimum"] - 1 if row["cost_over_optimum"] is not None else None,
                None if row["regret"] is None else Decimal(row["regret"]),
                Decimal(row["commitment_cost"]), row["effective_savings_rate"], row["coverage"],
                row["utilization"],
            ),
            key=f"{row['scenario']}/{row['start']}/{row['rule']}",
        )
        for walk in walks(document)
        for row in walk
    ]  # fmt: skip
    return Table("rules", "Rules by walk", columns, tuple(rows))
