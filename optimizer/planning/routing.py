# SPDX-License-Identifier: Apache-2.0
"""The part of a plan that routes requests: its demand, its solve, and what today's costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue
from optimizer.billing.catalogue import rows
from optimizer.demand import HorizonDemand
from optimizer.demand.horizon import has_routing
from optimizer.demand.requests import requests_of_horizon
from optimizer.errors import DataError
from optimizer.planning.cached import cached_notes
from optimizer.planning.capacity import refuse_short
from optimizer.planning.part import Part, PartRoutes, window_of_part
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.program.lawcost import LawCost
from optimizer.program.problem import Floats, Ints
from optimizer.program.purchases import advised_amounts, kinds_of
from optimizer.program.renewal import renewals
from optimizer.program.route_case import RouteCase, arriving_of
from optimizer.program.route_check import check_routed
from optimizer.program.route_hour import Hours
from optimizer.program.route_joint import Unroutable, solve_routed
from optimizer.program.route_program import started_in
from optimizer.program.route_zone_settle import no_losses
from optimizer.program.routes import read_routing
from optimizer.program.routing import Routed, Routing
from optimizer.program.watch import Watch
from optimizer.program.window import Marks, Window
from optimizer.tables import Case, UsageLines
from optimizer.tables.lines import DEFAULT_LOST_HOURS


@dataclass(frozen=True)
class RoutedDemand:
    """The demand with lines for what is routed, still without usage.

    ``first`` is the first of these lines; ``today`` the routing of ``routes_today``, over
    all routes of ``every``, or ``None``.
    """

    demand: HorizonDemand
    routing: Routing
    first: int
    today: Routed | None
    every: Routing

    @property
    def lines(self) -> Ints:
        """The lines that routes and replicas draw."""
        return np.arange(self.first, self.first + len(self.routing.meters))

    def today_usage(self, usage: UsageLines) -> UsageLines:
        """The usage with that of today's routing."""
        if self.today is None:
            return usage
        return with_routed(usage, self.lines, self.routing, self.today.usage(self.every))


def routed_demand(case: Case, catalogue: Catalogue, demand: HorizonDemand) -> RoutedDemand | None:
    """Read what is routed; ``None`` for a case without ``workloads``."""
    if not has_routing(case):
        return None
    case.require("deployments")
    requests = requests_of_horizon(case)
    routing = read_routing(case, catalogue, requests)
    count, hours = len(routing.meters), case.settings.horizon_hours
    usage, blank = demand.usage, ("",) * len(routing.meters)
    none = np.zeros((count, hours))

    def extend(values: Floats, more: Floats) -> Floats:
        return np.concatenate([values.reshape(-1, *more.shape[1:]), more])

    flags = np.zeros((count, hours), dtype=bool)
    longer = replace(
        usage,
        meter=(*usage.meter, *routing.meters),
        account=(*usage.account, *blank),
        zone=(*usage.zone, *blank),
        lost_hours=extend(usage.lost_hours, np.full(count, DEFAULT_LOST_HOURS)),
        restart_cost=(*usage.restart_cost, *((Decimal(0),) * count)),
        unmet_penalty=(*usage.unmet_penalty, *((None,) * count)),
        quantity=extend(usage.quantity, none),
        spot=extend(usage.spot, none),
        spot_taken=extend(usage.spot_taken, none),
        tolerant=extend(usage.tolerant, none),
        present=np.concatenate([usage.present.reshape(-1, hours), ~flags]),
        daily=np.concatenate([usage.daily, np.zeros(count, dtype=bool)]),
    )
    given = np.concatenate([demand.given.reshape(-1, hours), ~flags])
    every = replace(routing, routes=(*routing.routes, *routing.barred), barred=())
    return RoutedDemand(
        demand=HorizonDemand(
            longer, given, (*demand.notes, *requests.notes, *cached_notes(case, routing))
        ),
        routing=routing,
        first=len(usage.meter),
        today=_today(case, every),
        every=every,
    )


def with_routed(usage: UsageLines, lines: Ints, routing: Routing, used: Floats) -> UsageLines:
    """The usage in which the lines of a routing have its units; (lines, T)."""
    quantity, tolerant = usage.quantity.copy(), usage.tolerant.copy()
    quantity[lines] = used
    tolerant[lines] = np.where(np.array(routing.spot_lines, dtype=bool)[:, None], used, 0.0)
    return replace(usage, quantity=quantity, tolerant=tolerant)


def _today(case: Case, every: Routing) -> Routed | None:
    """Today's routing: shares of each class, and the replicas that run or are needed."""
    if not case.has("routes_today") or not len(case.table("routes_today")):
        return None
    shares: dict[tuple[str, str], float] = {}
    replicas: dict[str, float] = {}
    sums: dict[str, tuple[float, int]] = {}
    for row in rows(case, "routes_today"):
        shares[row["workload"], row["deployment"]] = float(row["share"])
        if row["replicas"] is not None:
            replicas[row["deployment"]] = max(
                replicas.get(row["deployment"], 0.0), float(row["replicas"])
            )
        known = {
            every.streams[route.stream].workload
            for route in every.routes
            if every.deployments[route.deployment].name == row["deployment"]
        }
        if row["workload"] not in known and row["share"]:
            raise DataError(
                f"deployment '{row['deployment']}' has no row that could answer "
                f"'{row['workload']}'",
                mend="add its throughput, or draw per request, for the class to deployments",
                file=case.file("routes_today"),
                row=row["row"],
                column="deployment",
            )
        total, _ = sums.get(row["workload"], (0.0, 0))
        sums[row["workload"]] = (total + float(row["share"]), row["row"])
    for name in every.of_workload:
        total, number = sums.get(name, (0.0, 0))
        if abs(total - 1.0) > 1e-6:
            raise DataError(
                f"the shares of class '{name}' add up to {total:g}",
                mend="make the shares of its deployments add up to 1",
                file=case.file("routes_today"),
                row=number or None,
                column="share",
            )
    requests = np.array(
        [
            shares.get(
                (every.streams[r.stream].workload, every.deployments[r.deployment].name), 0.0
            )
            * every.demand[r.stream]
            for r in every.routes
        ]
    ).reshape(len(every.routes), -1)
    return needed(every, requests, replicas)


def needed(routing: Routing, requests: Floats, given: Mapping[str, float]) -> Routed:
    """Replicas of each deployment: as many as are given, else as its requests need."""
    hours = requests.shape[1]
    running = np.zeros((len(routing.deployments), hours))
    started = np.zeros_like(running)
    for number, deployment in enumerate(routing.deployments):
        if not deployment.counted:
            continue
        load = np.zeros(hours)
        for index in routing.of_deployment[number]:
            load += routing.routes[index].load * requests[index]
        least = np.ceil(deployment.minimum / deployment.step - 1e-9) * deployment.step
        running[number] = np.maximum(deployment.replicas_for(load), least if load.any() else 0.0)
        if deployment.kind == "throughput":
            running[number] = running[number].max(initial=0.0)
        if deployment.name in given:
            running[number] = given[deployment.name]
        if deployment.start_hours and deployment.kind == "replica":
            started[number, 1:] = np.maximum(np.diff(running[number]), 0.0)
    return Routed(requests, running, started, np.zeros((len(routing.meters), hours)))


def solve_routing_part(
    case: Case,
    catalogue: Catalogue,
    component: Component,
    limits: CaseLimits,
    asked: RoutedDemand,
    known: Mapping[str, Mapping[str, Decimal]],
    watch: Watch,
) -> Part:
    """Route the requests of a part, and solve for its purchases.

    ``known`` are amounts by offer of simple plans.
    """
    settings, routing = case.settings, asked.routing
    limits = limits.of_meters(catalogue, component.demand.usage.meter)
    place = {int(line): index for index, line in enumerate(component.lines)}
    lines = np.array([place[int(line)] for line in asked.lines], dtype=np.int64)
    most = with_routed(
        component.demand.usage, lines, routing, np.ones((len(lines), settings.horizon_hours))
    )
    marks = _marks(routing, most)
    renewed = renewals(settings, catalogue, most, component.holdings, component.columns)
    columns = (*component.columns, *renewed)
    window = window_of_part(settings, catalogue, component, columns, limits, marks)
    problem, pool_of = build_problem(settings, catalogue, window, columns, limits)
    hours = _hours(routing, window)
    pool_of_line = pool_of[lines]
    problem = replace(
        problem, arriving=arriving_of(routing, hours, pool_of_line, len(problem.pools))
    )
    law = LawCost(settings, catalogue, window, problem, columns, pool_of)
    whole = RouteCase(problem, routing, hours, pool_of_line, settings.solve.method)

    def law_of(routed: Routed) -> LawCost:
        return law.with_usage(_window_of(window, lines, routing, routed), whole.placed(routed))

    today: Routed | None = None
    broken: tuple[str, ...] = ()
    barred = asked.today is not None and asked.today.requests[len(routing.routes) :].any()
    if barred:
        broken = ("route.barred",)  # a deployment that may not answer the class: not_routed
    elif asked.today is not None:
        kept = replace(asked.today, requests=asked.today.requests[: len(routing.routes)])
        today = kept.take(window.repeats)
        today = replace(
            today,
            started=started_in(routing, hours, today.replicas),
            losses=no_losses(routing, hours.number),
        )
        checks = check_routed(routing, hours, today)
        broken = tuple(check.name for check in checks if not check.ok)
        if broken:
            today = None  # no plan may be like it, nor is it what plans are held against
    advised = {name: advised_amounts(columns, amounts) for name, amounts in known.items()}
    try:
        found = solve_routed(
            whole,
            law_of,
            pool_of,
            method=settings.solve.method,
            gap=settings.solve.gap,
            constant=window.held_cost,
            incumbents={name: amounts for name, amounts in advised.items() if amounts.any()},
            kinds=kinds_of(component.columns),
            today=today,
            watch=watch,
        )
    except Unroutable as error:
        refuse_short(case, whole, window, columns, pool_of)
        raise error from None
    routes = PartRoutes(
        routing=routing,
        lines=component.lines[lines],
        horizon=found.routed.take(window.position),
        case=whole,
        routed=found.routed,
        alternatives=found.alternatives,
        relaxed=found.relaxed,
        broken=broken,
    )
    return Part(
        component,
        _window_of(window, lines, routing, found.routed),
        found.problem,
        found.law,
        found.answer,
        limits,
        renewals=renewed,
        routed=routes,
    )


def routed_usage(usage: UsageLines, parts: Sequence[Part]) -> UsageLines:
    """The horizon's usage with what the plan routes."""
    for part in parts:
        if part.routed is not None:
            routes = part.routed
            used = routes.horizon.usage(routes.routing)
            usage = with_routed(usage, routes.lines, routes.routing, used)
    return usage


def _marks(routing: Routing, most: UsageLines) -> Marks:
    """What tells the hours apart: the requests; and the hour itself, where hours are linked."""
    hours = routing.hours
    told = [stream.requests for stream in routing.streams]
    if any(s.wait for s in routing.streams) or any(d.start_hours for d in routing.deployments):
        told.append(np.arange(hours, dtype=np.float64))
    return Marks(np.array(told).reshape(-1, hours), np.zeros((0, hours)), most)


def _hours(routing: Routing, window: Window) -> Hours:
    """The hours of a window: the horizon is one chain, and so is each part of the tail."""
    tail = ~window.horizon
    chains = [np.flatnonzero(window.horizon)]
    chains += [
        np.flatnonzero(tail & (window.period == period))
        for period in np.unique(window.period[tail])
    ]
    ordered = tuple(chain[np.argsort(window.repeats[chain], kind="stable")] for chain in chains)
    return Hours.of(
        routing,
        routing.demand[:, window.repeats],
        window.weight,
        count=window.count,
        tail=tail,
        chains=ordered,
    )


def _window_of(window: Window, lines: Ints, routing: Routing, routed: Routed) -> Window:
    """The window with what a routing of its hours draws."""
    quantity, tolerant = window.lines.quantity.copy(), window.tolerant.copy()
    used = routed.usage(routing)
    quantity[lines] = used
    tolerant[lines] = np.where(np.array(routing.spot_lines, dtype=bool)[:, None], used, 0.0)
    return replace(window, lines=replace(window.lines, quantity=quantity), tolerant=tolerant)
