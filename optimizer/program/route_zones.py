# SPDX-License-Identifier: Apache-2.0
"""``route.zone``: critical classes are served though a zone's spot replicas are lost.

For each zone and hour the requests of its spot replicas go elsewhere: at once to what runs (of
other zones, on demand, provisioned units, or an API), or late, to on-demand replicas that are
started then.  Other requests stay where they are; classes without a latency target give way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.program.linear import add_terms
from optimizer.program.route_hour import (
    BlockProgram,
    Hours,
    HourVariables,
    LossVariables,
    WholeVariables,
    load_of,
    most_steps,
    room_of,
)
from optimizer.program.routing import Routing

Terms = dict[int, float]
# Of the requests that may miss their latency, what starts may take: waiting takes the rest.
LATE = 0.5
# Beyond, fractions of replicas may be started: that bounds from below, and settling rounds up.
WHOLE_HOURS = 24


@dataclass(frozen=True)
class LostHour:
    """An hour in which a zone is lost: what its families are written of, and into.

    ``made`` are the variables of the loss, ``variables`` those of the hour as it was planned.
    """

    program: BlockProgram
    routing: Routing
    hours: Hours
    variables: HourVariables
    whole: WholeVariables
    made: LossVariables

    def name(self, of: str) -> str:
        """Name of a row of a class or deployment."""
        return f"{of},{self.routing.zones[self.made.zone].name},{self.variables.hour}"

    def scale(self, stream: int) -> float:
        """Requests that a share of 1 of a stream is."""
        return float(self.hours.scale[stream, self.variables.hour])

    def total(self, streams: Sequence[int]) -> float:
        """Requests that shares of 1 of some streams are."""
        return float(self.hours.scale[list(streams), self.variables.hour].sum())


def define_route_zones(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    whole: WholeVariables,
) -> None:
    """Write the families of every zone that something critical would be lost with."""
    for number in range(len(routing.zones)):
        made = _define_variables(program, routing, hours, variables, number)
        if made is None:
            continue
        variables.losses.append(made)
        lost = LostHour(program, routing, hours, variables, whole, made)
        define_route_zone_moved(lost)
        define_route_zone(lost)
        define_route_zone_started(lost)
        define_route_zone_late(lost)
        define_route_zone_quality(lost)
        expected = routing.zones[number].odds
        for line, terms in enumerate(fallback_terms(routing, hours, variables, made)):
            variables.fallback += [(line, expected * a, column) for column, a in terms.items()]


def _define_variables(
    program: BlockProgram, routing: Routing, hours: Hours, variables: HourVariables, zone: int
) -> LossVariables | None:
    """Requests that move when a zone is lost, and steps that are started; ``None`` if none is."""
    hour, of = variables.hour, routing.zones[zone]
    made = LossVariables(zone)
    for stream, own in critical(routing):
        here = [route for route in own if route in variables.share]
        lost = [route for route in here if routing.routes[route].deployment in of.lost]
        if not lost:
            continue
        made.lost[stream] = lost
        most = program.upper[variables.share[lost[0]]]
        for route in here:
            deployment = routing.routes[route].deployment
            if deployment in of.lost:
                continue
            name = (
                f"{routing.streams[stream].name},{routing.deployments[deployment].name},"
                f"{of.name},{hour}"
            )
            if not starts_at_once(routing, zone, deployment):
                made.moved[route] = program.column(f"moved[{name}]", upper=most)
            if can_start(routing, zone, deployment):
                made.late[route] = program.column(f"late[{name}]", upper=most)
    if not made.lost:
        return None
    for number in sorted({routing.routes[route].deployment for route in made.late}):
        steps = most_steps(routing, hours, number, hour)
        if steps > 0:
            made.steps[number] = program.column(
                f"fallback[{routing.deployments[number].name},{of.name},{hour}]",
                upper=steps,
                whole=hours.number <= WHOLE_HOURS,
            )
    return made


def define_route_zone_moved(lost: LostHour) -> None:
    """Σ moved + late = Σ x of what is lost, in shares (docs/program.md, Loss of a zone)."""
    routing, made = lost.routing, lost.made
    for stream, routes in made.lost.items():
        terms = {lost.variables.share[route]: -1.0 for route in routes}
        for columns in (made.moved, made.late):
            for route, column in columns.items():
                if routing.routes[route].stream == stream:
                    terms[column] = 1.0
        name = lost.name(routing.streams[stream].name)
        lost.program.row(f"route.zone_moved[{name}]", terms, low=0.0, high=0.0)


def define_route_zone(lost: LostHour) -> None:
    """Σ_critical φ·(x + moved)/μ ≤ ρ·n of what still runs, in replicas or units."""
    routing, made = lost.routing, lost.made
    for number in sorted({routing.routes[route].deployment for route in made.moved}):
        deployment = routing.deployments[number]
        if not deployment.counted:
            continue
        terms = _loads(lost, number, made.moved)
        _add_running(terms, lost, number)
        lost.program.row(f"route.zone[{lost.name(deployment.name)}]", terms, high=0.0)


def define_route_zone_started(lost: LostHour) -> None:
    """Σ_critical φ·(x + moved + late)/μ ≤ ρ·(n + f); n + f within the range, in replicas."""
    program, routing, made = lost.program, lost.routing, lost.made
    hours, hour, steps = lost.hours, lost.variables.hour, lost.variables.steps
    for number in sorted({routing.routes[route].deployment for route in made.late}):
        deployment = routing.deployments[number]
        terms = _loads(lost, number, made.moved, made.late)
        _add_running(terms, lost, number)
        name = lost.name(deployment.name)
        count: Terms = {}
        if number in made.steps:
            room = room_of(routing, hours, number, hour)
            terms[made.steps[number]] = -room * deployment.step
            count[made.steps[number]] = 1.0
        program.row(f"route.zone_started[{name}]", terms, high=0.0)
        if number in steps:
            count[steps[number]] = 1.0
        most = most_steps(routing, hours, number, hour)
        opened = lost.whole.opened.get(number)
        if opened is not None:
            program.row(f"route.zone_open[{name}]", {**count, opened: -most}, high=0.0)
        elif np.isfinite(deployment.maximum):
            program.row(f"route.zone_open[{name}]", count, high=most)


def define_route_zone_late(lost: LostHour) -> None:
    """Σ s·late ≤ (1 − percentile)/2·Σ x: what misses while replicas start, s of the hour."""
    routing, share = lost.routing, lost.variables.share
    for workload, streams in routing.of_workload.items():
        total = lost.total(streams)
        terms: Terms = {}
        for route, column in lost.made.late.items():
            of = routing.routes[route]
            wait = min(1.0, routing.deployments[of.deployment].start_hours)
            if of.stream in streams and wait:
                terms[column] = wait * lost.scale(of.stream) / total
        if not terms:
            continue
        may = LATE * (1.0 - routing.streams[streams[0]].percentile)
        for stream in streams:
            for route in routing.of_stream[stream]:
                if route in share:
                    terms[share[route]] = -may * lost.scale(stream) / total
        lost.program.row(f"route.zone_late[{lost.name(workload)}]", terms, high=0.0)


def define_route_zone_quality(lost: LostHour) -> None:
    """Σ (q̲ − target)·(x + moved + late) ≥ 0 over what is not lost, in points per request."""
    routing, made = lost.routing, lost.made
    for workload, streams in routing.of_workload.items():
        target = routing.streams[streams[0]].target
        if np.isnan(target) or not set(streams) & made.lost.keys():
            continue
        total = lost.total(streams)
        terms: Terms = {}
        for columns in (lost.variables.share, made.moved, made.late):
            for route, column in columns.items():
                of = routing.routes[route]
                if of.stream in streams and of.deployment not in routing.zones[made.zone].lost:
                    terms[column] = (of.quality - target) * lost.scale(of.stream) / total
        lost.program.row(f"route.zone_quality[{lost.name(workload)}]", terms, low=0.0)


def fallback_terms(
    routing: Routing, hours: Hours, variables: HourVariables, made: LossVariables
) -> list[Terms]:
    """What a lost zone makes an hour draw more of each line: all of it, not what is expected."""
    more: list[Terms] = [{} for _ in routing.meters]
    for columns in (made.moved, made.late):
        for route, column in columns.items():
            of = routing.routes[route]
            scale = float(hours.scale[of.stream, variables.hour])
            for line, units in of.draws:
                more[line] = add_terms((more[line], 1.0), ({column: units * scale}, 1.0))
    for number, column in made.steps.items():
        deployment = routing.deployments[number]
        each = deployment.step * (1.0 + deployment.start_hours)
        for line, units in deployment.draws:
            more[line] = add_terms((more[line], 1.0), ({column: units * each}, 1.0))
    return more


def critical(routing: Routing) -> list[tuple[int, tuple[int, ...]]]:
    """Streams with a latency target, with their routes."""
    return [
        (number, routing.of_stream[number])
        for number, stream in enumerate(routing.streams)
        if stream.critical
    ]


def can_start(routing: Routing, zone: int, deployment: int) -> bool:
    """Whether replicas of a deployment may be started when a zone is lost: on demand elsewhere."""
    of = routing.deployments[deployment]
    return of.kind == "replica" and not of.spot and deployment not in routing.zones[zone].shut


def starts_at_once(routing: Routing, zone: int, deployment: int) -> bool:
    """Whether nothing has to run before: what is started answers without delay."""
    return can_start(routing, zone, deployment) and not (
        routing.deployments[deployment].start_hours
    )


def _loads(lost: LostHour, deployment: int, *moved: dict[int, int]) -> Terms:
    """Loads of critical requests on a deployment, as terms."""
    routing, variables = lost.routing, lost.variables
    terms: Terms = {}
    for route in routing.of_deployment[deployment]:
        if not routing.streams[routing.routes[route].stream].critical:
            continue
        there = route in variables.share
        load = load_of(routing, lost.hours, route, variables.hour) if there else 0.0
        for columns in (variables.share, *moved):
            if route in columns:
                terms[columns[route]] = load
    return terms


def _add_running(terms: Terms, lost: LostHour, deployment: int) -> None:
    of, steps, units = lost.routing.deployments[deployment], lost.variables.steps, lost.whole.units
    if deployment in steps:
        room = room_of(lost.routing, lost.hours, deployment, lost.variables.hour)
        terms[steps[deployment]] = -room * of.step
    if deployment in units:
        terms[units[deployment]] = -(1.0 - of.headroom) * of.step
