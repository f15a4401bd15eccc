# SPDX-License-Identifier: Apache-2.0
"""Recommendations as tables: what is advised, what became of it, and what it saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from optimizer.billing.terms import WayOut, way_out
from optimizer.planning.predicted import Predicted, predicted_saving
from optimizer.reporting.document import Column, Kind, Row, Table, Value
from optimizer.reporting.pages.difference import money
from optimizer.reporting.plan_tables import unit_of

Advice = Mapping[str, Any]
Document = Mapping[str, Any]

MONTH = 730  # hours, for display only

_COLUMNS = (
    Column("offer", "Offer"),
    Column("state", "State", Kind.state),
    Column("quantity", "Amount", Kind.quantity),
    Column("measure", "Unit"),
    Column(
        "saving",
        "Below on demand / month",
        Kind.change,
        formula="(on-demand cost of what it covers − its amortised cost) × 730 ÷ horizon hours",
    ),
    Column("upfront", "Upfront", Kind.money, formula="cash at purchase"),
    Column("per_month", "Cost / month", Kind.money, formula="amortised cost × 730 ÷ horizon hours"),
    Column(
        "break_even",
        "Breaks even at",
        Kind.share,
        formula="the share of its term that has to be used for it to cost what on demand costs",
    ),
    Column("reversible", "Reversible", Kind.state),
    Column("until", "Decide by", Kind.day),
)
_REALISED = Column(
    "realised", "Saved so far", Kind.change, formula="the replayed bill without it − with it"
)


def advice_table(rows: Iterable[Advice], document_of: Callable[[str], Document]) -> Table:
    """A row for each recommendation, what saves most first, then those of which nothing is known.

    ``document_of`` returns the document of a plan. What was saved is shown if any was measured.
    """
    found: list[tuple[tuple[Value, ...], str, str, Value]] = []
    for row in rows:
        content, document = row["content"], document_of(row["plan"])
        per_month = Decimal(MONTH) / int(document["horizon_hours"])
        predicted = predicted_saving(document, row["offer"])
        saving = predicted.saving * per_month if predicted else None
        values: tuple[Value, ...] = (
            row["offer"],
            str(row["state"]),
            content["quantity"],
            unit_of(content),
            saving,
            money(content["upfront"]),
            (money(content["cost"]) or Decimal(0)) * per_month,
            break_even_of(content),
            way_out_of(content).answer,
            row["expires_at"] if row["state"] in ("active", "accepted") else None,
        )
        source = f"purchases.{row['offer']} of {row['plan']}"
        found.append((values, row["id"], source, money((row["realised"] or {}).get("saving"))))
    known = any(realised is not None for *_, realised in found)
    columns = (*_COLUMNS, _REALISED) if known else _COLUMNS
    made = [
        Row((*values, realised) if known else values, key=key, source=source)
        for values, key, source, realised in sorted(found, key=lambda each: _rank(each[0][4]))
    ]
    return Table("advice", "Recommendations", columns, tuple(made), empty="There are none.")


def _rank(saving: Value) -> tuple[bool, Decimal]:
    return (saving is None, -saving if isinstance(saving, Decimal) else Decimal(0))


def way_out_of(content: Document) -> WayOut:
    """Whether a purchase can be undone, and how."""
    return way_out(content["law"], Decimal(str(content["quantity"])))


def break_even_of(content: Document) -> float | None:
    """The share of its term that a purchase has to be used to cost what on demand would."""
    hours = content.get("break_even_hours")
    return None if hours is None else float(hours) / float(content["term_hours"])


def cover_table(content: Document) -> Table:
    """What a purchase covers within the horizon, the most first."""
    columns = (
        Column("meter", "Meter"),
        Column("quantity", "Covers", Kind.quantity, "unit-hours of the horizon"),
    )
    covers = sorted(content.get("covers", ()), key=lambda row: -row["quantity"])
    rows = [Row((row["meter"], row["quantity"]), key=row["meter"]) for row in covers]
    return Table("covers", "What it covers", columns, tuple(rows), empty="It covers nothing.")


_DEEDS = {
    "plan.put_forward": "put forward",
    "recommendation.accepted": "accepted",
    "recommendation.dismissed": "dismissed",
    "recommendation.superseded": "superseded",
    "recommendation.expired": "expired",
    "recommendation.purchased": "purchased",
    "recommendation.realised": "realised",
}


def history_table(
    created: datetime, deeds: Sequence[tuple[datetime, str, str, Mapping[str, Any]]]
) -> Table:
    """What happened to a recommendation, the oldest first: (when, who, what, detail)."""
    columns = (
        Column("at", "When", Kind.moment),
        Column("what", "What", Kind.state),
        Column("who", "By"),
        Column("words", "Said"),
    )
    rows = [Row((created, "active", "", "put forward by a plan"))]
    for at, who, action, detail in deeds:
        words = detail.get("reason") or ", ".join(detail.get("commitments", ())) or ""
        rows.append(Row((at, _DEEDS.get(action, action), who, str(words))))
    return Table("history", "What happened", columns, tuple(rows))


def realised_table(realised: Mapping[str, Any], predicted: Predicted | None) -> Table:
    """What was measured of a purchase beside what the plan predicted for as many hours."""
    columns = (
        Column("figure", "Over the hours measured"),
        Column("predicted", "Predicted", Kind.money),
        Column("realised", "Realized", Kind.money),
        Column("difference", "Difference", Kind.change, formula="realized − predicted"),
    )
    hours = int(realised["hours"])
    expected = None if predicted is None else predicted.over(hours)
    saved = money(realised["saving"])
    difference = None if expected is None or saved is None else saved - expected
    rows = (
        Row(("saving", expected, saved, difference), key="saving", emphasis=True),
        Row(("bill without it", None, money(realised["bill_without"]), None), key="without"),
        Row(("bill with it", None, money(realised["bill"]), None), key="with"),
    )
    note = (
        f"{hours:,} hours of usage from {str(realised['start'])[:10]} on were replayed with the "
        "purchase and without it; predicted is the plan's saving for as many hours."
    )
    return Table("realised", "Predicted and realized", columns, rows, note=note)
