# SPDX-License-Identifier: Apache-2.0
"""``route.open``: a deployment with a minimum is open for the whole horizon, or not at all."""

from __future__ import annotations

import numpy as np

from optimizer.program.route_hour import (
    BlockProgram,
    Hours,
    HourVariables,
    WholeVariables,
    most_steps,
)
from optimizer.program.routing import Routing


def define_route_open(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    whole: WholeVariables,
) -> None:
    """min·β ≤ n ≤ max·β in every hour, β ∈ {0, 1}, in replicas (docs/program.md, Routing)."""
    hour = variables.hour
    for number, column in variables.steps.items():
        deployment = routing.deployments[number]
        if number not in whole.opened:
            continue
        opened, most = whole.opened[number], most_steps(routing, hours, number, hour)
        least = float(np.ceil(deployment.minimum / deployment.step - 1e-9))
        name = f"{deployment.name},{hour}"
        program.row(f"route.open[{name},most]", {column: 1.0, opened: -most}, high=0.0)
        program.row(f"route.open[{name},least]", {column: 1.0, opened: -least}, low=0.0)


def define_route_open_units(program: BlockProgram, routing: Routing, whole: WholeVariables) -> None:
    """min·β ≤ V ≤ max·β for provisioned units."""
    for number, column in whole.units.items():
        deployment = routing.deployments[number]
        if number not in whole.opened:
            continue
        opened, most = whole.opened[number], program.upper[column]
        least = float(np.ceil(deployment.minimum / deployment.step - 1e-9))
        program.row(f"route.open[{deployment.name},most]", {column: 1.0, opened: -most}, high=0.0)
        program.row(f"route.open[{deployment.name},least]", {column: 1.0, opened: -least}, low=0.0)
