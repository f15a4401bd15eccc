# SPDX-License-Identifier: Apache-2.0
"""The independent check of a routing: every family recomputed from requests and replicas.

It shares no code with the formulation: sums are taken over requests of each hour, with all
loads, however small.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from optimizer.program.check import Check
from optimizer.program.problem import Floats
from optimizer.program.route_hour import Hours
from optimizer.program.route_zone_check import check_losses
from optimizer.program.routing import Routed, Routing

TOLERANCE = 1e-6


def check_routed(routing: Routing, hours: Hours, routed: Routed) -> list[Check]:
    """Whether a routing keeps every rule, in every hour."""
    x, n = routed.requests, routed.replicas
    least = min(float(x.min(initial=0.0)), float(n.min(initial=0.0)))
    return [
        _check("route.positive", -least),
        *_demand(routing, hours, x),
        _capacity(routing, x, n),
        _range(routing, n),
        *_quality(routing, x),
        *_average(routing, hours, x),
        *_starts(routing, hours, routed),
        *check_losses(routing, routed),
    ]


def _demand(routing: Routing, hours: Hours, x: Floats) -> list[Check]:
    """Requests are answered in their hour, or within the hours that they may wait."""
    worst, late = 0.0, 0.0
    waits = False
    for number, stream in enumerate(routing.streams):
        mine = [r for r, route in enumerate(routing.routes) if route.stream == number]
        answered = x[mine].sum(axis=0)
        asked = hours.requests[number]
        size = max(1.0, float(asked.max(initial=0.0)))
        if not stream.wait:
            worst = max(worst, float(np.abs(answered - asked).max(initial=0.0)) / size)
            continue
        waits = True
        for chain in hours.chains:
            done, come = np.cumsum(answered[chain]), np.cumsum(asked[chain])
            size = max(1.0, float(come[-1]))
            due = np.concatenate([np.zeros(stream.wait), come])[: len(come)]
            due[-1] = come[-1]
            late = max(late, float((due - done).max()) / size, float((done - come).max()) / size)
    checks = [_check("route.demand", worst)]
    return [*checks, _check("route.deadline", late)] if waits else checks


def _capacity(routing: Routing, x: Floats, n: Floats) -> Check:
    worst = 0.0
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "api":
            continue
        load = np.zeros(x.shape[1])
        for r, route in enumerate(routing.routes):
            if route.deployment == number:
                load += route.load * x[r]
        over = load - deployment.room(n[number]) * n[number]
        worst = max(worst, float((over / (1.0 + n[number])).max(initial=0.0)))
    return _check("route.capacity", worst)


def _range(routing: Routing, n: Floats) -> Check:
    """Replicas are whole steps within their range; one with a minimum is open throughout."""
    worst = 0.0
    for number, deployment in enumerate(routing.deployments):
        if deployment.kind == "api":
            worst = max(worst, float(n[number].max(initial=0.0)))
            continue
        steps = n[number] / deployment.step
        worst = max(worst, float(np.abs(steps - np.round(steps)).max(initial=0.0)))
        worst = max(worst, float((n[number] - deployment.maximum).max(initial=0.0)))
        if deployment.minimum and n[number].any():
            worst = max(worst, float((deployment.minimum - n[number]).max()))
        if deployment.kind == "throughput" and n.shape[1]:
            worst = max(worst, float(n[number].max() - n[number].min()))
    return _check("route.range", worst)


def _quality(routing: Routing, x: Floats) -> list[Check]:
    """The mean quality of each class, in points per request."""
    worst, any_target = 0.0, False
    for workload in {stream.workload for stream in routing.streams}:
        target = next(s.target for s in routing.streams if s.workload == workload)
        if np.isnan(target):
            continue
        any_target = True
        points, count = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for r, route in enumerate(routing.routes):
            if routing.streams[route.stream].workload == workload:
                points += route.quality * x[r]
                count += x[r]
        # Of the class's largest hour, so that a trickle of what waited counts as such.
        short = (target * count - points) / max(float(count.max(initial=0.0)), 1e-300)
        worst = max(worst, float(short.max(initial=0.0)))
    return [_check("route.quality", worst)] if any_target else []


def _average(routing: Routing, hours: Hours, x: Floats) -> list[Check]:
    if np.isnan(routing.average):
        return []
    worst = 0.0
    for inside in (~hours.tail, hours.tail):
        points = count = 0.0
        for r, route in enumerate(routing.routes):
            stream = routing.streams[route.stream]
            if stream.judged:
                weighted = stream.weight * float(x[r] @ (hours.count * inside))
                count += weighted
                points += weighted * route.quality if weighted else 0.0
        worst = max(worst, routing.average - points / count if count else 0.0)
    return [_check("route.quality_average", worst)]


def _starts(routing: Routing, hours: Hours, routed: Routed) -> list[Check]:
    worst, any_start = 0.0, False
    for number, deployment in enumerate(routing.deployments):
        if deployment.start_hours and deployment.kind == "replica":
            any_start = True
            for chain in hours.chains:
                for before, now in pairwise(chain):
                    more = routed.replicas[number, now] - routed.replicas[number, before]
                    worst = max(worst, float(more - routed.started[number, now]))
    return [_check("route.start", worst)] if any_start else []


def _check(name: str, worst: float) -> Check:
    ok = bool(worst <= TOLERANCE)
    return Check(name, ok, f"largest violation {max(worst, 0.0):.2e}, relative")
