# SPDX-License-Identifier: Apache-2.0
"""Routing, usage and commitments in one plan: found by taking turns, bounded by prices.

With purchases fixed, hours are exact programs (:mod:`~optimizer.program.route_beside`); with
a routing fixed, its usage is ordinary demand and :func:`~optimizer.program.solve.solve` finds
the purchases.  They start from the relaxation of all hours, whose prices also prove the
bound: every unit that a routing draws costs at least π̂ = min(e, min a·λ), so that

    LB = certificate of what is not routed + Σ_hours the cheapest routing at π̂,

each hour by the dual bound of its integer program (``docs/program.md``, Joint plan).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.errors import SolverError
from optimizer.program.certificate import lower_bound
from optimizer.program.check import Check, check_bound
from optimizer.program.lawcost import LawCost
from optimizer.program.linear import LinearAnswer, solve_linear
from optimizer.program.moves import link_hours
from optimizer.program.moves_bound import MovePrices
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.route_beside import beside
from optimizer.program.route_blocks import Guide, solve_blocks
from optimizer.program.route_check import check_routed
from optimizer.program.route_cluster import alike, merged
from optimizer.program.route_hour import Hours, most_steps
from optimizer.program.route_prices import RoutePrices, route_prices
from optimizer.program.route_program import RouteProgram, at_prices
from optimizer.program.route_queue import roomier, tighter
from optimizer.program.route_settle import settle
from optimizer.program.routing import Routed, Routing
from optimizer.program.search import on_step
from optimizer.program.solve import Answer, solve
from optimizer.program.status import Status
from optimizer.program.watch import Watch

ROUNDS = 4
LEAST_GAIN = 2e-4  # of a turn, relative: less is not worth another
HOUR_NODES = 500
QUEUE_ROUNDS = 2  # in which hours are solved again at the load of the pools chosen
WHOLE_COLUMNS = 3_000
MANY_HOURS = 24
MOST_HOURS, MERGED_HOURS = 700, 250  # of a relaxation; beyond, hours alike are merged

LawOf = Callable[[Routed], LawCost]


@dataclass(frozen=True)
class RoutedAnswer:
    """The answer for the best routing; ``problem`` and ``law`` have its usage as demand.

    ``alternatives`` are the objectives of simpler plans by name, in dollars; ``relaxed`` is
    the relaxation of all hours, of many hours with purchases.
    """

    answer: Answer
    routed: Routed
    problem: Problem
    law: LawCost
    alternatives: Mapping[str, float] = field(default_factory=dict)
    relaxed: Guide | None = None


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
        """Relative gap of each hour's program: exact in small cases."""
        return 1e-7 if self.hours.number <= MANY_HOURS else 5e-4

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
        found = replace(found, bound=bound)
        return found, None if best is None else roomier(self.routing, best)

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
        nodes = None if self.hours.number <= MANY_HOURS else HOUR_NODES
        return solve_blocks(
            written.program,
            gap=self.precision,
            nodes=nodes,
            whole_columns=WHOLE_COLUMNS,
            wanted=wanted,
            guide=guide,
            method=self.method,
        )

    def routed_beside(self, quantity: Floats, guide: Guide | None = None) -> Routed | None:
        """The best routing of every hour beside these purchases."""

        def write(hours: Hours) -> RouteProgram:
            return beside(self.routing, hours, self.problem, self.pool_of, quantity).written

        return self.solve(write, guide)[1]

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
    """The problem without sources: nothing but the market."""
    none = np.zeros(0, dtype=np.int64)
    return replace(problem, pair_source=none, pair_pool=none, pair_draw=np.zeros(0))


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
    by_pool = np.zeros(pools)
    np.add.at(by_pool, pool_of, lines)
    return by_pool


def solve_routed(
    case: RouteCase,
    law_of: LawOf,
    pool_of_line: Ints,
    *,
    method: str = "auto",
    gap: float = 0.001,
    constant: float = 0.0,
    incumbents: Mapping[str, Floats] | None = None,
    kinds: Mapping[str, Ints] | None = None,
    today: Routed | None = None,
    watch: Watch | None = None,
) -> RoutedAnswer:
    """Find the routing of every hour and what to buy.

    Parameters
    ----------
    law_of
        The cost under the law of a routing's usage.
    pool_of_line, method, gap, constant, incumbents, kinds, watch
        As in :func:`~optimizer.program.solve.solve`.
    today
        The routing of ``routes_today``, if there is one.

    Raises
    ------
    SolverError
        If no routing gives an answer that passes the checks.
    """
    watch = watch or Watch()
    search = _Search(case, law_of, pool_of_line, method, gap, constant, kinds or {}, watch)
    nothing = np.zeros(len(case.problem.columns))
    known = dict(incumbents or {})
    watch.report("routing beside what is held")
    alone = case.routed_beside(nothing, case.at_market())
    if alone is None:
        msg = (
            "no routing was found that serves every request within the limits of the case. "
            "To mend it: raise maximum_replicas or on_demand_limit, or report the case"
        )
        raise SolverError(msg)
    search.attempt("one after the other", alone, known)
    search.note("routing alone", alone, nothing)
    if today is not None:
        search.note("nothing", today, nothing)
        if len(case.problem.columns):
            search.attempt("commitments alone", today, known)
    if len(case.problem.columns):
        watch.report("relaxation of all hours")
        relaxed = case.relaxed()
        search.prove(relaxed.prices, relaxed.guide)
        few = not MANY_HOURS < case.hours.number <= MOST_HOURS
        search.guide = None if few else relaxed.guide
        quantity = on_step(case.problem, relaxed.quantity)
        for number in range(ROUNDS):
            if watch.stop() or search.closed():
                break
            routed = case.routed_beside(quantity, relaxed.guide)
            if routed is None:
                break
            before = search.value
            answer = search.attempt(f"joint, turn {number + 1}", routed, {"turn": quantity})
            least = before - LEAST_GAIN * abs(before + constant)
            if answer is None or (number and search.value > least):
                break
            if (answer.quantity == quantity).all():
                break
            quantity = answer.quantity
    else:
        search.prove(zero_prices(case.problem))
    return search.result()


@dataclass
class _Search:
    """Routings that were solved so far, the best of them, and the best bound."""

    case: RouteCase
    law_of: LawOf
    pool_of_line: Ints
    method: str
    gap: float
    constant: float
    kinds: Mapping[str, Ints]
    watch: Watch
    best: RoutedAnswer | None = None
    value: float = np.inf
    free: float = np.inf
    bound: float = -np.inf
    alternatives: dict[str, float] = field(default_factory=dict)
    tried: int = 0
    guide: Guide | None = None
    error: SolverError | None = None

    def attempt(self, name: str, routed: Routed, known: Mapping[str, Floats]) -> Answer | None:
        """Solve for the purchases of a routing."""
        self.watch.report(f"purchases for the routing: {name}")
        placed, law = self.case.placed(routed), self.law_of(routed)
        self.tried += 1
        try:
            answer = solve(
                placed,
                law,
                self.pool_of_line,
                method=self.method,
                gap=max(self.gap / 4, 1e-6),
                constant=self.constant,
                incumbents=dict(known),
                kinds=self.kinds,
                watch=self.watch,
            )
        except SolverError as error:
            self.error = error
            return None
        if answer.status is Status.INFEASIBLE:
            if self.best is None:
                self.best = RoutedAnswer(answer, routed, placed, law)
            return None
        if not name.startswith("joint"):
            self.alternatives[name] = answer.objective
        self.free = min(self.free, answer.free)
        if answer.objective < self.value - 1e-9 * max(1.0, abs(answer.objective)):
            self.value = answer.objective
            self.best = RoutedAnswer(answer, routed, placed, law)
        self.watch.report(f"{name}: {answer.objective + self.constant:,.2f}")
        return answer

    def note(self, name: str, routed: Routed, quantity: Floats) -> None:
        """The objective of a routing with these purchases, without a solve."""
        value = self.law_of(routed).objective(quantity)
        if np.isfinite(value):
            self.alternatives[name] = value

    def prove(self, prices: Prices, guide: Guide | None = None) -> None:
        """Raise the bound by what these prices prove."""
        self.watch.report("bound of every routing and purchase")
        self.bound = max(self.bound, self.case.bound(prices, guide))

    def closed(self) -> bool:
        """Whether what is left is within the gap that was asked for."""
        whole = abs(self.value + self.constant)
        return bool(self.free - self.bound <= self.gap * whole)

    def result(self) -> RoutedAnswer:
        """The best routing, with the bound that holds for all of them."""
        if self.best is None:
            raise self.error or SolverError(
                "no routing gave an answer. To mend it: report the case"
            )
        best = self.best
        if best.answer.status is Status.INFEASIBLE:
            return best
        whole = max(abs(self.value + self.constant), 1e-12)
        free = min(self.free, best.answer.free)
        checks = [
            *best.answer.checks,
            *check_routed(self.case.routing, self.case.hours, best.routed),
            *check_bound(self.bound, {**self.alternatives, "plan": self.value}),
        ]
        failed = [check for check in checks if not check.ok]
        if failed:
            msg = (
                f"the plan fails an independent check ({failed[0].name}: {failed[0].detail}). "
                "To mend it: report the case"
            )
            raise SolverError(msg)
        bound = min(self.bound, free)
        relative = (free - bound) / whole
        answer = replace(
            best.answer,
            status=Status.of_gap(relative, self.gap),
            free=free,
            bound=bound,
            checks=tuple(_once(checks)),
            method=f"routing by the hour, {best.answer.method}",
            stopped=self.watch.reason,
            learnt=None,
            work={**best.answer.work, "routings": self.tried},
        )
        return replace(
            best, answer=answer, alternatives=dict(self.alternatives), relaxed=self.guide
        )


def _once(checks: Sequence[Check]) -> list[Check]:
    return list({check.name: check for check in checks}.values())
