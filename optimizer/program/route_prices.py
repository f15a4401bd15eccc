# SPDX-License-Identifier: Apache-2.0
"""Prices of a routing beside fixed purchases: of quality, of requests, of committed units.

They are duals of the relaxation of the plan's hours: what a router needs to weigh a live
decision.  With replicas whole, the cost moves in steps around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Problem
from optimizer.program.route_hour import Hours
from optimizer.program.routing import Routing


@dataclass(frozen=True)
class RoutePrices:
    """Dollars of the horizon.

    Attributes
    ----------
    quality
        By class: for raising its mean quality by 1 (a hundred points) in every hour.
    average
        For raising that of all traffic by 1.
    request
        By class: of one more request, on average over its requests.
    committed
        By source: of one more unit of its measure for an hour, on average.
    zone
        By ``deployment, zone``: of one more replica-hour of what stays when the zone is lost,
        on average; none where it is worth nothing.
    """

    quality: dict[str, float]
    average: float
    request: dict[str, float]
    committed: dict[str, float]
    zone: dict[str, float]


def route_prices(
    routing: Routing, hours: Hours, problem: Problem, duals: Mapping[str, float]
) -> RoutePrices:
    """Read the prices of the horizon's hours off the duals of a relaxation, by row."""
    quality: dict[str, float] = {}
    spent: dict[str, float] = {}
    asked: dict[str, float] = {}
    committed = np.zeros(len(problem.sources))
    for hour in np.flatnonzero(~hours.tail):
        for workload, streams in routing.of_workload.items():
            dual = duals.get(f"route.quality[{workload},{hour}]")
            if dual is not None:
                # The row is per request: its right-hand side falls by what the target rises.
                quality[workload] = quality.get(workload, 0.0) + max(0.0, dual)
            for stream in streams:
                kind = "deadline" if routing.streams[stream].wait else "demand"
                dual = duals.get(f"route.{kind}[{routing.streams[stream].name},{hour}]")
                count = float(hours.requests[stream, hour] * hours.weight[hour])
                if dual is not None and count > 0:
                    # What a unit of the row stands for: the requests of a share of 1.
                    unit = count / float(hours.scale[stream, hour] * hours.weight[hour])
                    spent[workload] = spent.get(workload, 0.0) + dual * unit
                    asked[workload] = asked.get(workload, 0.0) + count
        for source, name in enumerate(problem.sources):
            committed[source] += max(0.0, -duals.get(f"coverage.draw[{name},{hour}]", 0.0))
    total = float(hours.weight[~hours.tail].sum())
    return RoutePrices(
        quality,
        max(0.0, duals.get("route.quality_average[horizon]", 0.0)),
        {name: spent[name] / asked[name] for name in spent if asked[name] > 0},
        {
            name: float(value) / total
            for name, value in zip(problem.sources, committed, strict=True)
            if value > 0
        },
        _zone_prices(routing, hours, duals, total),
    )


def _zone_prices(
    routing: Routing, hours: Hours, duals: Mapping[str, float], total: float
) -> dict[str, float]:
    found: dict[str, float] = {}
    for zone in routing.zones:
        for deployment in routing.deployments:
            name = f"{deployment.name},{zone.name}"
            value = sum(
                max(0.0, -duals.get(f"route.zone[{name},{hour}]", 0.0))
                for hour in np.flatnonzero(~hours.tail)
            )
            if value > 0:
                found[name.replace(",", ", ")] = value / total
    return found
