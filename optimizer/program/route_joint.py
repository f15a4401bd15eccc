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
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.errors import SolverError
from optimizer.program.check import Check, check_bound
from optimizer.program.lawcost import LawCost
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.route_blocks import Guide
from optimizer.program.route_case import MANY_HOURS, MOST_HOURS, RouteCase
from optimizer.program.route_check import check_routed
from optimizer.program.route_zone_check import Running, check_loss_limits
from optimizer.program.routing import Routed
from optimizer.program.search import on_step
from optimizer.program.solve import Answer, solve
from optimizer.program.status import Status
from optimizer.program.watch import Watch

ROUNDS = 4
LEAST_GAIN = 2e-4  # of a turn, relative: less is not worth another

LawOf = Callable[[Routed], LawCost]


class Unroutable(SolverError):
    """No routing was found that serves every request within the limits of the case."""


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
    Unroutable
        If no routing was found that serves every request.
    SolverError
        If no routing gives an answer that passes the checks.
    """
    watch = watch or Watch()
    search = _Search(case, law_of, pool_of_line, method, gap, constant, kinds or {}, watch)
    known = dict(incumbents or {})
    if not len(case.problem.columns):
        search.simple(today, known)
        search.prove(zero_prices(case.problem))
        return search.result()
    # HiGHS runs outside the interpreter's lock: one more thread takes a second core.
    with ThreadPoolExecutor(1) as worker:
        pending = worker.submit(case.relaxed)
        search.simple(today, known)
        watch.report("relaxation of all hours")
        relaxed = pending.result()
        many = case.hours.number > MANY_HOURS
        proving = worker.submit(case.bound, relaxed.prices, relaxed.guide)
        if not many:
            search.bound = proving.result()
        search.guide = relaxed.guide if many and case.hours.number <= MOST_HOURS else None
        search.take_turns(on_step(case.problem, relaxed.quantity), relaxed.guide, proving)
        watch.report("bound of every routing and purchase")
        search.bound = proving.result()
        if not search.closed():
            search.polish()
    return search.result()


@dataclass
class _Search:
    """Routings that were solved so far, the best of them, and the best bound.

    ``restored``: purchases of the best, and the values of its hours, if these were restored.
    """

    case: RouteCase
    law_of: LawOf
    pool_of_line: Ints
    method: str
    gap: float
    constant: float
    kinds: Mapping[str, Ints]
    watch: Watch
    best: RoutedAnswer | None = None
    refused: RoutedAnswer | None = None  # a routing for which nothing can be bought
    value: float = np.inf
    free: float = np.inf
    bound: float = -np.inf
    alternatives: dict[str, float] = field(default_factory=dict)
    tried: int = 0
    guide: Guide | None = None
    restored: tuple[Floats, Guide] | None = None
    error: SolverError | None = None

    def simple(self, today: Routed | None, known: Mapping[str, Floats]) -> None:
        """The plans that the joint one is held against: none of them decides jointly."""
        nothing = np.zeros(len(self.case.problem.columns))
        self.watch.report("routing beside what is held")
        alone = self.case.routed_beside(nothing, self.case.at_market())
        if alone is None and not len(nothing):
            raise unroutable()
        if alone is not None:  # else what it needs has to be bought
            self.attempt("one after the other", alone, known)
            self.note("routing alone", alone, nothing)
        if today is not None:
            self.note("nothing", today, nothing)
            if len(nothing):
                self.attempt("commitments alone", today, known)

    def take_turns(self, quantity: Floats, guide: Guide | None, proving: Future[float]) -> None:
        """Solve the hours beside purchases, then purchases for the hours, while it gains."""
        case = self.case
        for number in range(ROUNDS):
            if self.watch.stop():
                return
            if number:
                self.bound = proving.result()
            if self.closed():
                return
            routed, values = case.found_beside(quantity, guide)
            if routed is None and self.best is None and not number:
                quantity = self.more(quantity)
                routed, values = case.found_beside(quantity, guide)
            if routed is None:
                return
            before = self.value
            answer = self.attempt(f"joint, turn {number + 1}", routed, {"turn": quantity})
            if self.value < before:
                self.restored = None if values is None else (quantity, values)
            least = before - LEAST_GAIN * abs(before + self.constant)
            if answer is None or (number and self.value > least):
                return
            if (answer.quantity == quantity).all():
                return
            quantity = answer.quantity

    def polish(self) -> None:
        """Make the best hours better beside their purchases, and buy for what they are then."""
        case = self.case
        if self.restored is None or case.method != "auto" or self.watch.stop():
            return
        quantity, values = self.restored
        self.watch.report("hours of the plan, a few at a time")
        routed = case.polished_beside(quantity, values, self.watch.stop)
        # There is a plan already: one that fails a check is not worth an error.
        if routed is not None and all(
            check.ok for check in check_routed(case.routing, case.hours, routed)
        ):
            self.attempt("joint, polished", routed, {"turn": quantity})

    def more(self, quantity: Floats) -> Floats:
        """A step more of everything: where rounding left too little to serve what must be."""
        problem = self.case.problem
        return on_step(problem, np.where(quantity > 0, quantity + problem.step, quantity))

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
            self.refused = self.refused or RoutedAnswer(answer, routed, placed, law)
            return None
        if not all(check.ok for check in self.losses(answer, routed, placed)):
            return None  # its purchases leave too little for the fallback
        if not name.startswith("joint"):
            self.alternatives[name] = answer.objective
        self.free = min(self.free, answer.free)
        if answer.objective < self.value - 1e-9 * max(1.0, abs(answer.objective)):
            self.value = answer.objective
            self.best = RoutedAnswer(answer, routed, placed, law)
        self.watch.report(f"{name}: {answer.objective + self.constant:,.2f}")
        return answer

    def losses(self, answer: Answer, routed: Routed, placed: Problem) -> list[Check]:
        """Whether what the loss of a zone draws can be had beside these purchases."""
        if not self.case.routing.zones:
            return []
        runs = Running.of(placed, answer.outcome, self.pool_of_line)
        return check_loss_limits(placed, self.case.routing, routed, self.case.pool_of, runs)

    def note(self, name: str, routed: Routed, quantity: Floats) -> None:
        """The objective of a routing with these purchases, without a solve."""
        law = self.law_of(routed)
        law.choose_spot(zero_prices(law.problem).shared)
        value = law.objective(quantity)
        if np.isfinite(value):
            self.alternatives[name] = value

    def prove(self, prices: Prices, guide: Guide | None = None) -> None:
        """Raise the bound by what these prices prove."""
        self.watch.report("bound of every routing and purchase")
        self.bound = max(self.bound, self.case.bound(prices, guide))

    def closed(self) -> bool:
        """Whether what is left is within the gap that was asked for."""
        if self.best is None:
            return False
        whole = abs(self.value + self.constant)
        return bool(self.free - self.bound <= self.gap * whole)

    def result(self) -> RoutedAnswer:
        """The best routing, with the bound that holds for all of them."""
        best = self.best
        if best is None:
            if self.refused is None:
                raise self.error or unroutable()
            return self.refused
        whole = max(abs(self.value + self.constant), 1e-12)
        free = min(self.free, best.answer.free)
        checks = [
            *best.answer.checks,
            *check_routed(self.case.routing, self.case.hours, best.routed),
            *self.losses(best.answer, best.routed, best.problem),
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


def unroutable() -> Unroutable:
    """The error where nothing more is known."""
    return Unroutable(
        "no routing was found that serves every request within the limits of the case. "
        "To mend it: raise maximum_replicas or on_demand_limit, or report the case"
    )


def _once(checks: Sequence[Check]) -> list[Check]:
    return list({check.name: check for check in checks}.values())
