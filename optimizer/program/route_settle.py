# SPDX-License-Identifier: Apache-2.0
"""What rounding and left-out loads break of a capacity, by a hair, is placed elsewhere.

Loads below 1e-5 of a replica are no part of the program, and solvers keep rows to a
tolerance only.  What is too much for the replicas that run goes to routes of the same class
that are as good and have room, or to one step of replicas more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.problem import Floats
from optimizer.program.route_hour import Hours
from optimizer.program.route_zone_settle import settle_losses
from optimizer.program.routing import Routed, Routing

HAIR = 5e-7  # of a replica, relative: half of what the check lets pass


def settle(routing: Routing, hours: Hours, routed: Routed) -> Routed:
    """The routing with every load within the replicas that run, whenever that can be."""
    requests, replicas = routed.requests.copy(), routed.replicas.copy()
    loads = np.zeros_like(replicas)
    for number, route in enumerate(routing.routes):
        loads[route.deployment] += route.load * requests[number]
    for number, deployment in enumerate(routing.deployments):
        if not deployment.counted:
            continue
        able = (1.0 - deployment.headroom) * replicas[number]
        for hour in np.flatnonzero(loads[number] > able + HAIR * (1.0 + replicas[number])):
            _unload(routing, requests, replicas, loads, number, int(hour))
    started = routed.started.copy()
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "replica" and deployment.start_hours > 0:
            for chain in hours.chains:
                started[number, chain[1:]] = np.maximum(np.diff(replicas[number, chain]), 0.0)
    made = replace(routed, requests=requests, replicas=replicas, started=started)
    return settle_losses(routing, hours, made)


def _unload(
    routing: Routing,
    requests: Floats,
    replicas: Floats,
    loads: Floats,
    deployment: int,
    hour: int,
) -> None:
    """Move what is too much in one hour; else run a step of replicas more."""
    of = routing.deployments[deployment]
    most = (1.0 - of.headroom) * float(replicas[deployment, hour])
    share = max(0.0, 1.0 - most / float(loads[deployment, hour]))
    for number in routing.of_deployment[deployment]:
        route = routing.routes[number]
        excess = share * float(requests[number, hour])
        if not excess or not route.load:
            continue
        for other in routing.of_stream[route.stream]:
            there = routing.routes[other]
            if there.deployment == deployment or there.quality < route.quality:
                continue
            moved = min(excess, _room(routing, replicas, loads, other, hour))
            requests[number, hour] -= moved
            requests[other, hour] += moved
            loads[deployment, hour] -= moved * route.load
            loads[there.deployment, hour] += moved * there.load
            excess -= moved
    short = float(loads[deployment, hour]) - most
    if short > HAIR * (1.0 + float(replicas[deployment, hour])):
        steps = np.ceil(short / (1.0 - of.headroom) / of.step - 1e-9) * of.step
        if replicas[deployment, hour] + steps <= of.maximum:
            where = slice(None) if of.kind == "throughput" else hour
            least = max(of.minimum, 0.0)
            replicas[deployment, where] = np.maximum(replicas[deployment, where] + steps, least)


def _room(routing: Routing, replicas: Floats, loads: Floats, route: int, hour: int) -> float:
    """Requests that another route of an hour has room for, of what runs anyway."""
    there = routing.routes[route]
    of = routing.deployments[there.deployment]
    if not of.counted:
        return np.inf
    free = (1.0 - of.headroom) * replicas[there.deployment, hour] - loads[there.deployment, hour]
    return max(0.0, float(free)) / there.load
