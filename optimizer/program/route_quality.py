# SPDX-License-Identifier: Apache-2.0
"""``route.quality`` and ``route.quality_average``: mean quality of a class, and of all traffic.

Floors of single requests make no rows: what misses one is no route.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables
from optimizer.program.routing import Routing


def define_route_quality(
    program: BlockProgram, routing: Routing, hours: Hours, variables: HourVariables
) -> None:
    """Σⱼ (q̲ − target)·x ≥ 0 for each class with a target, all its streams together.

    Written per request of the class: points (docs/program.md, Routing).
    """
    hour = variables.hour
    for workload, streams in routing.of_workload.items():
        target = routing.streams[streams[0]].target
        if np.isnan(target):
            continue
        total = float(hours.scale[list(streams), hour].sum())
        terms = {
            variables.share[route]: (routing.routes[route].quality - target)
            * float(hours.scale[number, hour])
            / total
            for number in streams
            for route in routing.of_stream[number]
            if route in variables.share
        }
        program.row(f"route.quality[{workload},{hour}]", terms, low=0.0)


def define_route_quality_average(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    every: Sequence[HourVariables],
) -> None:
    """Σ w·weight·(q̲ − Q̄)·x ≥ 0 over all hours and judged streams, per weighted request.

    The horizon keeps it, and so do the hours behind it.
    """
    if np.isnan(routing.average):
        return
    weighted = np.array([[s.weight * s.judged] for s in routing.streams]) * hours.requests
    for name, inside in (("horizon", ~hours.tail), ("tail", hours.tail)):
        count = np.where(inside, hours.count, 0.0)
        total = float((weighted @ count).sum())
        if total <= 0:
            continue
        terms = {}
        for variables in every:
            hour = variables.hour
            if not inside[hour]:
                continue
            for route, column in variables.share.items():
                of = routing.routes[route]
                stream = routing.streams[of.stream]
                if stream.judged and stream.weight:
                    terms[column] = (
                        (of.quality - routing.average)
                        * stream.weight
                        * float(count[hour] * hours.scale[of.stream, hour])
                        / total
                    )
        program.row(f"route.quality_average[{name}]", terms, low=0.0)
