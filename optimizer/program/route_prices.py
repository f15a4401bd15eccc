# SPDX-License-Identifier: Apache-2.0
"""Prices of a routing beside fixed purchases: of quality, of requests, of committed units.

They are duals of the relaxation of the plan's hours: what a router needs to weigh a live
decision.  With replicas whole, the cost moves in steps around them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.program.linear import LinearAnswer
from optimizer.program.problem import Floats
from optimizer.program.route_beside import BesideProgram


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
    """

    quality: dict[str, float]
    average: float
    request: dict[str, float]
    committed: dict[str, float]


def route_prices(made: BesideProgram, answer: LinearAnswer) -> RoutePrices | None:
    """Read the prices of the horizon's hours off a relaxation; ``None`` without duals."""
    if answer.duals is None:
        return None
    written, duals = made.written, answer.duals
    routing, hours = written.routing, written.hours
    inside = ~hours.tail
    row_of = {name: number for number, name in enumerate(written.program.row_names)}
    quality: dict[str, float] = {}
    spent: dict[str, float] = {}
    asked: dict[str, float] = {}
    for hour in np.flatnonzero(inside):
        for workload, streams in routing.of_workload.items():
            row = row_of.get(f"route.quality[{workload},{hour}]")
            if row is not None:
                # The row is per request: its right-hand side falls by what the target rises.
                quality[workload] = quality.get(workload, 0.0) + max(0.0, float(duals[row]))
            for stream in streams:
                row = row_of.get(f"route.demand[{routing.streams[stream].name},{hour}]")
                if row is not None:
                    spent[workload] = spent.get(workload, 0.0) + float(duals[row])
                    asked[workload] = asked.get(workload, 0.0) + float(
                        hours.requests[stream, hour] * hours.weight[hour]
                    )
    row = row_of.get("route.quality_average[horizon]")
    average = max(0.0, float(duals[row])) if row is not None else 0.0
    return RoutePrices(
        quality,
        average,
        {name: spent[name] / asked[name] for name in spent if asked[name] > 0},
        _committed(made, duals, inside),
    )


def _committed(made: BesideProgram, duals: Floats, inside: np.ndarray) -> dict[str, float]:
    """λ of each source, averaged over the hours in which it is in force."""
    problem = made.problem
    worth: dict[int, float] = {}
    for (source, hour), row in made.draw_rows.items():
        if inside[hour]:
            worth[source] = worth.get(source, 0.0) + max(0.0, -float(duals[row]))
    total = float(problem.weight[inside].sum())
    return {problem.sources[source]: value / total for source, value in worth.items() if total}
