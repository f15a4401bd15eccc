# SPDX-License-Identifier: Apache-2.0
"""``route.deadline``: requests that may wait are answered within their hours of patience."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.program.route_hour import BlockProgram, Hours, HourVariables
from optimizer.program.routing import Routing


def define_route_deadline(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    every: Mapping[int, HourVariables],
) -> None:
    """Σ_{i≤t−D} demand ≤ Σ_{i≤t} x ≤ Σ_{i≤t} demand, equal at the end of a chain.

    Written by the backlog, bₜ = bₜ₋₁ + demandₜ − xₜ with 0 ≤ bₜ ≤ Σ_{t−D<i≤t} demand: the
    same, with short rows.  In requests, in units of the stream's largest hour.  It takes the
    place of ``route.demand`` for classes with ``deferrable_hours`` (docs/program.md, Routing).
    """
    for number, stream in enumerate(routing.streams):
        if not stream.wait:
            continue
        scale = float(hours.scale[number].max(initial=0.0))
        if scale <= 0:
            continue
        for chain in hours.chains:
            asked = hours.requests[number, chain] / scale
            before: int | None = None
            for position, hour in enumerate(chain):
                variables = every[int(hour)]
                program.block = program.blocks[_any(variables)]
                recent = asked[max(0, position - stream.wait + 1) : position + 1]
                last = position == len(chain) - 1
                backlog = program.column(
                    f"backlog[{stream.name},{int(hour)}]",
                    upper=0.0 if last else float(recent.sum()),
                )
                terms = {
                    variables.share[route]: 1.0
                    for route in routing.of_stream[number]
                    if route in variables.share
                }
                terms[backlog] = 1.0
                if before is not None:
                    terms[before] = -1.0
                now = float(asked[position])
                program.row(f"route.deadline[{stream.name},{int(hour)}]", terms, low=now, high=now)
                before = backlog


def _any(variables: HourVariables) -> int:
    """A variable of the hour: a stream that waits has one in every hour."""
    return next(iter(variables.share.values()))
