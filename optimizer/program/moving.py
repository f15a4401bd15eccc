# SPDX-License-Identifier: Apache-2.0
"""One ``solve_moving()``: places work, solves for the purchases, and proves the pair.

A placement makes demand of what may move; for that demand :func:`~optimizer.program.solve.
solve` finds the purchases.  Placements come from the exact program (small cases), from a
relaxation over cells (large ones), from packing blocks, and from prices; the best plan
under the law is kept and improved on the replayed objective.  Whatever was tried, the bound
holds for every placement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.errors import SolverError
from optimizer.program.blocks import Block
from optimizer.program.check import Check, check_bound
from optimizer.program.lawcost import LawCost
from optimizer.program.moves import (
    Moves,
    Placement,
    move_cost,
    place,
    staying,
)
from optimizer.program.moves_bound import (
    cheapest_placement,
    marginal_prices,
    moves_bound,
)
from optimizer.program.placing import improve_placement
from optimizer.program.prices import Prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.proposals import packed_placement, proposed_placement, proven_unplaceable
from optimizer.program.runs import earliest_run
from optimizer.program.solve import Answer, Progress, solve
from optimizer.program.status import Status
from optimizer.program.watch import Watch

MOVING_ROUNDS = 2
# Rows from which a full solve of a placement takes long: only the program's is tried, what a
# search finds from it, and today's if it could be cheaper.
LARGE_ROWS = 100_000
PLACEMENT_EVALUATIONS = 80

LawOf = Callable[[Placement], LawCost]


@dataclass(frozen=True)
class Moved:
    """The answer for the best placement; its objective has the cost of moving in it.

    ``problem`` and ``law`` are those of the placed demand; ``move_cost`` is in dollars of
    the objective.  ``proven`` says of an infeasible answer that every placement is.
    """

    answer: Answer
    placement: Placement
    problem: Problem
    law: LawCost
    move_cost: float
    proven: bool = False


@dataclass
class _Search:
    """Placements that were solved so far, and the best of them."""

    problem: Problem
    moves: Moves
    law_of: LawOf
    solve: Callable[[Problem, LawCost, dict[str, Floats]], Answer]
    progress: Progress
    best: Moved | None = None
    value: float = np.inf
    free: float = np.inf
    bound: float = -np.inf
    prices: Prices | None = None  # those that prove the bound
    tried: int = 0
    error: SolverError | None = None

    def attempt(self, name: str, placement: Placement, known: dict[str, Floats]) -> bool:
        """Solve the demand of a placement; whether it is the best so far."""
        self.progress(f"placement {name}")
        placed, law = place(self.problem, self.moves, placement), self.law_of(placement)
        self.tried += 1
        try:
            answer = self.solve(placed, law, known)
        except SolverError as error:
            self.error = error
            return False
        cost = move_cost(self.problem, self.moves, placement)
        value = answer.objective + cost
        if np.isfinite(answer.free):
            self.free = min(self.free, answer.free + cost)
            # Prices of one placement prove a bound for all of them.
            self.prove(moves_bound(self.problem, self.moves, answer.prices), answer.prices)
        self.progress(f"placement {name}: {value:,.2f}, bound {self.bound:,.2f}")
        if self.best is None or value < self.value - 1e-9 * max(1.0, abs(value)):
            self.best = Moved(answer, placement, placed, law, cost)
            self.value = value
            return True
        return False

    def prove(self, bound: float, prices: Prices) -> None:
        """Keep a bound of all placements if it is the best so far, with its prices."""
        if bound > self.bound:
            self.bound, self.prices = bound, prices


def solve_moving(
    problem: Problem,
    moves: Moves,
    law_of: LawOf,
    pool_of: Ints,
    *,
    method: str = "auto",
    gap: float = 0.001,
    constant: float = 0.0,
    incumbents: dict[str, Floats] | None = None,
    blocks: tuple[Block, ...] = (),
    seed: int = 0,
    watch: Watch | None = None,
) -> Moved:
    """Find where work goes and what to buy.

    Parameters
    ----------
    problem
        Has the demand that cannot move, and knows what may arrive.
    moves, blocks
        What may move, and the capacity blocks that jobs may be packed into.
    law_of
        The cost under the law of a placement's demand.
    pool_of, method, gap, constant, incumbents, watch
        As in :func:`~optimizer.program.solve.solve`.

    Raises
    ------
    SolverError
        If no placement gives an answer that passes the checks.
    """
    watch = watch or Watch()

    def progress(text: str) -> None:
        watch.report(text)

    def fixed(placed: Problem, law: LawCost, known: dict[str, Floats]) -> Answer:
        return solve(
            placed,
            law,
            pool_of,
            method=method,
            gap=gap,
            constant=constant,
            incumbents={**(incumbents or {}), **known},
            watch=watch,
        )

    search = _Search(problem, moves, law_of, fixed, progress)
    today = Placement(staying(moves), tuple(earliest_run(job) for job in moves.jobs))
    large = problem.rows > LARGE_ROWS
    if not large:
        search.attempt("today's", today, {})
    proposed, bounded, quantity = proposed_placement(problem, moves, method, gap, progress)
    search.prove(bounded.bound, bounded.prices)
    search.attempt("by the program", proposed, {"the program": quantity})
    packed = packed_placement(problem, moves, proposed, blocks, bounded.prices, seed)
    if packed is not None:
        search.attempt("in blocks", packed[0], {"blocks": packed[1]})
    for number in range(0 if large or watch.stop() else MOVING_ROUNDS):
        if search.best is None or search.best.answer.status is Status.INFEASIBLE:
            break
        if search.free - search.bound <= 0.1 * gap * abs(search.value + constant):
            break
        answer = search.best.answer
        prices = marginal_prices(search.best.problem, answer.prices, answer.quantity)
        response = cheapest_placement(problem, moves, prices)
        known = {"the plan before": answer.quantity}
        if not search.attempt(f"by prices {number + 1}", response, known):
            half = _between(search.best.placement, response)
            if not search.attempt(f"half way {number + 1}", half, known):
                break
    if search.best is None or (large and _dearer(search, today, constant, gap)):
        search.attempt("today's", today, {})
    best = search.best
    if best is None:
        raise search.error or SolverError("no placement was solved")
    if best.answer.status is Status.INFEASIBLE:
        return replace(best, proven=proven_unplaceable(problem, moves))
    progress("searching placements on the replayed bill")
    evaluations = 0 if watch.stop() else PLACEMENT_EVALUATIONS
    better = improve_placement(
        problem, moves, law_of, best.placement, best.answer.quantity, evaluations
    )
    if better is not None:
        search.attempt("searched", better, {"the plan before": best.answer.quantity})
    return _proven(search, gap, constant)


def _dearer(search: _Search, today: Placement, constant: float, gap: float) -> bool:
    """Whether today's placement could be cheaper than the best one that was found.

    Not where the bound says that the best is within its gap, nor where today's demand costs
    more even at prices that bound it from below.
    """
    best = search.best
    if best is None or best.answer.status is Status.INFEASIBLE:
        return True
    if search.value - search.bound <= gap * abs(search.value + constant):
        return False
    moves = search.moves
    placed = place(search.problem, moves, today)
    floor = moves_bound(placed, replace(moves, works=(), jobs=()), best.answer.prices)
    return floor + move_cost(search.problem, moves, today) < search.value


def _between(one: Placement, other: Placement) -> Placement:
    """Shares half way between two placements, with the jobs of the second."""
    shares = tuple(0.5 * (a + b) for a, b in zip(one.shares, other.shares, strict=True))
    return Placement(shares, one.runs if shares else other.runs)


def _proven(search: _Search, gap: float, constant: float) -> Moved:
    """The best plan with the bound of all placements, and its gap split in two."""
    best = search.best
    assert best is not None
    objective = best.answer.objective + best.move_cost
    free = min(search.free, objective)
    checks = check_bound(search.bound, {"moved plan": objective, "moved plan, free choice": free})
    refuted = [check for check in checks if not check.ok]
    if refuted:
        msg = (
            f"the lower bound fails its check ({refuted[0].name}: {refuted[0].detail}). "
            "To mend it: report the case"
        )
        raise SolverError(msg)
    bound = min(search.bound, free)
    # A limit is worth what it is worth to work that may move, not to work that stays put.
    prices = best.answer.prices
    if search.prices is not None:
        prices = replace(prices, limits=search.prices.limits, links=search.prices.links)
    relative = (free - bound) / max(abs(objective + constant), 1e-12)
    answer = replace(
        best.answer,
        status=Status.of_gap(relative, gap),
        outcome=replace(best.answer.outcome, objective=objective),
        free=free,
        bound=bound,
        prices=prices,
        checks=(*best.answer.checks, *(Check(c.name, c.ok, c.detail) for c in checks)),
        work={**best.answer.work, "placements": search.tried},
    )
    return replace(best, answer=answer)
