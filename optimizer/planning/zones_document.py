# SPDX-License-Identifier: Apache-2.0
"""What the plan document says of zones that may be lost: what goes, what takes over, its price."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.planning.part import PartRoutes
from optimizer.planning.plan import Plan
from optimizer.program.route_zone_settle import drawn_when_lost
from optimizer.program.routing import Routing
from optimizer.program.zones import Loss
from optimizer.tables import format_hour

TINY = 1e-6  # of a request


def zones_of_plan(plan: Plan, routes: PartRoutes, *, detail: bool) -> dict[str, Any]:
    """Keys of the plan document; none where no zone has to be survived."""
    if not routes.routing.zones:
        return {}
    document: dict[str, Any] = {"zones": zone_rows(plan, routes)}
    if detail:
        document["zone_routes"] = _hourly_routes(plan, routes)
        document["zone_replicas"] = _hourly_replicas(plan, routes)
    return document


def zone_rows(plan: Plan, routes: PartRoutes) -> list[dict[str, Any]]:
    """Each zone: the chance, what is lost in its busiest hour, and what takes over."""
    routing, horizon, found = routes.routing, routes.horizon, []
    for zone, loss in zip(routing.zones, horizon.losses, strict=True):
        runs = [j for j in zone.lost if horizon.replicas[j].any()]
        moved = loss.moved + loss.late
        by_hour = moved.sum(axis=0)
        found.append(
            {
                "zone": zone.name,
                "odds": zone.odds,
                "deployments": [routing.deployments[j].name for j in runs],
                "hours": int((by_hour > TINY).sum()),
                "requests": float(by_hour.max(initial=0.0)),
                "fallback": _fallback(routing, loss),
                "expected_cost": exact(_expected(plan, routing, zone.odds, loss)),
            }
        )
    return found


def _fallback(routing: Routing, loss: Loss) -> list[dict[str, Any]]:
    """By class and deployment: the share of what is lost that it takes over."""
    whole: dict[str, float] = {}
    parts: dict[tuple[str, int], float] = {}
    for number, route in enumerate(routing.routes):
        workload = routing.streams[route.stream].workload
        both = float((loss.moved[number] + loss.late[number]).sum())
        if both > TINY:
            whole[workload] = whole.get(workload, 0.0) + both
            key = (workload, route.deployment)
            parts[key] = parts.get(key, 0.0) + both
    return [
        {
            "workload": workload,
            "deployment": routing.deployments[j].name,
            "share": both / whole[workload],
            "started": float(loss.started[j].max(initial=0.0)),
        }
        for (workload, j), both in sorted(parts.items())
    ]


def _expected(plan: Plan, routing: Routing, odds: float, loss: Loss) -> float:
    """Dollars of the horizon at on-demand prices: the chance × what a loss draws."""
    prices = [plan.catalogue.meters[meter].on_demand for meter in routing.meters]
    rates = np.array([0.0 if price is None else float(price) for price in prices])
    return float(odds * (rates @ drawn_when_lost(routing, loss)).sum())


def _hourly_routes(plan: Plan, routes: PartRoutes) -> list[dict[str, Any]]:
    """Requests that move, by zone, hour, class and deployment."""
    routing, as_of, rows = routes.routing, plan.case.settings.as_of, []
    for zone, loss in zip(routing.zones, routes.horizon.losses, strict=True):
        by_key: dict[tuple[int, str, str], tuple[float, float]] = {}
        for number, route in enumerate(routing.routes):
            workload = routing.streams[route.stream].workload
            name = routing.deployments[route.deployment].name
            for hour in np.flatnonzero(loss.moved[number] + loss.late[number] > TINY):
                key = (int(hour), workload, name)
                moved, late = by_key.get(key, (0.0, 0.0))
                by_key[key] = (
                    moved + float(loss.moved[number, hour]),
                    late + float(loss.late[number, hour]),
                )
        rows += [
            {
                "zone": zone.name,
                "hour": format_hour(as_of + hour),
                "workload": workload,
                "deployment": name,
                "requests": moved,
                "late": late,
            }
            for (hour, workload, name), (moved, late) in sorted(by_key.items())
        ]
    return rows


def _hourly_replicas(plan: Plan, routes: PartRoutes) -> list[dict[str, Any]]:
    """Replicas that are started, by zone, hour and deployment."""
    routing, as_of = routes.routing, plan.case.settings.as_of
    return [
        {
            "zone": zone.name,
            "hour": format_hour(as_of + int(hour)),
            "deployment": deployment.name,
            "started": float(loss.started[number, hour]),
        }
        for zone, loss in zip(routing.zones, routes.horizon.losses, strict=True)
        for number, deployment in enumerate(routing.deployments)
        for hour in np.flatnonzero(loss.started[number] > 0)
    ]


def zone_lines(document: dict[str, Any]) -> list[str]:
    """A sentence for each zone."""
    lines = []
    for row in document.get("zones", []):
        if not row["hours"]:
            lines.append(f"Nothing that has a latency target would be lost with {row['zone']}.")
            continue
        parts = []
        for part in row["fallback"]:
            text = f"{part['deployment']} takes over {part['share']:.0%} of {part['workload']}"
            if part["started"]:
                text += f" (up to {part['started']:g} replicas are started)"
            parts.append(text)
        lines.append(
            f"Should {row['zone']} be lost ({row['odds']:.2%} an hour): {', '.join(parts)}; "
            f"expected to cost ${row['expected_cost']:,.2f}."
        )
    return lines
