# SPDX-License-Identifier: Apache-2.0
"""``route.capacity``: the replicas of a deployment carry the loads of all its classes."""

from __future__ import annotations

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables, load_of, room_of
from optimizer.program.routing import Routing


def define_route_capacity(
    program: BlockProgram, routing: Routing, hours: Hours, variables: HourVariables
) -> None:
    """Σ φ·x/μ ≤ ρ·n, in replicas (docs/program.md, Routing)."""
    hour = variables.hour
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind != "replica":
            continue
        terms = {
            variables.share[route]: load_of(routing, hours, route, hour)
            for route in routing.of_deployment[number]
            if route in variables.share
        }
        if number in variables.steps:
            room = room_of(routing, hours, number, hour)
            terms[variables.steps[number]] = -room * deployment.step
        program.row(f"route.capacity[{deployment.name},{hour}]", terms, high=0.0)
