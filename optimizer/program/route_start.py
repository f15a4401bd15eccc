# SPDX-License-Identifier: Apache-2.0
"""``route.start``: a replica that starts draws its meters for a while before it answers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables
from optimizer.program.routing import Routing


def define_route_start(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    every: Mapping[int, HourVariables],
) -> None:
    """Keep started ≥ nₜ − nₜ₋₁ within each chain, in replicas (docs/program.md, Routing).

    What runs in the first hour of a chain is taken to run already.  A start costs what the
    replica draws in ``start_minutes``.
    """
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind != "replica" or deployment.start_hours <= 0:
            continue
        for chain in hours.chains:
            for before, hour in pairwise(chain):
                now, then = every[int(hour)], every[int(before)]
                if number not in now.steps:
                    continue
                program.block = program.blocks[now.steps[number]]
                now.started[number] = program.column(
                    f"started[{deployment.name},{int(hour)}]",
                    upper=deployment.step * program.upper[now.steps[number]],
                )
                terms = {now.started[number]: 1.0, now.steps[number]: -deployment.step}
                if number in then.steps:
                    terms[then.steps[number]] = deployment.step
                program.row(f"route.start[{deployment.name},{int(hour)}]", terms, low=0.0)
