# SPDX-License-Identifier: Apache-2.0
"""What a plan page says of routing: who answers what, with how many replicas, at what prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from optimizer.reporting.layout import cents, dollars, percent, section, table

Document = Mapping[str, Any]

_SHOWN = 12  # hours, and deployments that may not answer, that are shown
_ROWS = (
    "route.quality", "route.quality_average", "route.demand", "route.zone", "coverage.draw",
)  # fmt: skip


def routing_sections(document: Document) -> Iterator[RenderableType]:
    """A section for the routes, the replicas, the prices, and what simpler plans cost."""
    if "routes" not in document:
        return
    yield section("Route")
    yield _routes(document["routes"])
    if document["replicas"]:
        yield section("Run replicas")
        yield _replicas(document["replicas"])
    if document.get("zones"):
        yield section("When a zone is lost")
        yield _zones(document["zones"])
    prices = [row for row in document.get("shadow_prices", []) if row["row"] in _ROWS]
    if prices:
        yield section("What a router needs to know")
        worth = table("price of", "of", ">value", "unit")
        for row in prices:
            worth.add_row(
                row["row"], row["name"] or "all traffic", cents(row["value"]), row["unit"]
            )
        yield worth
    if len(document["alternatives"]) > 1:
        yield section("Routing and commitments together, and apart")
        costs = table("plan", ">costs over the terms")
        for row in document["alternatives"]:
            costs.add_row(row["plan"], dollars(row["objective"]))
        yield costs
    barred = document.get("not_routed", [])
    if barred:
        yield section("May not answer")
        rows = table("class", "deployment", "reason")
        for row in barred[:_SHOWN]:
            rows.add_row(row["workload"], row["deployment"], row["reason"])
        yield rows
        if len(barred) > _SHOWN:
            yield Text(f"  … and {len(barred) - _SHOWN} more: --json", style="dim")


def _routes(rows: list[Document]) -> RenderableType:
    if rows and "hour" in rows[0]:
        shares = table("class", "deployment", "hour", ">share")
        for row in rows:
            shares.add_row(
                row["workload"], row["deployment"], row["hour"][:16], percent(row["share"])
            )
        return shares
    shares = table("class", "deployment", ">share", ">requests")
    for row in rows:
        shares.add_row(
            row["workload"], row["deployment"], percent(row["share"]), f"{row['requests']:,.0f}"
        )
    return shares


def _zones(rows: list[Document]) -> RenderableType:
    lost = table("zone", ">chance an hour", "class", "taken over by", ">share", ">started",
                 ">expected cost")  # fmt: skip
    for row in rows:
        parts = row["fallback"] or [None]
        for number, part in enumerate(parts):
            told = ("", "nothing is lost", "", "") if part is None else (
                part["workload"], part["deployment"], percent(part["share"]),
                f"{part['started']:,g}" if part["started"] else "",
            )  # fmt: skip
            first = number == 0
            lost.add_row(
                row["zone"] if first else "", f"{row['odds']:.3%}" if first else "", *told,
                cents(row["expected_cost"]) if first else "",
            )  # fmt: skip
    return lost


def _replicas(rows: list[Document]) -> RenderableType:
    if "hour" in rows[0]:
        running = table("deployment", "hour", ">replicas")
        for row in rows:
            running.add_row(row["deployment"], row["hour"][:16], f"{row['replicas']:,g}")
        return running
    running = table("deployment", "model", ">on average", ">least", ">most")
    for row in rows:
        running.add_row(
            row["deployment"], row["model"], f"{row['replicas']:,.2f}",
            f"{row['least']:,g}", f"{row['most']:,g}",
        )  # fmt: skip
    return running
