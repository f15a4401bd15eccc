# SPDX-License-Identifier: Apache-2.0
"""Headroom of routing: how full a deployment's replicas may run, by how many there are.

The program cannot know the pool that it will choose. Its rows take the load of the largest
pool, which bounds every plan from below; then each hour is taken at the load of the pool that
was chosen, downwards only, and last what is still too full gets more replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.problem import Floats
from optimizer.program.queueing import Service, pooled, utilisation_table
from optimizer.program.routing import Deployment, Routed, Routing

MOST_REPLICAS = 2_000  # a larger pool runs as full as one of so many
_SLACK = 1e-9


@dataclass(frozen=True)
class Asking:
    """How a class uses a deployment.

    Parameters
    ----------
    service
        What one replica does for it.
    budget
        Seconds that its requests may wait; ``None``: it asks for no time to the first token.
    percentile
        The share of them that may not wait longer.
    """

    service: Service
    budget: float | None
    percentile: float


def with_headroom(deployment: Deployment, asking: Sequence[Asking]) -> Deployment:
    """Return a deployment whose replicas run as full as every class on them allows.

    Classes without a target count too: their requests are in the line.
    """
    critical = [each for each in asking if each.budget is not None]
    if deployment.kind != "replica" or not critical:
        return deployment
    most = int(min(deployment.maximum, MOST_REPLICAS))
    service = pooled(each.service for each in asking)
    tables = [
        utilisation_table(service, max(most, 1), each.budget or 0.0, each.percentile)
        for each in critical
    ]
    table = np.minimum.reduce(tables)
    return replace(deployment, headroom=1.0 - float(table[-1]), utilisation=tuple(table.tolist()))


def all_with_headroom(
    deployments: Sequence[Deployment], asking: Mapping[int, Sequence[Asking]]
) -> tuple[Deployment, ...]:
    """Return the deployments, each with the headroom that its classes ask for."""
    return tuple(
        with_headroom(deployment, asking.get(number, ()))
        for number, deployment in enumerate(deployments)
    )


def loads(routing: Routing, routed: Routed) -> Floats:
    """(deployments, N) replicas' worth of requests."""
    made = np.zeros_like(routed.replicas)
    for number, route in enumerate(routing.routes):
        made[route.deployment] += route.load * routed.requests[number]
    return made


def tighter(routing: Routing, routed: Routed, room: Floats | None) -> Floats | None:
    """Return the utilisation (deployments, N) of the pools chosen; ``None`` if none is too full."""
    carried = loads(routing, routed)
    if room is None:
        room = np.array([[1.0 - d.headroom] for d in routing.deployments]) + 0 * routed.replicas
    made, full = room.copy(), False
    for number, deployment in enumerate(routing.deployments):
        if not deployment.utilisation:
            continue
        own = deployment.room(routed.replicas[number])
        over = carried[number] > own * routed.replicas[number] * (1 + 1e-7) + _SLACK
        made[number, over] = np.minimum(room[number, over], own[over])
        full = full or bool(over.any())
    return made if full else None


def roomier(routing: Routing, routed: Routed) -> Routed | None:
    """Return the routing with as many more replicas as its loads need.

    ``None`` where that is more than a deployment may have.
    """
    carried = loads(routing, routed)
    replicas, started = routed.replicas.copy(), routed.started.copy()
    for number, deployment in enumerate(routing.deployments):
        if not deployment.utilisation:
            continue
        more = np.maximum(replicas[number], deployment.replicas_for(carried[number]))
        if (more > deployment.maximum + _SLACK).any():
            return None
        replicas[number] = more
        if deployment.start_hours:
            rise = np.diff(more, prepend=more[:1])
            started[number] = np.maximum(started[number], np.maximum(rise, 0.0))
    return replace(routed, replicas=replicas, started=started)
