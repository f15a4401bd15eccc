# SPDX-License-Identifier: Apache-2.0
"""The routes of a plan as tables: who answers what, with how many replicas, at what prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from optimizer.reporting.document import Column, Kind, Row, Table
from optimizer.reporting.pages.difference import money

Document = Mapping[str, Any]

_PRICES = {
    "route.quality": "a point of mean quality",
    "route.quality_average": "a point of mean quality of all traffic",
    "route.demand": "1,000 more requests",
    "coverage.draw": "a committed unit-hour",
}


def hours_of(document: Document) -> list[str]:
    """The hours that a plan names; empty where it was written without them."""
    rows = [*document.get("routes", ()), *document.get("replicas", ())]
    return sorted({row["hour"] for row in rows if "hour" in row})


def route_table(document: Document, hour: str = "") -> Table:
    """The share of each class that each deployment answers: of the horizon, or of one hour."""
    rows = [
        Row(
            (
                row["workload"], row["deployment"], row.get("model"), row.get("kind"),
                row.get("provider"), row["share"], row["requests"],
            ),
            key=f"{row['workload']} {row['deployment']}",
            source=f"routes.{row['workload']}.{row['deployment']}",
        )
        for row in shares(document["routes"], hour)
    ]  # fmt: skip
    columns = (
        Column("workload", "Class"),
        Column("deployment", "Deployment"),
        Column("model", "Model"),
        Column("kind", "Kind"),
        Column("provider", "Provider"),
        Column("share", "Share", Kind.share, formula="requests ÷ answered requests of the class"),
        Column("requests", "Requests", Kind.quantity),
    )
    title = f"Routes in the hour from {hour[:16].replace('T', ' ')} UTC" if hour else "Routes"
    return Table("shares", title, columns, tuple(rows), empty="Nothing is routed in this hour.")


def shares(rows: Iterable[Document], hour: str = "") -> list[dict[str, Any]]:
    """Rows of routes without hours: those of one hour, or added up over all."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    whole: dict[str, float] = defaultdict(float)
    for row in rows:
        if hour and row.get("hour") != hour:
            continue
        key = (row["workload"], row["deployment"])
        kept = found.setdefault(key, {**row, "requests": 0.0})
        kept["requests"] += row["requests"]
        whole[row["workload"]] += row["requests"]
    for (workload, _), kept in found.items():
        kept["share"] = kept["requests"] / whole[workload] if whole[workload] else 0.0
    return sorted(found.values(), key=lambda row: (row["workload"], -row["requests"]))


def replica_table(document: Document) -> Table:
    """How many replicas run: on average, at least and at most, over the horizon."""
    columns = (
        Column("deployment", "Deployment"),
        Column("model", "Model"),
        Column("replicas", "On average", Kind.quantity),
        Column("least", "Least", Kind.quantity),
        Column("most", "Most", Kind.quantity),
        Column("replica_hours", "Replica-hours", Kind.quantity),
    )
    rows = [
        Row(
            (
                row["deployment"], row["model"], row["replicas"], row["least"], row["most"],
                row["replica_hours"],
            ),
            key=row["deployment"],
            source=f"replicas.{row['deployment']}",
        )
        for row in spans(document["replicas"])
    ]  # fmt: skip
    return Table(
        "replicas", "Replicas", columns, tuple(rows), empty="No replica runs: APIs answer all."
    )


def spans(rows: Iterable[Document]) -> list[Document]:
    """Rows of replicas without hours; those of hours are summed up."""
    whole: list[Document] = []
    hourly: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if "hour" not in row:
            whole.append(row)
        else:
            hourly[row["deployment"], row["model"]].append(float(row["replicas"]))
    whole += [
        {
            "deployment": deployment, "model": model, "replicas": sum(counts) / len(counts),
            "least": min(counts), "most": max(counts), "replica_hours": sum(counts),
        }
        for (deployment, model), counts in hourly.items()
    ]  # fmt: skip
    return whole


def hourly_table(document: Document) -> Table | None:
    """Replicas of each deployment, hour by hour; ``None`` where the plan has no hours."""
    rows = [row for row in document.get("replicas", ()) if "hour" in row]
    if not rows:
        return None
    names = list(dict.fromkeys(row["deployment"] for row in rows))
    running: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        running[row["hour"]][row["deployment"]] = row["replicas"]
    columns = (
        Column("hour", "Hour", Kind.moment),
        *(Column(f"replicas_{n}", name, Kind.quantity) for n, name in enumerate(names)),
    )
    found = [
        Row((hour, *(counts.get(name, 0.0) for name in names)), key=hour)
        for hour, counts in sorted(running.items())
    ]
    return Table("replicas_by_hour", "Replicas, hour by hour", columns, tuple(found))


def price_table(document: Document) -> Table | None:
    """What a router needs to know: what one more of something is worth; ``None`` if unknown."""
    columns = (
        Column("row", "Price of"),
        Column("name", "Of"),
        Column("value", "Value", Kind.rate),
        Column("unit", "Unit"),
    )
    rows = [
        Row(
            (_PRICES[row["row"]], row["name"] or "all traffic", money(row["value"]), row["unit"]),
            key=f"{row['row']} {row['name']}",
        )
        for row in document.get("shadow_prices", ())
        if row["row"] in _PRICES
    ]
    return Table("prices", "Shadow prices", columns, tuple(rows)) if rows else None


def alternative_table(document: Document) -> Table | None:
    """What simpler plans cost; ``None`` if there is only this one."""
    told = document.get("alternatives", ())
    if len(told) < 2:
        return None
    best = money(told[-1]["objective"])
    columns = (
        Column("plan", "Plan"),
        Column("objective", "Costs over the terms", Kind.money),
        Column("more", "More than jointly", Kind.change),
    )
    rows = [
        Row(
            (row["plan"], money(row["objective"]), (money(row["objective"]) or 0) - (best or 0)),
            key=row["plan"],
            emphasis=row is told[-1],
        )
        for row in told
    ]
    return Table(
        "alternatives", "Routing and commitments together, and apart", columns, tuple(rows)
    )


def barred_table(document: Document) -> Table | None:
    """Which deployments may not answer a class, and what bars them; ``None`` if none is."""
    columns = (
        Column("workload", "Class"),
        Column("deployment", "Deployment"),
        Column("reason", "Reason"),
    )
    rows = [
        Row((row["workload"], row["deployment"], row["reason"])) for row in document["not_routed"]
    ] if document.get("not_routed") else []  # fmt: skip
    return Table("not_routed", "May not answer", columns, tuple(rows)) if rows else None


def latency_table(document: Document) -> Table | None:
    """The latency that was attained in hours that were played; ``None`` where none is claimed."""
    told = (document.get("attainment") or {}).get("latency")
    if not told:
        return None
    columns = (
        Column("workload", "Class"),
        Column("asked", "Asked", Kind.share),
        Column("attained", "Attained", Kind.share, formula="requests within their targets ÷ all"),
        Column("least", "Worst hour", Kind.share),
        Column("least_in_ten_minutes", "Worst ten minutes", Kind.share),
        Column("requests", "Requests played", Kind.whole),
        Column("kept", "Kept?", Kind.state),
    )
    names = [column.name for column in columns[:-1]]
    rows = [
        Row(
            (*(row[name] for name in names), "kept" if row["kept"] else "missed"),
            key=row["workload"],
        )
        for row in told
    ]
    return Table("latency", "Latency, attained in hours that were played", columns, tuple(rows))


def quality_table(document: Document) -> Table | None:
    """The mean quality of classes that ask for one; ``None`` where none was played."""
    told = (document.get("attainment") or {}).get("quality")
    if not told:
        return None
    columns = (
        Column("workload", "Class"),
        Column("asked", "Asked", Kind.share),
        Column("attained", "Attained", Kind.share, formula="Σ requests × score ÷ Σ requests"),
        Column("kept", "Kept?", Kind.state),
    )
    rows = [
        Row(
            (row["workload"], row["asked"], row["attained"], "kept" if row["kept"] else "missed"),
            key=row["workload"],
        )
        for row in told
    ]
    return Table("quality", "Quality, attained", columns, tuple(rows))
