# SPDX-License-Identifier: Apache-2.0
"""A coverage problem with what is routed beside it: its hours solved, relaxed, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.certificate import lower_bound
from optimizer.program.linear import LinearAnswer, solve_linear
from optimizer.program.moves import link_hours
from optimizer.program.moves_bound import MovePrices
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Links, Problem
from optimizer.program.route_beside import beside
from optimizer.program.route_blocks import Guide, solve_blocks
from optimizer.program.route_cluster import alike, merged
from optimizer.program.route_hour import Hours, most_steps
from optimizer.program.route_polish import polish
from optimizer.program.route_prices import RoutePrices, route_prices
from optimizer.program.route_program import RouteProgram, at_prices
from optimizer.program.route_queue import roomier, tighter
from optimizer.program.route_settle import settle
from optimizer.program.route_zone_settle import settle_losses
from optimizer.program.routing import Routed, Routing
from optimizer.program.status import Status

HOUR_NODES = 500
# Of linked hours more relaxations raise the bound by 0.05 %, and make a plan 1 % better.
BOUND_NODES = 150
QUEUE_ROUNDS = 2  # in which hours are solved again at the load of the pools chosen
WHOLE_COLUMNS = 3_000
MANY_HOURS = 24
MOST_HOURS, MERGED_HOURS = 700, 250  # of a relaxation; beyond, hours alike are merged


@dataclass(frozen=True)
class Relaxed:
    """The relaxation of all hours: purchases, prices, and what it says of linked hours."""

    quantity: Floats
    prices: Prices
    guide: Guide | None


@dataclass(frozen=True)
class RouteCase:
    """A coverage problem, what is routed beside it, and the pool of each of its lines.

    ``method`` is that of the settings: ``reference`` and ``mathopt`` are second opinions.
    """

    problem: Problem
    routing: Routing
    hours: Hours
    pool_of: Ints
    method: str = "auto"

    @property
    def precision(self) -> float:
        """Relative gap of each hour's program in the bound: exact in small cases."""
        return 1e-7 if self.hours.number <= MANY_HOURS else 5e-4

    @property
    def roughness(self) -> float:
        """The same in a plan."""
        return 1e-7 if self.hours.number <= MANY_HOURS else 1e-3

    def usage(self, routed: Routed) -> tuple[Floats, Floats]:
        """(P, N) units that a routing draws from each pool, and those that may be on spot."""
        used = routed.usage(self.routing)
        demand, tolerant = (np.zeros_like(self.problem.demand) for _ in range(2))
        np.add.at(demand, self.pool_of, used)
        spot = np.array(self.routing.spot_lines, dtype=bool)
        np.add.at(tolerant, self.pool_of[spot], used[spot])
        return demand, tolerant

    def placed(self, routed: Routed) -> Problem:
        """The problem in which a routing's usage is demand."""
        demand, tolerant = self.usage(routed)
        links = self.problem.links
        if links.demand.any():
            worth = links.demand[:, :, None] * demand
            more = np.einsum("ipn,in->i", worth, link_hours(self.problem))
            links = replace(links, most=links.most + more)
        return replace(
            self.problem,
            demand=self.problem.demand + demand,
            tolerant=self.problem.tolerant + tolerant,
            links=links,
            arriving=None,
        )

    def solve(
        self, write: Callable[[Hours], RouteProgram], guide: Guide | None = None
    ) -> tuple[LinearAnswer, Routed | None]:
        """Solve a program of the hours, with replicas as full as the pools chosen may be.

        The bound is that of the largest pools; see ``route_queue``.
        """
        found, routed = self._settled(write, self.hours, guide)
        bound, hours, kept = found.bound, self.hours, routed
        rounds = QUEUE_ROUNDS if self.hours.number <= MANY_HOURS else 0
        for number in range(rounds + 1):
            room = None if routed is None else tighter(self.routing, routed, hours.room)
            if room is None or number == rounds:
                break
            hours, kept = replace(hours, room=room), routed
            found, routed = self._settled(write, hours, guide)
        best = routed if routed is not None else kept
        return replace(found, bound=bound), None if best is None else self._able(best)

    def _able(self, routed: Routed) -> Routed | None:
        """A routing with the room of the pools chosen, and what the loss of zones asks for."""
        able = roomier(self.routing, routed)
        return None if able is None else settle_losses(self.routing, self.hours, able)

    def _settled(
        self, write: Callable[[Hours], RouteProgram], at: Hours, guide: Guide | None
    ) -> tuple[LinearAnswer, Routed | None]:
        """Solve a program of the hours, by blocks; what is tiny is settled afterwards.

        Where that takes more replicas, a few hours are solved again with all loads in them.
        """
        written = write(at)
        found = self._solved(written, "values", guide)
        if not found.status.has_plan:
            return found, None
        asked = written.read(found)
        settled = settle(self.routing, at, asked)
        if at.number > MANY_HOURS or (settled.replicas <= asked.replicas).all():
            return found, settled
        exact = write(replace(at, exact=True))
        again = self._solved(exact, "values", guide)
        if not again.status.has_plan:
            return found, settled
        return again, settle(self.routing, at, exact.read(again))

    def _solved(
        self, written: RouteProgram, wanted: str, guide: Guide | None = None
    ) -> LinearAnswer:
        few = self.hours.number <= MANY_HOURS
        most = BOUND_NODES if wanted == "bound" and self.routing.linked else HOUR_NODES
        return solve_blocks(
            written.program,
            gap=self.precision if wanted == "bound" else self.roughness,
            nodes=None if few else most,
            whole_columns=WHOLE_COLUMNS,
            wanted=wanted,
            guide=guide,
            method=self.method,
        )

    def routed_beside(self, quantity: Floats, guide: Guide | None = None) -> Routed | None:
        """The best routing of every hour beside these purchases."""
        return self.found_beside(quantity, guide)[0]

    def found_beside(
        self, quantity: Floats, guide: Guide | None = None
    ) -> tuple[Routed | None, Guide | None]:
        """The same, and the values of its program where the hours were restored one by one."""
        last: list[RouteProgram] = []

        def write(hours: Hours) -> RouteProgram:
            last.append(beside(self.routing, hours, self.problem, self.pool_of, quantity).written)
            return last[-1]

        found, routed = self.solve(write, guide)
        written = last[-1].program
        restored = self.hours.number > MANY_HOURS and len(written.names) > WHOLE_COLUMNS
        if not restored or not self.routing.linked or not found.status.has_plan:
            return routed, None
        return routed, Guide.of(written, found)

    def polished_beside(
        self, quantity: Floats, values: Guide, stop: Callable[[], bool]
    ) -> Routed | None:
        """The hours beside purchases made better a stretch at a time (``route_polish``)."""
        written = beside(self.routing, self.hours, self.problem, self.pool_of, quantity).written
        start, _ = values.read(written.program)
        better = polish(written.program, start, gap=self.roughness, stop=stop)
        found = LinearAnswer(Status.STOPPED, better, np.inf, -np.inf)
        return self._able(settle(self.routing, self.hours, written.read(found)))

    def at_market(self) -> Guide | None:
        """The relaxation at market prices: what links hours where nothing is bought."""
        if self.hours.number <= MANY_HOURS or not self.routing.linked:
            return None
        if self.hours.number > MOST_HOURS:
            case, _ = self.coarse()
            return case.at_market()
        written = at_prices(self.routing, self.hours, self.line_prices(zero_capacity(self.problem)))
        answer = solve_linear(written.program, relaxed=True, interior=True)
        return None if answer.duals is None else Guide.of(written.program, answer)

    def relaxed(self) -> Relaxed:
        """Purchases and prices of the relaxation of all hours, or of groups of very many."""
        if self.hours.number > MOST_HOURS:
            case, labels = self.coarse()
            found = case.relaxed()
            return replace(found, prices=found.prices.spread(labels))
        made = beside(self.routing, self.hours, self.problem, self.pool_of)
        program = made.written.program
        answer = solve_linear(
            program, relaxed=True, interior=self.hours.number > MANY_HOURS, presolve=True
        )
        if answer.duals is None:
            nothing = np.zeros(len(self.problem.columns))
            return Relaxed(nothing, zero_prices(self.problem), None)
        return Relaxed(made.quantity(answer), made.prices(answer.duals), Guide.of(program, answer))

    def coarse(self) -> tuple[RouteCase, Ints]:
        """The case over groups of hours, and the group of each hour."""
        labels = alike(self.problem, self.hours, MERGED_HOURS)
        routing, problem, hours = merged(self.routing, self.problem, self.hours, labels)
        return replace(self, routing=routing, problem=problem, hours=hours), labels

    def line_prices(self, problem: Problem, prices: Prices | None = None) -> Floats:
        """(lines, N) dollars of a unit of each line, at prices or at those of the market."""
        units = MovePrices(problem, zero_prices(problem) if prices is None else prices)
        spot = np.array(self.routing.spot_lines, dtype=bool)[:, None]
        lines = np.where(spot, units.spot[self.pool_of], units.firm[self.pool_of])
        return np.asarray(lines / problem.weight)

    def bound(self, prices: Prices, guide: Guide | None = None) -> float:
        """Lower bound of every plan and routing, in dollars, for any prices ≥ 0."""
        assert self.problem.arriving is not None
        # Where routing draws, all of the market is open to all: less than what is asked for.
        open_market = np.where((self.problem.arriving > 0)[:, None], 1.0, self.problem.availability)
        relaxed = replace(self.problem, availability=open_market)
        fixed = lower_bound(relaxed, prices)
        if not np.isfinite(fixed):
            return fixed
        written = at_prices(self.routing, self.hours, self.line_prices(relaxed, prices))
        return fixed + self._solved(written, "bound", guide).bound

    def marginal(self, quantity: Floats, guide: Guide | None) -> RoutePrices | None:
        """Prices of quality, requests and committed units.

        Of the relaxation of all hours where it was solved, else beside these purchases.
        """
        if guide is None:
            case = self.coarse()[0] if self.hours.number > MOST_HOURS else self
            return case.marginal_beside(quantity)
        return route_prices(self.routing, self.hours, self.problem, guide.duals)

    def marginal_beside(self, quantity: Floats) -> RoutePrices | None:
        """The same beside these purchases."""
        made = beside(self.routing, self.hours, self.problem, self.pool_of, quantity)
        program = made.written.program
        interior = self.hours.number > MANY_HOURS
        answer = solve_linear(program, relaxed=True, interior=interior, presolve=True)
        return None if answer.duals is None else self.marginal(quantity, Guide.of(program, answer))


def zero_capacity(problem: Problem) -> Problem:
    """The problem without sources: nothing but the market, and no rows that link hours."""
    none = np.zeros(0, dtype=np.int64)
    return replace(problem, pair_source=none, pair_pool=none, pair_draw=np.zeros(0), links=Links())


def arriving_of(routing: Routing, hours: Hours, pool_of: Ints, pools: int) -> Floats:
    """(P,) the most units per hour that any routing worth having draws from each pool."""
    lines = np.zeros(len(routing.meters))
    for number, deployment in enumerate(routing.deployments):
        if deployment.counted:
            most = max(
                (most_steps(routing, hours, number, hour) for hour in range(hours.number)),
                default=0.0,
            )
            for line, units in deployment.draws:
                lines[line] += units * most * deployment.step * (1.0 + deployment.start_hours)
    for route in routing.routes:
        stream = routing.streams[route.stream]
        most = float(hours.requests[route.stream].max(initial=0.0))
        if stream.wait:
            most = float(hours.requests[route.stream].sum())
        for line, units in route.draws:
            lines[line] += units * most
    # What is expected to be drawn when zones are lost comes on top of what runs.
    lines *= 1.0 + sum(zone.odds for zone in routing.zones)
    by_pool = np.zeros(pools)
    np.add.at(by_pool, pool_of, lines)
    return by_pool
