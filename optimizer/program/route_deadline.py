# SPDX-License-Identifier: Apache-2.0
"""``route.deadline``: requests that may wait are answered within their hours of patience."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables
from optimizer.program.routing import Routing


def define_route_deadline(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    every: Mapping[int, HourVariables],
) -> None:
    """Σ_{i≤t−D} demand ≤ Σ_{i≤t} x ≤ Σ_{i≤t} demand, equal at the end of a chain.

    In requests, written in units of the stream's largest hour.  It takes the place of
    ``route.demand`` for classes with ``deferrable_hours`` (docs/program.md, Routing).
    """
    for number, stream in enumerate(routing.streams):
        if not stream.wait:
            continue
        scale = float(hours.scale[number].max(initial=0.0))
        if scale <= 0:
            continue
        for chain in hours.chains:
            arrived = np.cumsum(hours.requests[number, chain]) / scale
            answered: dict[int, float] = {}
            for position, hour in enumerate(chain):
                for route in routing.of_stream[number]:
                    if route in every[int(hour)].share:
                        answered[every[int(hour)].share[route]] = 1.0
                due = position - stream.wait
                low = float(arrived[due]) if due >= 0 else 0.0
                if position == len(chain) - 1:
                    low = float(arrived[-1])
                program.row(
                    f"route.deadline[{stream.name},{int(hour)}]",
                    dict(answered),
                    low=low,
                    high=float(arrived[position]),
                )
