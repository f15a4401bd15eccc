# SPDX-License-Identifier: Apache-2.0
"""What is done when a zone is lost, read off an answer and made exact.

What moves adds up to what is lost, replicas that are started are as many as their load needs,
and expected usage is reckoned anew from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer.program.problem import Floats
from optimizer.program.route_hour import Hours, HourVariables
from optimizer.program.route_zones import can_start, critical
from optimizer.program.routing import Deployment, Routed, Routing
from optimizer.program.zones import Loss

HAIR = 5e-7  # of a replica, relative, as in route_settle


def read_losses(
    routing: Routing, hours: Hours, every: Sequence[HourVariables], values: Floats
) -> tuple[Loss, ...]:
    """The requests that move and the replicas that are started, by zone, of an answer."""
    losses = no_losses(routing, hours.number)
    for variables in every:
        hour = variables.hour
        for made in variables.losses:
            loss = losses[made.zone]
            for columns, amounts in ((made.moved, loss.moved), (made.late, loss.late)):
                for route, column in columns.items():
                    scale = float(hours.scale[routing.routes[route].stream, hour])
                    amounts[route, hour] = max(0.0, float(values[column])) * scale
            for number, column in made.steps.items():
                step = routing.deployments[number].step
                loss.started[number, hour] = step * np.ceil(float(values[column]) - 1e-6)
    return losses


def no_losses(routing: Routing, hours: int) -> tuple[Loss, ...]:
    """Nothing that moves or starts, of every zone."""
    requests, replicas = (len(routing.routes), hours), (len(routing.deployments), hours)
    return tuple(
        Loss(np.zeros(requests), np.zeros(requests), np.zeros(replicas)) for _ in routing.zones
    )


def settle_losses(routing: Routing, hours: Hours, routed: Routed) -> Routed:
    """The routing in which every loss of a zone is met by whole replicas, if that can be."""
    if not routing.zones:
        return routed
    replicas, losses = routed.replicas.copy(), []
    for zone, loss in enumerate(routed.losses):
        moved, late = _complete(routing, zone, routed.requests, loss)
        losses.append(replace(loss, moved=moved, late=late))
        at_once = critical_loads(routing, zone, routed.requests, moved)
        for number, deployment in enumerate(routing.deployments):
            if deployment.counted and number not in routing.zones[zone].lost:
                _stand_by(deployment, at_once[number], replicas[number])
    started = routed.started.copy()
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "replica" and deployment.start_hours > 0:
            for chain in hours.chains:
                started[number, chain[1:]] = np.maximum(np.diff(replicas[number, chain]), 0.0)
    whole = tuple(
        replace(loss, started=_fallback(routing, zone, routed.requests, replicas, loss))
        for zone, loss in enumerate(losses)
    )
    expected = np.zeros_like(routed.fallback)
    for zone, loss in enumerate(whole):
        expected += routing.zones[zone].odds * drawn_when_lost(routing, loss)
    return Routed(routed.requests, replicas, started, expected, whole)


def drawn_when_lost(routing: Routing, loss: Loss) -> Floats:
    """(lines, N) units that the loss of a zone draws more: all of it, not what is expected."""
    drawn = np.zeros((len(routing.meters), loss.moved.shape[1]))
    for number, route in enumerate(routing.routes):
        for line, units in route.draws:
            drawn[line] += units * (loss.moved[number] + loss.late[number])
    for number, deployment in enumerate(routing.deployments):
        for line, units in deployment.draws:
            drawn[line] += units * (1.0 + deployment.start_hours) * loss.started[number]
    return drawn


def critical_loads(routing: Routing, zone: int, *requests: Floats) -> Floats:
    """(deployments, N) replicas' worth of critical requests, of what a zone leaves."""
    made = np.zeros((len(routing.deployments), requests[0].shape[1]))
    for _, routes in critical(routing):
        for number in routes:
            route = routing.routes[number]
            if route.deployment not in routing.zones[zone].lost:
                for each in requests:
                    made[route.deployment] += route.load * each[number]
    return made


def _complete(routing: Routing, zone: int, requests: Floats, loss: Loss) -> tuple[Floats, Floats]:
    """What moves, of each stream as much as is lost: a solver's answer is off by its tolerance."""
    moved, late = loss.moved.copy(), loss.late.copy()
    gone = set(routing.zones[zone].lost)
    for _, routes in critical(routing):
        lost = [r for r in routes if routing.routes[r].deployment in gone]
        left = [r for r in routes if routing.routes[r].deployment not in gone]
        if not lost or not left:
            continue
        away = requests[lost].sum(axis=0)
        found = moved[left].sum(axis=0) + late[left].sum(axis=0)
        factor = np.where(found > 0, away / np.where(found > 0, found, 1.0), 0.0)
        moved[left] *= factor
        late[left] *= factor
        bare = (away > 0) & (found <= 0)
        if bare.any():
            first = min(
                left, key=lambda r: routing.deployments[routing.routes[r].deployment].counted
            )
            starts = can_start(routing, zone, routing.routes[first].deployment)
            (late if starts else moved)[first, bare] = away[bare]
    return moved, late


def _stand_by(deployment: Deployment, loads: Floats, replicas: Floats) -> None:
    """Run more replicas where what is moved at once is more than those that run can carry."""
    over = loads > deployment.room(replicas) * replicas + HAIR * (1.0 + replicas)
    if not over.any():
        return
    more = np.minimum(deployment.replicas_for(loads), deployment.maximum)
    if deployment.kind == "throughput":
        replicas[:] = np.maximum(replicas, more.max())
    else:
        replicas[over] = np.maximum(replicas, more)[over]


def _fallback(
    routing: Routing, zone: int, requests: Floats, replicas: Floats, loss: Loss
) -> Floats:
    """The fewest replicas to start that carry what is late beside all that is critical."""
    loads = critical_loads(routing, zone, requests, loss.moved, loss.late)
    started = np.zeros_like(replicas)
    for number, deployment in enumerate(routing.deployments):
        if not can_start(routing, zone, number):
            continue
        runs = replicas[number]
        over = loads[number] > deployment.room(runs) * runs + HAIR * (1.0 + runs)
        enough = np.minimum(
            deployment.replicas_for(np.maximum(loads[number] - HAIR * (1.0 + runs), 0.0)),
            np.floor(deployment.maximum / deployment.step) * deployment.step,
        )
        started[number, over] = np.maximum(enough - runs, 0.0)[over]
    return started
