# SPDX-License-Identifier: Apache-2.0
"""The frontier as people read it, and as CSV; every number is the document's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section, table

COLUMNS = (
    "latency",
    "quality_asked",
    "quality",
    "total",
    "objective",
    "lower_bound",
    "gap",
    "price_of_a_point",
    "efficient",
    "status",
)


def frontier_page(document: Mapping[str, Any]) -> RenderableType:
    """Return the page of ``gpuopt frontier``: a row for each point, the efficient ones marked."""
    made = table(
        "",
        ">latency",
        ">quality",
        ">total",
        ">against the first",
        ">a point costs",
        ">gap",
        "status",
    )
    rows = document["frontier"]
    first = next((Decimal(row["total"]) for row in rows if "total" in row), None)
    for row in rows:
        if "total" not in row or first is None:
            made.add_row("", f"× {row['latency']:g}", _asked(row), "", "", "", "", row["status"])
            continue
        total = Decimal(row["total"])
        price = row.get("price_of_a_point")
        made.add_row(
            "*" if row["efficient"] else "",
            f"× {row['latency']:g}",
            f"{row['quality']:.4f}",
            dollars(total),
            f"{'+' if total >= first else ''}{dollars(total - first)}",
            dollars(Decimal(price)) if price is not None else "",
            percent(row["gap"]),
            row["status"],
        )
    efficient = sum(row["efficient"] for row in rows)
    closing = (
        f"Frontier: {efficient} of {len(rows)} plans are efficient (*): none other has less cost, "
        "no less quality and no more latency."
    )
    told = (
        f"Cost of {document['horizon_hours']} hours; quality is the average over all traffic, at "
    )
    parts: list[RenderableType] = [
        section("Cost, quality and latency"),
        made,
        Text(),
        Text(told + "the bounds that plans count; a point is a hundredth of it.", style="dim"),
        Text(closing),
    ]
    return Group(*parts)


def _asked(row: Mapping[str, Any]) -> str:
    asked = row["quality_asked"]
    return "" if asked is None else f"{asked:.4f}"


def frontier_csv(document: Mapping[str, Any]) -> str:
    """Return the points as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in document["frontier"]:
        writer.writerow({**row, "efficient": "true" if row["efficient"] else "false"})
    return out.getvalue()
