# SPDX-License-Identifier: Apache-2.0
"""The answer of a what-if as tables: what it costs, what is bought otherwise, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from optimizer.reporting.document import Column, Kind, Row, Table, Value

Document = Mapping[str, Any]

ACTIONS = {"buy": "buy", "do_not_buy": "do not buy", "resize": "resize"}
_MONEY = {
    "total": "bill of the horizon",
    "baseline": "bill without new purchases",
    "savings": "saved by the plan",
    "on_demand": "on demand",
    "spot": "spot",
    "commitment_cost": "commitments, amortised",
    "unmet_penalties": "penalties for usage not served",
    "unused_cost": "paid for and not used",
    "upfront_cash": "upfront cash",
    "new_commitment": "committed by new purchases",
    "remaining_commitment": "owed in all",
    "expected": "expected bill",
    "p10": "P10 of the bill",
    "p50": "P50 of the bill",
    "p90": "P90 of the bill",
    "cvar": "mean of the dearest tenth",
}
_SHARES = {
    "coverage": "coverage",
    "utilization": "utilization",
    "effective_savings_rate_on_demand": "savings rate over contract",
    "gap": "proven gap",
}
_LEAST = Decimal("0.005")


def money(value: Any) -> Decimal | None:
    """Return an amount of a document, exact; ``None`` where there is none."""
    return None if value is None else Decimal(str(value))


def headline(document: Document) -> str:
    """The first sentence of the explanation."""
    return str(document["explanation"][0])


def figure_table(document: Document) -> Table:
    """Amounts before and after, in the order in which they are read."""
    rows = {row["figure"]: row for row in document["figures"]}
    columns = (
        Column("figure", "Figure"),
        Column("before", "Before", Kind.money),
        Column("after", "After", Kind.money),
        Column("change", "Change", Kind.change, formula="after − before"),
    )
    found = [
        Row(
            (title, *(money(rows[name][key]) for key in ("before", "after", "change"))),
            key=name,
            source=f"figures.{name}",
            emphasis=name == "total",
        )
        for name, title in _MONEY.items()
        if name in rows and _told(rows[name])
    ]
    return Table("figures", "What it costs", columns, tuple(found))


def _told(row: Document) -> bool:
    return any(money(row[key]) for key in ("before", "after"))


def share_table(document: Document) -> Table:
    """Shares before and after."""
    rows = {row["figure"]: row for row in document["figures"]}
    columns = (
        Column("figure", "Figure"),
        Column("before", "Before", Kind.share),
        Column("after", "After", Kind.share),
        Column("change", "Change", Kind.points, formula="after − before"),
    )
    found = [
        Row(
            (title, rows[name]["before"], rows[name]["after"], rows[name]["change"]),
            key=name,
            source=f"figures.{name}",
        )
        for name, title in _SHARES.items()
        if name in rows
    ]
    return Table("shares", "How well it is used", columns, tuple(found))


def purchase_table(document: Document) -> Table:
    """Offers of which another amount is bought."""
    columns = (
        Column("action", "Action", Kind.state),
        Column("offer", "Offer"),
        Column("measure", "Measure"),
        Column("before", "Before", Kind.quantity),
        Column("after", "After", Kind.quantity),
        Column("cost", "In the horizon", Kind.change, formula="amortised cost, after − before"),
        Column("upfront", "Upfront", Kind.change, formula="cash at purchase, after − before"),
    )
    rows = [
        Row(
            (
                ACTIONS[row["action"]],
                row["offer"],
                "$ per hour" if row["measure"] == "money" else "units",
                row["before"],
                row["after"],
                money(row["cost"]),
                money(row["upfront"]),
            ),
            key=row["offer"],
            source=f"purchases.{row['offer']}",
        )
        for row in document["purchases"]
    ]
    return Table(
        "purchases",
        "What to buy otherwise",
        columns,
        tuple(rows),
        empty="The purchases are the same.",
    )


def commitment_table(document: Document) -> Table | None:
    """Commitments that are held that would be treated otherwise; ``None`` if there are none."""
    columns = (
        Column("commitment", "Commitment"),
        Column("offer", "Offer"),
        Column("before", "Before"),
        Column("after", "After"),
        Column("quantity_before", "Amount before", Kind.quantity),
        Column("quantity_after", "Amount after", Kind.quantity),
    )
    rows = []
    for row in document["commitments"]:
        both = [row["before"], row["after"]]
        actions: list[Value] = [
            "not held" if one is None else str(one["action"]).replace("_", " ") for one in both
        ]
        amounts: list[Value] = [None if one is None else float(one["quantity"]) for one in both]
        rows.append(Row((row["commitment"], row["offer"], *actions, *amounts), row["commitment"]))
    if not rows:
        return None
    return Table("commitments", "What is held otherwise", columns, tuple(rows))


def amount_tables(document: Document) -> list[Table]:
    """Spot, routes, replicas, moved usage and usage that is not served, where they differ."""
    titles = {
        "routes": ("Routes: who answers", Kind.share, Kind.points),
        "replicas": ("Replicas, on average", Kind.quantity, Kind.quantity),
        "spot": ("Run on spot, unit-hours", Kind.quantity, Kind.quantity),
        "substitutions": ("Moved to another meter, unit-hours", Kind.quantity, Kind.quantity),
        "unmet": ("Not served, unit-hours", Kind.quantity, Kind.quantity),
    }
    tables = []
    for name, (title, kind, change) in titles.items():
        rows: Sequence[Document] = document.get(name) or ()
        if not rows:
            continue
        keys = [key for key in rows[0] if key not in ("before", "after", "change")]
        columns = (
            *(Column(key, key.replace("_", " ").capitalize()) for key in keys),
            Column("before", "Before", kind),
            Column("after", "After", kind),
            Column("change", "Change", change),
        )
        found = [
            Row(
                (*(row[key] for key in keys), row["before"], row["after"], row["change"]),
                key=" ".join(str(row[key]) for key in keys),
            )
            for row in rows
        ]
        tables.append(Table(name, title, columns, tuple(found)))
    return tables


def cause_table(document: Document) -> Table:
    """Every dollar of the change of the total, cause by cause; the rows add up to it."""
    columns = (
        Column("kind", "Cause"),
        Column("name", "Of"),
        Column("change", "Change", Kind.change),
    )
    rows = [
        Row((row["kind"], row["name"], money(row["change"])), key=f"{row['kind']} {row['name']}")
        for row in document["why"]
        if abs(money(row["change"]) or Decimal(0)) >= _LEAST
    ]
    if rows:
        total = Row(("all", "", money(document["change"])), key="all", emphasis=True)
        rows.append(total)
    return Table(
        "why",
        "Why: the change of the bill, cause by cause",
        columns,
        tuple(rows),
        empty="The bill is the same.",
    )


def effect_table(document: Document) -> Table:
    """The change in two steps: what the edits do, and what planning anew does."""
    columns = (Column("effect", "Step"), Column("change", "Change", Kind.change))
    rows = [
        Row((row["effect"], money(row["change"])), key=row["effect"])
        for row in document.get("effects", ())
    ]
    return Table("effects", "In two steps", columns, tuple(rows))


def relaxation_table(document: Document) -> Table:
    """What to relax where no plan serves the usage, and what each costs."""
    columns = (
        Column("limit", "Limit to relax"),
        Column("amount", "By", Kind.quantity),
        Column("cost", "The bill is then", Kind.money),
    )
    rows = [
        Row((row["limit"], row["amount"], money(row["cost"])), key=row["limit"])
        for row in document["relaxations"]
    ]
    return Table("relaxations", "The smallest set of limits to relax", columns, tuple(rows))


def difference_tables(document: Document) -> list[Table]:
    """What is done otherwise, in the order of reading: purchases, holdings, spot, routes."""
    held = commitment_table(document)
    return [purchase_table(document), *([held] if held else []), *amount_tables(document)]


def figure_tables(document: Document) -> list[Table]:
    """What that costs, and why."""
    return [
        cause_table(document),
        figure_table(document),
        effect_table(document),
        share_table(document),
    ]
