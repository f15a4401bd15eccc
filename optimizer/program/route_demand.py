# SPDX-License-Identifier: Apache-2.0
"""``route.demand``: every request of a stream that may not wait is answered in its hour."""

from __future__ import annotations

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables
from optimizer.program.routing import Routing


def define_route_demand(
    program: BlockProgram, routing: Routing, hours: Hours, variables: HourVariables
) -> None:
    """Σⱼ x = demand, written in shares of the hour's requests (docs/program.md, Routing).

    Raises
    ------
    ValueError
        If a stream has requests and no route at all.
    """
    hour = variables.hour
    for number, stream in enumerate(routing.streams):
        if stream.wait or hours.requests[number, hour] <= 0:
            continue
        program.row(
            f"route.demand[{stream.name},{hour}]",
            {variables.share[route]: 1.0 for route in routing.of_stream[number]},
            low=1.0,
            high=1.0,
        )
