# SPDX-License-Identifier: Apache-2.0
"""When to buy what in the next twelve months, and what is locked in meanwhile."""

from __future__ import annotations

from decimal import Decimal

from optimizer.reporting.charts import ladder_chart, lock_in_chart
from optimizer.reporting.document import Column, Kind, Row, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.words import EVENTS, Document, amount_text, count_of, day_of

MOST = 40


def ladder_section(plan: Document) -> Section:
    """The calendar of purchases, and the cost of the terms to run, month by month."""
    currency = plan["currency"]
    later = any(row["action"] == "buy_later" for row in plan.get("ladder", []))
    columns = [
        Column("day", "Day", Kind.day),
        Column("event", "What", Kind.state),
        Column("name", "Offer or commitment"),
        Column("amount", "Amount"),
    ]
    if later:
        odds = "share of the futures in which it is bought"
        columns += [Column("odds", "Odds", Kind.share, formula=odds), Column("trigger", "If")]
    rows: list[Row] = []
    bought = [row for row in plan.get("ladder", []) if row["action"] == "buy"]
    if bought:
        upfront = sum((Decimal(str(row["upfront"])) for row in plan["purchases"]), Decimal(0))
        told = f"{money(upfront, currency)} upfront"
        rows.append(
            Row(
                (
                    day_of(bought[0]["date"]), EVENTS["buy"],
                    f"the purchases above ({count_of(len(bought), 'offer')})", told, 1.0, "",
                )[: len(columns)],
                key="now", source="plan: purchases",
            )
        )  # fmt: skip
    for index, row in enumerate(plan.get("ladder", [])):
        if row["action"] != "buy":
            rows.append(_rung(row, index, currency, len(columns)))
    left = len(rows) - MOST
    table = Table(
        "ladder",
        "Dates of the next twelve months",
        tuple(columns),
        tuple(rows[:MOST]),
        rest=f"{count_of(left, 'more date')}: in the plan." if left > 0 else "",
        empty="Nothing is bought, and nothing that is held begins or ends in the next year.",
    )
    owed = lock_in_chart(plan)
    charts = (ladder_chart(plan), owed) if owed.table.rows else (ladder_chart(plan),)
    return Section("ladder", "Purchase ladder", (table, *charts))


def _rung(row: Document, index: int, currency: str, count: int) -> Row:
    if "quantity" in row:
        amount = amount_text(row["quantity"], row["measure"], currency)
    else:
        low, high = (amount_text(row[key], row["measure"], currency) for key in ("low", "high"))
        amount = low if low == high else f"{low} to {high}"
    return Row(
        (
            day_of(row["date"]), EVENTS[row["action"]], row["name"], amount, row.get("odds"),
            _trigger(row, currency),
        )[:count],
        key=row["name"], source=f"plan: ladder[{index}]",
    )  # fmt: skip


def _trigger(row: Document, currency: str) -> str:
    """What is observed until then where a later purchase is made, in words."""
    if row["action"] != "buy_later":
        return ""
    found = row["trigger"]
    if found is None:
        return "whatever is seen until then"
    side = next((side for side in ("above", "below") if side in found), None)
    if side is None:
        return "by the path of usage until then"
    amount = amount_text(f"{found[side]:.4g}", found["measure"], currency)
    return f"what it could cover from {found['from'][:10]} on is {side} {amount} on average"
