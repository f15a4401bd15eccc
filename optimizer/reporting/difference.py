# SPDX-License-Identifier: Apache-2.0
"""Differences, sweeps and explanations as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section
from optimizer.reporting.layout import table as make_table

Document = Mapping[str, Any]

_MARKS = {"buy": "+", "do_not_buy": "-", "resize": "~"}
_SHARES = frozenset({"gap", "gap_solver", "gap_law", "coverage", "utilization"})
_CAUSES = 15
_LEAST = Decimal("0.005")


def difference_page(document: Document) -> RenderableType:
    """What changes between two plans, and why."""
    parts: list[RenderableType] = []
    was, now = (Decimal(str(document["total"][k])) for k in ("before", "after"))
    change = now - was
    share = f" ({change / was:+.1%})" if was else ""
    style = "bold red" if change > 0 else "bold green"
    parts.append(
        Text.assemble(
            ("Before ", ""), (dollars(was), "bold"), ("   after ", ""), (dollars(now), "bold"),
            (f"   {_signed(change)}{share}", style),
        )
    )  # fmt: skip
    parts += [Text(f"  what if {edit}", style="dim") for edit in document.get("edits", [])]
    parts += [Text(f"  {note}", style="yellow") for note in document.get("notes", [])]
    if document["purchases"] or document["commitments"]:
        parts += [section("What to do otherwise   + buy   - do not buy   ~ another amount")]
        parts.append(_purchases(document))
    else:
        parts.append(Text("The purchases are the same."))
    for name in ("spot", "routes", "replicas", "substitutions", "unmet"):
        if document.get(name):
            parts += [section(name.capitalize()), _amounts(document[name])]
    if document["why"]:
        parts += [section("Why: the change of the total, cause by cause"), _why(document["why"])]
    parts += [section("Figures"), _figures(document["figures"])]
    for effect in document.get("effects", []):
        parts.append(Text(f"{effect['effect']}: {_signed(effect['change'])}"))
    parts += [Text(), *(Text(line) for line in document.get("explanation", []))]
    return Group(*parts)


def sweep_page(document: Document) -> RenderableType:
    """A curve: for each value of the swept edit what the plan costs and buys."""
    table = make_table("edit", ">without new", ">plan", ">saves", ">upfront", ">gap", "buys")
    for row in document["points"]:
        if row["status"] == "infeasible":
            table.add_row(row["edit"], "", "no plan", "", "", "", "; ".join(row["explanation"]))
            continue
        bought = row["purchases"]
        table.add_row(
            row["edit"],
            dollars(row.get("baseline")),
            dollars(row["total"]),
            dollars(row.get("savings")),
            dollars(row["upfront_cash"]),
            percent(row["gap"]),
            f"{len(bought)} offers",
        )
    return Group(Text(f"Sweep of {document['sweep']}", style="bold"), Text(), table)


def explanation_page(document: Document) -> RenderableType:
    """How a plan's numbers come about."""
    told = document["assumptions"]
    parts: list[RenderableType] = [
        Text(f"{document['plan']} · {document['status']} · as of {str(told['as_of'])[:10]}"),
        Text(
            f"{told['horizon_hours']} hours, discount {told['discount_rate']}, "
            f"after the horizon: {told['after_horizon']}",
            style="dim",
        ),
        Text(),
    ]
    if "formulae" in document:
        table = make_table("figure", ">value", "how it is computed")
        for row in document["formulae"]:
            shown = percent(row["value"]) if row["figure"] == "gap" else dollars(row["value"])
            table.add_row(row["figure"], shown, row["formula"])
        parts += [table, Text()]
    parts += [Text(line) for line in document["explanation"]]
    return Group(*parts)


def _purchases(document: Document) -> RenderableType:
    table = make_table(
        "", "offer or commitment", ">before", ">after", ">in the horizon", ">upfront"
    )
    for row in document["purchases"]:
        table.add_row(
            _MARKS[row["action"]],
            row["offer"],
            f"{row['before']:,g}",
            f"{row['after']:,g}",
            _signed(row["cost"]),
            _signed(row["upfront"]),
        )
    for row in document["commitments"]:
        old, new = row["before"], row["after"]
        shown = ["" if one is None else f"{one['quantity']:,g}" for one in (old, new)]
        table.add_row(
            "-" if new is None else "+" if old is None else "~", row["commitment"], *shown
        )
    return table


def _amounts(rows: list[Document]) -> RenderableType:
    keys = [key for key in rows[0] if key not in ("before", "after", "change")]
    table = make_table(*keys, ">before", ">after")
    for row in rows:
        names = [str(row[key] or "") for key in keys]
        table.add_row(*names, f"{row['before']:,.6g}", f"{row['after']:,.6g}")
    return table


def _why(rows: list[Document]) -> RenderableType:
    table = make_table("cause", "of", ">change")
    seen = [row for row in rows if abs(Decimal(str(row["change"]))) >= _LEAST]
    for row in seen[:_CAUSES]:
        table.add_row(row["kind"], row["name"], _signed(row["change"]))
    if len(seen) > _CAUSES:
        rest = sum((Decimal(str(row["change"])) for row in seen[_CAUSES:]), Decimal(0))
        table.add_row("", f"{len(seen) - _CAUSES} more", _signed(rest))
    return table


def _figures(rows: list[Document]) -> RenderableType:
    table = make_table("", ">before", ">after", ">change")
    for row in rows:
        share = row["figure"] in _SHARES or row["figure"].startswith("effective")
        values = [row["before"], row["after"]]
        shown = [("n/a" if v is None else f"{v:.2%}") if share else dollars(v) for v in values]
        change = row["change"]
        last = "" if change is None else f"{change:+.2%}" if share else _signed(change)
        table.add_row(row["figure"].replace("_", " "), *shown, last)
    return table


def _signed(amount: Any) -> str:
    value = Decimal(str(amount))
    return f"+{dollars(value)}" if value >= _LEAST else dollars(value)
