# SPDX-License-Identifier: Apache-2.0
"""What the plan document says of routing: routes, replicas, prices, and simpler plans."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.planning.attainment import play_plan
from optimizer.planning.hardware import hardware_of
from optimizer.planning.part import Part, PartRoutes
from optimizer.planning.plan import Plan
from optimizer.planning.unserved import reasons
from optimizer.planning.zones_document import zone_lines, zones_of_plan
from optimizer.program.problem import Floats
from optimizer.program.routing import Routing
from optimizer.tables import format_hour

TINY_SHARE = 1e-9
POINT = 0.01  # of quality
THOUSAND = 1_000.0
# What the objectives of simpler plans are of, in the order in which they are told.
ALTERNATIVES = ("nothing", "commitments alone", "routing alone", "one after the other")


def routes_of_plan(plan: Plan, *, detail: bool) -> dict[str, Any]:
    """Keys of the plan document for what is routed; none where nothing is."""
    found = [(part, part.routed) for part in plan.parts if part.routed is not None]
    if not found:
        return {}
    part, routes = found[0]
    document: dict[str, Any] = {
        "routes": route_rows(plan, routes, detail=detail),
        "replicas": replica_rows(plan, routes, detail=detail),
    }
    document |= zones_of_plan(plan, routes, detail=detail)
    if plan.case.settings.risk.queueing != "off" and document["routes"]:
        document["attainment"] = attainment_of(plan, routes)
    barred = reasons(routes.routing.missed)
    if barred:
        document["not_routed"] = barred
    document["alternatives"] = alternative_rows(part, routes)
    if routes.broken:
        document["today_breaks"] = list(routes.broken)
    return document


def attainment_of(plan: Plan, routes: PartRoutes) -> dict[str, Any]:
    """What hours of the plan attain when they are played request by request."""
    hourly = {
        "routes": route_rows(plan, routes, detail=True),
        "replicas": replica_rows(plan, routes, detail=True),
    }
    played = play_plan(plan.case, hourly)
    return {
        "hours": [format_hour(hour) for hour in played.hours],
        "latency": list(played.latency),
        "quality": list(played.quality),
        "kept": played.kept,
    }


def route_rows(plan: Plan, routes: PartRoutes, *, detail: bool) -> list[dict[str, Any]]:
    """The share of each class that each deployment answers: of the horizon, or of each hour.

    Shares are of what is answered in the hour, which of a class that may wait is not what
    arrives in it.
    """
    routing, as_of = routes.routing, plan.case.settings.as_of
    answered: dict[tuple[str, str], Floats] = {}
    whole: dict[str, Floats] = {}
    for number, route in enumerate(routing.routes):
        workload = routing.streams[route.stream].workload
        key = (workload, routing.deployments[route.deployment].name)
        units = routes.horizon.requests[number]
        answered[key] = answered.get(key, 0.0) + units
        whole[workload] = whole.get(workload, 0.0) + units
    facts = _facts(plan, routing)
    rows = []
    for (workload, deployment), units in sorted(answered.items()):
        row: dict[str, Any] = {"workload": workload, "deployment": deployment, **facts[deployment]}
        total = float(whole[workload].sum())
        if not detail:
            if total and units.sum() > TINY_SHARE * total:
                share = float(units.sum()) / total
                rows.append(row | {"share": share, "requests": float(units.sum())})
            continue
        rows += [
            row
            | {
                "hour": format_hour(as_of + int(hour)),
                "share": float(units[hour] / whole[workload][hour]),
                "requests": float(units[hour]),
            }
            for hour in np.flatnonzero(units > TINY_SHARE * whole[workload])
        ]
    return rows


def _facts(plan: Plan, routing: Routing) -> dict[str, dict[str, str]]:
    """Model, kind, provider and hardware of each deployment: what a router needs to reach it."""
    hardware = hardware_of(plan.case)
    lines = {d.name: [line for line, _ in d.draws] for d in routing.deployments}
    for route in routing.routes:
        lines[routing.deployments[route.deployment].name] += [line for line, _ in route.draws]
    meters = plan.catalogue.meters
    return {
        d.name: {
            "model": d.model,
            "kind": d.kind,
            "provider": meters[routing.meters[lines[d.name][0]]].provider if lines[d.name] else "",
            "hardware": hardware.get(d.name, ""),
        }
        for d in routing.deployments
    }


def replica_rows(plan: Plan, routes: PartRoutes, *, detail: bool) -> list[dict[str, Any]]:
    """Replicas, or provisioned units, of each deployment that runs."""
    routing, as_of = routes.routing, plan.case.settings.as_of
    rows = []
    for number, deployment in enumerate(routing.deployments):
        running = routes.horizon.replicas[number]
        if not running.any():
            continue
        row = {"deployment": deployment.name, "model": deployment.model}
        if detail:
            rows += [
                row | {"hour": format_hour(as_of + hour), "replicas": float(count)}
                for hour, count in enumerate(running)
            ]
            continue
        rows.append(
            row
            | {
                "replicas": float(running.mean()),
                "least": float(running.min()),
                "most": float(running.max()),
                "replica_hours": float(running.sum()),
            }
        )
    return rows


def alternative_rows(part: Part, routes: PartRoutes) -> list[dict[str, Any]]:
    """The objective of this plan and of simpler ones, with what is held in each."""
    held = part.window.held_cost
    told = {name: routes.alternatives[name] for name in ALTERNATIVES if name in routes.alternatives}
    return [
        {"plan": name, "objective": exact(value + held)}
        for name, value in (*told.items(), ("jointly", part.answer.objective))
    ]


def routing_prices(plan: Plan) -> list[dict[str, Any]]:
    """What a router needs: $ of a point of quality and of a request; of a committed unit-hour."""
    rows: list[dict[str, Any]] = []
    for part in plan.parts:
        if part.routed is None:
            continue
        prices = part.routed.case.marginal(part.answer.quantity, part.routed.relaxed)
        if prices is None:
            continue
        for name, value in sorted(prices.quality.items()):
            rows.append(
                {
                    "row": "route.quality",
                    "name": name,
                    "value": exact(POINT * value),
                    "unit": "$ per point of mean quality over the horizon",
                }
            )
        if prices.average:
            rows.append(
                {
                    "row": "route.quality_average",
                    "name": None,
                    "value": exact(POINT * prices.average),
                    "unit": "$ per point of mean quality over the horizon",
                }
            )
        for name, value in sorted(prices.request.items()):
            rows.append(
                {
                    "row": "route.demand",
                    "name": name,
                    "value": exact(THOUSAND * value),
                    "unit": "$ per 1,000 requests",
                }
            )
        for name, value in sorted(prices.zone.items()):
            rows.append(
                {
                    "row": "route.zone",
                    "name": name,
                    "value": exact(value),
                    "unit": "$ per replica-hour that stays when the zone is lost",
                }
            )
        for name, value in sorted(prices.committed.items()):
            rows.append(
                {
                    "row": "coverage.draw",
                    "name": name,
                    "value": exact(value),
                    "unit": "$ per committed unit-hour",
                }
            )
    return rows


def routing_lines(document: dict[str, Any]) -> list[str]:
    """Sentences of a plan document on routing: who answers, and what quality costs."""
    lines = []
    by_class: dict[str, list[str]] = {}
    for row in document.get("routes", []):
        if "hour" not in row:
            by_class.setdefault(row["workload"], []).append(
                f"{row['deployment']} {row['share']:.1%}"
            )
    for workload, parts in by_class.items():
        lines.append(f"Route {workload}: {', '.join(parts)}.")
    lines += zone_lines(document)
    hours = document["horizon_hours"]
    for row in document.get("shadow_prices", []):
        if row["row"] == "route.quality" and row["value"] > 0:
            month = float(row["value"]) * 730 / hours
            lines.append(f"One more point of quality on {row['name']} costs ${month:,.2f} a month.")
    costs = {row["plan"]: row["objective"] for row in document.get("alternatives", [])}
    if "one after the other" in costs and "jointly" in costs:
        less = costs["one after the other"] - costs["jointly"]
        lines.append(
            f"Planned one after the other, routing and then commitments, it would cost "
            f"${less:,.2f} more over the terms."
        )
    if document.get("today_breaks"):
        lines.append(
            f"Today's routes break {', '.join(document['today_breaks'])}: no plan may do as they "
            "do, so that plans which keep them are not compared with."
        )
    return lines
