# SPDX-License-Identifier: Apache-2.0
"""The document of ``gpuopt backtest``: figures of every rule, and how they were reckoned."""

from __future__ import annotations

from typing import Any

from optimizer.billing.bill import exact
from optimizer.planning.backtest.run import Backtest, Outcome
from optimizer.planning.backtest.walk import Walk
from optimizer.planning.document import head
from optimizer.tables import format_hour

METHOD = (
    "On each date a rule sees the hours before it and nothing else; it begins with nothing held.",
    "Commitments are charged inside the window only, at their amortised hourly rate.",
    "Of a monthly payment an hour bears a 730th; payments are not discounted.",
    "Amounts are continuous; the usage is covered by the replay of the providers' laws.",
    "Usage that ran on spot, that has no on-demand price or that no offer covers is left out.",
    "The optimum knows the whole window and buys continuous amounts on the same dates.",
)


def backtest_document(result: Backtest, *, detail: bool = False) -> dict[str, Any]:
    """Rules by scenario and start, the instruments, and what was left out."""
    opened = result.opened
    market, history = opened.market, opened.history
    rows = [
        _row(outcome, walk, history.first_hour, detail)
        for outcome in result.outcomes
        for walk in (*outcome.walks, outcome.optimum)
    ]
    document: dict[str, Any] = {
        **head(result.case),
        "history": {
            "start": format_hour(history.first_hour),
            "end": format_hour(history.first_hour + history.hours),
            "hours": history.hours,
        },
        "every_hours": result.outcomes[0].scenario.calendar.step,
        "instruments": [
            {
                "offer": name,
                "measure": "money" if market.money[o] else "units",
                "hourly_rate": float(market.rate[o]),
                "term_hours": int(market.term[o]),
                "lines": len(market.reach[o]),
            }
            for o, name in enumerate(market.instruments)
        ],
        "left_out": [
            {"name": name, "reason": why} for name, why in sorted(opened.left_out.items())
        ],
        "notes": list(opened.notes),
        "method": list(METHOD),
        "rules": rows,
    }
    return document


def _row(outcome: Outcome, walk: Walk, first_hour: int, detail: bool) -> dict[str, Any]:
    calendar = outcome.scenario.calendar
    row: dict[str, Any] = {
        "scenario": outcome.scenario.name,
        "start": format_hour(first_hour + calendar.first),
        "hours": calendar.last - calendar.first,
        "dates": len(calendar.dates),
        "rule": walk.rule,
        "cost": exact(walk.on_demand) + exact(walk.committed),
        "on_demand": exact(walk.on_demand),
        "commitment_cost": exact(walk.committed),
        "all_on_demand": exact(walk.all_on_demand),
        "cost_over_optimum": outcome.ratio(walk),
        "regret": exact(outcome.regret(walk)),
        "effective_savings_rate": walk.savings_rate,
        "coverage": walk.coverage,
        "utilization": walk.utilization,
    }
    if walk.rule == outcome.optimum.rule:
        row["optimum_gap"] = outcome.best.gap
    if detail:
        row["steps"] = [
            {
                "date": format_hour(first_hour + date),
                "cost": exact(float(walk.by_step[0, k])),
                "all_on_demand": exact(float(walk.by_step[1, k])),
                "bought": [float(units) for units in walk.amount[k]],
            }
            for k, date in enumerate(calendar.dates)
        ]
    return row
