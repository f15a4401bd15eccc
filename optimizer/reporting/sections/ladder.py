# SPDX-License-Identifier: Apache-2.0
"""When to buy what in the next twelve months, and what is owed meanwhile."""

from __future__ import annotations

from decimal import Decimal

from optimizer.reporting.document import Column, Kind, Row, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.words import EVENTS, Document, amount_text, count_of, day_of

MOST = 40
_MONTHS = (0, 1, 3, 6, 12, 18, 24, 36)  # of which the commitment that is left is shown


def ladder_section(plan: Document) -> Section:
    """The calendar of purchases, and what is still owed month by month."""
    currency = plan["currency"]
    columns = (
        Column("day", "Day", Kind.day),
        Column("event", "What", Kind.state),
        Column("name", "Offer or commitment"),
        Column("amount", "Amount"),
        Column("odds", "Odds", Kind.share, formula="share of the futures in which it is bought"),
        Column("trigger", "If"),
    )
    rows: list[Row] = []
    bought = [row for row in plan.get("ladder", []) if row["action"] == "buy"]
    if bought:
        upfront = sum((Decimal(str(row["upfront"])) for row in plan["purchases"]), Decimal(0))
        told = f"{money(upfront, currency)} upfront"
        rows.append(
            Row(
                (
                    day_of(bought[0]["date"]), EVENTS["buy"],
                    f"the {count_of(len(bought), 'offer')} above", told, 1.0, "",
                ),
                key="now", source="plan: purchases",
            )
        )  # fmt: skip
    for index, row in enumerate(plan.get("ladder", [])):
        if row["action"] != "buy":
            rows.append(_rung(row, index, currency))
    left = len(rows) - MOST
    table = Table(
        "ladder",
        "The next twelve months",
        columns,
        tuple(rows[:MOST]),
        rest=f"{count_of(left, 'more date')}: in the plan." if left > 0 else "",
        empty="Nothing is bought, and nothing that is held begins or ends in the next year.",
    )
    return Section("ladder", "Purchase ladder", (table, *_owed(plan)))


def _rung(row: Document, index: int, currency: str) -> Row:
    if "quantity" in row:
        amount = amount_text(row["quantity"], row["measure"], currency)
    else:
        low, high = (amount_text(row[key], row["measure"], currency) for key in ("low", "high"))
        amount = low if low == high else f"{low} to {high}"
    return Row(
        (
            day_of(row["date"]), EVENTS[row["action"]], row["name"], amount, row.get("odds"),
            _trigger(row, currency),
        ),
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


def _owed(plan: Document) -> tuple[Table, ...]:
    rows = plan.get("lock_in", [])
    if not rows:
        return ()
    columns = (
        Column("day", "From", Kind.day),
        Column("held", "Held today", Kind.money),
        Column("bought", "Bought now", Kind.money),
        Column("together", "Together", Kind.money, formula="held today + bought now"),
    )
    marks = [month for month in _MONTHS if month < len(rows)]
    shown = []
    for index in marks:
        held, bought = (Decimal(str(rows[index][key])) for key in ("held", "bought"))
        shown.append(
            Row(
                (day_of(rows[index]["month"]), held, bought, held + bought),
                source=f"plan: lock_in[{index}]",
            )
        )
    return (Table("lock_in", "Locked in: what is still owed", columns, tuple(shown)),)
