# SPDX-License-Identifier: Apache-2.0
"""``route.zone``: critical classes are served though a zone's spot replicas are lost.

For each zone and hour the requests of its spot replicas go elsewhere: at once to what runs (of
other zones, on demand, provisioned units, or an API), or late, to on-demand replicas that are
started then.  Other requests stay where they are; classes without a latency target give way.
"""

from __future__ import annotations

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
        define_route_zone_moved(program, routing, variables, made)
        define_route_zone(program, routing, hours, variables, made, whole)
        define_route_zone_started(program, routing, hours, variables, made, whole)
        define_route_zone_late(program, routing, hours, variables, made)
        define_route_zone_quality(program, routing, hours, variables, made)
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


def define_route_zone_moved(
    program: BlockProgram, routing: Routing, variables: HourVariables, made: LossVariables
) -> None:
    """Σ moved + late = Σ x of what is lost, in shares (docs/program.md, Loss of a zone)."""
    for stream, lost in made.lost.items():
        terms = {variables.share[route]: -1.0 for route in lost}
        for columns in (made.moved, made.late):
            for route, column in columns.items():
                if routing.routes[route].stream == stream:
                    terms[column] = 1.0
        name = f"{routing.streams[stream].name},{routing.zones[made.zone].name},{variables.hour}"
        program.row(f"route.zone_moved[{name}]", terms, low=0.0, high=0.0)


def define_route_zone(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    made: LossVariables,
    whole: WholeVariables,
) -> None:
    """Σ_critical φ·(x + moved)/μ ≤ ρ·n of what still runs, in replicas or units."""
    for number in sorted({routing.routes[route].deployment for route in made.moved}):
        deployment = routing.deployments[number]
        if not deployment.counted:
            continue
        terms = _loads(routing, hours, variables, number, made.moved)
        _add_running(terms, routing, hours, variables, number, whole)
        name = f"{deployment.name},{routing.zones[made.zone].name},{variables.hour}"
        program.row(f"route.zone[{name}]", terms, high=0.0)


def define_route_zone_started(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    made: LossVariables,
    whole: WholeVariables,
) -> None:
    """Σ_critical φ·(x + moved + late)/μ ≤ ρ·(n + f); n + f within the range, in replicas."""
    for number in sorted({routing.routes[route].deployment for route in made.late}):
        deployment, hour = routing.deployments[number], variables.hour
        terms = _loads(routing, hours, variables, number, made.moved, made.late)
        _add_running(terms, routing, hours, variables, number, whole)
        name = f"{deployment.name},{routing.zones[made.zone].name},{hour}"
        count: Terms = {}
        if number in made.steps:
            room = room_of(routing, hours, number, hour)
            terms[made.steps[number]] = -room * deployment.step
            count[made.steps[number]] = 1.0
        program.row(f"route.zone_started[{name}]", terms, high=0.0)
        if number in variables.steps:
            count[variables.steps[number]] = 1.0
        most = most_steps(routing, hours, number, hour)
        opened = whole.opened.get(number)
        if opened is not None:
            program.row(f"route.zone_open[{name}]", {**count, opened: -most}, high=0.0)
        elif np.isfinite(deployment.maximum):
            program.row(f"route.zone_open[{name}]", count, high=most)


def define_route_zone_late(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    made: LossVariables,
) -> None:
    """Σ s·late ≤ (1 − percentile)/2·Σ x: what misses while replicas start, s of the hour."""
    for workload, streams in routing.of_workload.items():
        total = float(hours.scale[list(streams), variables.hour].sum())
        terms: Terms = {}
        for route, column in made.late.items():
            of = routing.routes[route]
            wait = min(1.0, routing.deployments[of.deployment].start_hours)
            if of.stream in streams and wait:
                terms[column] = wait * float(hours.scale[of.stream, variables.hour]) / total
        if not terms:
            continue
        may = LATE * (1.0 - routing.streams[streams[0]].percentile)
        for stream in streams:
            for route in routing.of_stream[stream]:
                if route in variables.share:
                    scale = float(hours.scale[stream, variables.hour])
                    terms[variables.share[route]] = -may * scale / total
        name = f"{workload},{routing.zones[made.zone].name},{variables.hour}"
        program.row(f"route.zone_late[{name}]", terms, high=0.0)


def define_route_zone_quality(
    program: BlockProgram,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    made: LossVariables,
) -> None:
    """Σ (q̲ − target)·(x + moved + late) ≥ 0 over what is not lost, in points per request."""
    for workload, streams in routing.of_workload.items():
        target = routing.streams[streams[0]].target
        if np.isnan(target) or not set(streams) & made.lost.keys():
            continue
        total = float(hours.scale[list(streams), variables.hour].sum())
        terms: Terms = {}
        for columns in (variables.share, made.moved, made.late):
            for route, column in columns.items():
                of = routing.routes[route]
                if of.stream in streams and of.deployment not in routing.zones[made.zone].lost:
                    scale = float(hours.scale[of.stream, variables.hour])
                    terms[column] = (of.quality - target) * scale / total
        name = f"{workload},{routing.zones[made.zone].name},{variables.hour}"
        program.row(f"route.zone_quality[{name}]", terms, low=0.0)


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


def _loads(
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    deployment: int,
    *moved: dict[int, int],
) -> Terms:
    """Loads of critical requests on a deployment, as terms."""
    terms: Terms = {}
    for route in routing.of_deployment[deployment]:
        if not routing.streams[routing.routes[route].stream].critical:
            continue
        load = load_of(routing, hours, route, variables.hour) if route in variables.share else 0.0
        for columns in (variables.share, *moved):
            if route in columns:
                terms[columns[route]] = load
    return terms


def _add_running(
    terms: Terms,
    routing: Routing,
    hours: Hours,
    variables: HourVariables,
    deployment: int,
    whole: WholeVariables,
) -> None:
    of = routing.deployments[deployment]
    if deployment in variables.steps:
        room = room_of(routing, hours, deployment, variables.hour)
        terms[variables.steps[deployment]] = -room * of.step
    if deployment in whole.units:
        terms[whole.units[deployment]] = -(1.0 - of.headroom) * of.step
