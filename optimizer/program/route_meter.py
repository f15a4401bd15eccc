# SPDX-License-Identifier: Apache-2.0
"""``route.meter``: what an hour of routing draws from each line of meters."""

from __future__ import annotations

from optimizer.program.linear import Terms
from optimizer.program.route_hour import BlockProgram, Hours, HourVariables, WholeVariables
from optimizer.program.routing import Routing


def usage_terms(
    routing: Routing, hours: Hours, variables: HourVariables, whole: WholeVariables
) -> list[dict[int, float]]:
    """Σⱼ units·n + Σ tokens·x for each line, in units of its meter (docs/program.md, Routing)."""
    hour = variables.hour
    used: list[dict[int, float]] = [{} for _ in routing.meters]

    def add(line: int, column: int, units: float) -> None:
        used[line][column] = used[line].get(column, 0.0) + units

    for number, deployment in enumerate(routing.deployments):
        for line, units in deployment.draws:
            for column in (variables.steps.get(number), whole.units.get(number)):
                if column is not None:
                    add(line, column, units * deployment.step)
            if number in variables.started:
                add(line, variables.started[number], units * deployment.start_hours)
    for route, column in variables.share.items():
        of = routing.routes[route]
        for line, units in of.draws:
            add(line, column, units * float(hours.scale[of.stream, hour]))
    for line, units, column in variables.fallback:
        add(line, column, units)
    return used


def define_route_prices(
    program: BlockProgram,
    usage: list[dict[int, float]],
    prices: list[float],
    weight: float,
) -> None:
    """Charge each line's usage at a price per unit, where no commitment is in the program."""
    for terms, price in zip(usage, prices, strict=True):
        charged: Terms = terms
        program.charge(charged, price * weight)
