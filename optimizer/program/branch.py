# SPDX-License-Identifier: Apache-2.0
"""Branch and bound in which every bound is a certificate.

The solver only supplies prices; what closes a node is :func:`~optimizer.program.
certificate.lower_bound` on the exact hours within the node's box.  It turns the bound of
the relaxation into one that knows about whole units, minimums and steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np

from optimizer.program.arrays import ArrayProgram, Box, Relaxation
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.feasibility import (
    first_phase,
    proven_at_peaks,
    proven_empty,
    rounding,
)
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Problem

_WHOLE = 1e-6


class Program(Protocol):
    """What supplies prices: a program that is solved for a box of purchases."""

    def relax(self, box: Box) -> Relaxation:
        """Solve the relaxation within a box."""
        ...


@dataclass(frozen=True)
class Bounded:
    """The proven bound, the prices at the root, and the nodes that were solved."""

    bound: float
    prices: Prices
    nodes: int


def certified_bound(
    problem: Problem,
    program: Program,
    spread: Callable[[Prices], Prices],
    *,
    target: float,
    nodes: int,
    bound_of: Callable[[Problem, Prices, Box], float] = lower_bound,
    stop: Callable[[], bool] = lambda: False,
) -> Bounded:
    """Raise the bound until it reaches ``target`` or ``nodes`` relaxations are solved.

    Parameters
    ----------
    problem
        The exact problem that is bounded.
    program
        A program that supplies prices: of the problem, or of its cells.
    spread
        Turns prices of the program's hours into prices of the problem's hours.
    target
        Stop when the bound is at least this; the value of a known plan less the gap.
    bound_of
        The certificate: of the problem alone, or with work that may move.
    stop
        Asked between nodes.
    """
    box = whole_box(problem)
    root = program.relax(box)
    if not root.feasible:
        # Free of any solver's word: prices of zero still give a valid, weak bound.
        zero = zero_prices(problem)
        return Bounded(bound_of(problem, zero, box), zero, 1)
    prices = spread(root.prices)
    bound = bound_of(problem, prices, box)
    tick = count()
    queue = [(bound, next(tick), box, root.quantity)]
    closed = np.inf  # the least bound among nodes that cannot be split further
    solved = 1
    phase: ArrayProgram | None = None  # made when a box is first called infeasible
    # Work that arrives may be just what a row over all hours needs.
    needs_work = problem.arriving is not None and (
        bool(problem.links.demand.any()) or bool((problem.links.covered < 0).any())
    )
    while queue and solved < nodes and not stop():
        low, _, box, quantity = queue[0]
        if min(low, closed) >= target:
            break
        heapq.heappop(queue)
        halves = _split(problem, box, quantity)
        if halves is None:
            closed = min(closed, low)
            continue
        for half in halves:
            relaxed = program.relax(half)
            solved += 1
            if not relaxed.feasible:
                if _empty(half) or _short(problem, half):
                    continue
                if isinstance(program, ArrayProgram):
                    phase = phase or ArrayProgram(first_phase(program.whole))
                    if not needs_work and proven_empty(problem, half, phase, spread):
                        continue
                better = low
                relaxed_quantity = np.clip(quantity, half.lower, half.upper)
            else:
                better = max(low, bound_of(problem, spread(relaxed.prices), half))
                relaxed_quantity = relaxed.quantity
            heapq.heappush(queue, (better, next(tick), half, relaxed_quantity))
    best = min([closed, *(item[0] for item in queue)])
    return Bounded(bound if not np.isfinite(best) else max(bound, best), prices, solved)


def proven_infeasible(problem: Problem, *, nodes: int) -> bool:
    """Whether no plan exists at all: every part of a tree of boxes is proven empty.

    The tree is needed where fractions of purchases would do and whole ones do not.
    """
    if proven_at_peaks(problem):
        return True
    if proven_empty(problem, whole_box(problem)):
        return True
    phase = first_phase(problem)
    target = 2.0 * rounding(problem)
    bounded = certified_bound(phase, ArrayProgram(phase), lambda p: p, target=target, nodes=nodes)
    return bounded.bound >= target


def _split(problem: Problem, box: Box, quantity: Floats) -> tuple[Box, Box] | None:
    """Split at the most costly amount that is not allowed; ``None`` if all are."""
    worst, where = 0.0, -1
    for column, amount in enumerate(quantity):
        off = _violation(problem, column, float(amount))
        if off > _WHOLE and off * problem.cost[column] >= worst:
            if box.upper[column] - box.lower[column] <= 1e-9:
                continue
            worst, where = off * float(problem.cost[column]), column
    if where < 0:
        return None
    amount, step, least = float(quantity[where]), float(problem.step[where]), problem.minimum[where]
    if 0 < amount < least - 1e-9 and box.lower[where] <= 0:
        below, above = 0.0, float(least)
    else:
        below = float(np.floor(amount / step + 1e-9) * step)
        above = below + step
    lower, upper = box.lower.copy(), box.upper.copy()
    upper[where], lower[where] = below, above
    return Box(box.lower, upper), Box(lower, box.upper)


def _violation(problem: Problem, column: int, amount: float) -> float:
    """How far an amount is from one that may be bought."""
    least = float(problem.minimum[column])
    if _WHOLE < amount < least - 1e-9:
        return min(amount, least - amount)
    if not problem.integer[column]:
        return 0.0
    step = float(problem.step[column])
    part = amount / step - np.floor(amount / step)
    return float(min(part, 1 - part))


def _empty(box: Box) -> bool:
    return bool((box.lower > box.upper + 1e-9).any())


def _short(problem: Problem, box: Box) -> bool:
    """Whether some hour cannot be met within the box, whatever the coverage (own proof).

    Only pools that have no price at all can make a plan infeasible: their demand must fit
    into the sources that cover them.
    """
    capacity = problem.capacity(box.upper)[:, problem.period]
    served = np.isfinite(np.minimum(problem.price, problem.penalty[:, None]))
    for pool in range(len(problem.pools)):
        must = np.where(
            served[pool][problem.period],
            0.0,
            problem.demand[pool]
            - (problem.tolerant[pool] if np.isfinite(problem.spot_price[pool]) else 0.0),
        )
        able = np.zeros(problem.hours)
        for source, of, draw in zip(
            problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True
        ):
            if of == pool:
                able += capacity[source] / draw
        if (must > able * (1 + 1e-9) + 1e-9).any():
            return True
    return False
