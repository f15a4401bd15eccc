# SPDX-License-Identifier: Apache-2.0
"""What a plan page says beside the bill: what is left unserved, moved, run, owed and limited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section, table

Document = Mapping[str, Any]


def left_unserved(document: Document) -> Text | None:
    """The warning under the headline where a plan leaves usage unserved."""
    rows = document.get("unmet")
    if not rows:
        return None
    units = sum(row["quantity"] for row in rows)
    penalties = sum((row["penalties"] for row in rows), Decimal(0))
    return Text(
        f"It leaves {units:,.4g} units of usage unserved, at penalties of {dollars(penalties)}.",
        style="bold red",
    )


def beside_the_bill(document: Document) -> Iterator[RenderableType]:
    """A section for each thing that the case asks for, in the order of doing."""
    if document.get("substitutions"):
        yield section("Move")
        moved = table("from", "to", "workload", "days", ">share", ">costs to move", ">saves then")
        for row in document["substitutions"]:
            moved.add_row(
                row["from_meter"], row["to_meter"], row["workload"] or "",
                f"{row['start'][:10]} to {row['end'][:10]}", percent(row["share"]),
                dollars(row["move_cost"]), dollars(row["saving"]),
            )  # fmt: skip
        yield moved
    if document.get("jobs"):
        yield section("Run jobs")
        jobs = table("job", "meter", "from", "to", ">unit-hours", "on", ">hours left", ">cost")
        for row in document["jobs"]:
            on = (f"{n:,.0f} {kind.replace('_', ' ')}" for kind, n in row["on"].items() if n)
            jobs.add_row(
                row["job"], row["meter"], row["start"][:16], row["finish"][:16],
                f"{row['unit_hours']:,.0f}", ", ".join(on), f"{row['slack_hours']:,}",
                dollars(row["cost"]),
            )  # fmt: skip
        yield jobs
    if document.get("unmet"):
        yield section("Left unserved")
        unmet = table("meter", "account", ">unit-hours", ">penalties")
        for row in document["unmet"]:
            unmet.add_row(
                row["meter"], row["account"] or "", f"{row['quantity']:,.4g}",
                dollars(row["penalties"]),
            )  # fmt: skip
        yield unmet
    if document.get("limits"):
        yield section("Limits")
        limits = table("limit", "of", ">used", ">at most", ">one more saves")
        for row in document["limits"]:
            worth = f"{dollars(row['price'])} {row['unit'].removeprefix('$ ')}"
            limits.add_row(
                row["row"], row["name"] or "", f"{float(row['used']):,.6g}",
                f"{float(row['maximum']):,.6g}", worth if row["price"] else "",
            )  # fmt: skip
        yield limits
    if document.get("agreements"):
        yield section("Agreements")
        owed = table("agreement", ">target", ">counted", ">short by", ">costs")
        for row in document["agreements"]:
            owed.add_row(
                row["agreement"], dollars(row["target"]), dollars(row["counted"]),
                dollars(row["shortfall"]), dollars(row["cost"]),
            )  # fmt: skip
        yield owed
    if document.get("renewals"):
        yield section("Counted on behind the horizon: bought again when it ends")
        again = table("offer", ">amount", "from", ">one term costs")
        for row in document["renewals"]:
            amount = f"{row['quantity']:,g}"
            if row["measure"] == "money":
                amount = f"${row['quantity']:,.3f}/h"
            again.add_row(row["offer"], amount, row["start"][:10], dollars(row["cost"]))
        yield again


def stopped(document: Document) -> Iterator[Text]:
    """Why parts of a plan were not solved to the end."""
    for row in document["parts"]:
        if row.get("stopped"):
            meters = row["meters"]
            more = f" and {len(meters) - 1} more meters" if len(meters) > 1 else ""
            yield Text(f"Stopped by {row['stopped']}: {meters[0]}{more}.", style="yellow")
