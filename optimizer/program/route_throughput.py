# SPDX-License-Identifier: Apache-2.0
"""``route.throughput``: provisioned units are bought for the horizon, and carry every hour."""

from __future__ import annotations

from optimizer.program.route_hour import (
    BlockProgram,
    Hours,
    HourVariables,
    WholeVariables,
    load_of,
)
from optimizer.program.routing import Routing


def define_route_throughput(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    whole: WholeVariables,
) -> None:
    """Σ φ·ψ·x ≤ V, V = step·i, in provisioned units (docs/program.md, Routing)."""
    hour = variables.hour
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind != "throughput":
            continue
        terms = {
            variables.share[route]: load_of(routing, hours, route, hour)
            for route in routing.of_deployment[number]
            if route in variables.share
        }
        if terms and number in whole.units:
            terms[whole.units[number]] = -(1.0 - deployment.headroom) * deployment.step
        program.row(f"route.throughput[{deployment.name},{hour}]", terms, high=0.0)
