# SPDX-License-Identifier: Apache-2.0
"""The ways to solve: which one is picked and why, and what each of them finds and proves.

Every way works on the problem in its own units (:mod:`~optimizer.program.balance`) and hands
back amounts, prices and bounds in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.program.arrays import ArrayProgram
from optimizer.program.balance import Balanced
from optimizer.program.branch import Bounded, certified_bound
from optimizer.program.check import Check, check_solution
from optimizer.program.engine import hours_apart, solve_engine
from optimizer.program.free import free_choice_cost
from optimizer.program.hours import HourOracle
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.problem import Floats, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status
from optimizer.program.warm import Learnt, WarmStart
from optimizer.program.watch import Watch

# Above this many rows the readable program takes longer than the cells do.
REFERENCE_ROWS = 12_000
# Up to here it is still written when it is asked for; beyond, it would take hours.
MOST_REFERENCE_ROWS = 200_000
MIP_NODES = 2_000
BRANCH_NODES = 300

# Pools × hours up to which the hours' linear programs are worth while.
EXACT_BELOW = 200_000

METHODS = ("auto", "reference", "partition", "mathopt")


@dataclass(frozen=True)
class Found:
    """What a way found.

    Attributes
    ----------
    solution, bounded
        Amounts and the certificate, in dollars and original units.
    exact
        Whether the program wrote every hour, so that its optimum is the problem's.
    why
        Why this way was picked, for people.
    work
        Counts of the work that was done.
    learnt
        What the next solve of a similar problem can start from.
    """

    solution: ProgramSolution
    bounded: Bounded
    checks: list[Check]
    exact: bool
    why: str
    work: dict[str, int] = field(default_factory=dict)
    learnt: Learnt | None = None


def pick(problem: Problem, method: str) -> tuple[str, str]:
    """The way to take, and why.

    Returns
    -------
    ``reference``, ``mathopt`` or ``partition``; and the reason.
    """
    rows = f"{problem.rows:,} rows"
    if method in ("reference", "mathopt"):
        if problem.rows <= MOST_REFERENCE_ROWS:
            return method, f"asked for; {rows}"
        asked = f"{method} was asked for, but {rows} are above {MOST_REFERENCE_ROWS:,}"
    elif method == "auto" and problem.rows <= REFERENCE_ROWS:
        return "reference", f"{rows}, at most {REFERENCE_ROWS:,}: every hour is written out"
    else:
        asked = "asked for" if method == "partition" else f"{rows}, above {REFERENCE_ROWS:,}"
    return "partition", f"{asked}: cells by group"


def run_way(
    problem: Problem,
    way: str,
    why: str,
    *,
    gap: float,
    constant: float,
    start: WarmStart | None,
    watch: Watch,
    rounds: int | None = None,
) -> Found:
    """Solve one way; ``rounds`` are the most that the partition takes."""
    balanced = Balanced.of(problem)
    if way.startswith("partition"):
        return _engine(balanced, why, gap, constant, start, watch, rounds)
    return _whole(balanced, way, why, watch)


def _engine(
    balanced: Balanced,
    why: str,
    gap: float,
    constant: float,
    start: WarmStart | None,
    watch: Watch,
    rounds: int | None,
) -> Found:
    money = balanced.money
    scaled = replace(watch, tell=lambda p: watch.tell(p.times(money)))
    if start is not None:
        start = start.balanced(balanced)
    answer = solve_engine(
        balanced.problem,
        gap=gap,
        constant=constant / money,
        start=start,
        watch=scaled,
        rounds=rounds,
    )
    watch.reason = watch.reason or scaled.reason
    status = Status.STOPPED
    if np.isfinite(answer.free):
        status = Status.of_gap((answer.free - answer.bound) / max(abs(answer.free), 1e-300), gap)
    solution = ProgramSolution(
        status if answer.feasible else Status.INFEASIBLE,
        balanced.amounts(answer.quantity),
        answer.free * money if np.isfinite(answer.free) else answer.bound * money,
        answer.bound * money,
    )
    bounded = Bounded(answer.bound * money, balanced.prices(answer.prices), 0)
    work = {
        "rounds": answer.rounds,
        "cells": answer.cells,
        "rows": answer.rows,
        "nodes": answer.nodes,
    }
    return Found(solution, bounded, [], False, why, work, answer.learnt)


def _whole(balanced: Balanced, way: str, why: str, watch: Watch) -> Found:
    problem = balanced.problem
    if way == "mathopt":
        solution = solve_mathopt(problem)
    else:
        solution = solve_reference(problem, nodes=MIP_NODES, seconds=watch.left())
    watch.report("proving")
    bounded = certified_bound(
        problem,
        ArrayProgram(problem),
        lambda prices: prices,
        target=solution.objective * (1.0 - 1e-9),
        nodes=BRANCH_NODES,
    )
    checks = check_solution(problem, solution) if solution.status.has_plan else []
    return Found(
        balanced.solution(solution),
        _restored(balanced, bounded),
        checks,
        True,
        why,
        {"nodes": bounded.nodes},
    )


def _restored(balanced: Balanced, bounded: Bounded) -> Bounded:
    return Bounded(bounded.bound * balanced.money, balanced.prices(bounded.prices), bounded.nodes)


def second_opinion(problem: Problem, way: str) -> tuple[ProgramSolution, list[Check]]:
    """Solve with a program and a solver that share nothing with the first way."""
    balanced = Balanced.of(problem)
    solution = solve_mathopt(balanced.problem, solver="highs" if way == "mathopt" else "gscip")
    checks = check_solution(balanced.problem, solution)
    return balanced.solution(solution), checks


def free_cost(
    problem: Problem,
    quantity: Floats,
    bounded: Bounded,
    law_hourly: Floats,
    way: str,
    *,
    exact: bool = True,
) -> float:
    """Dollars of amounts under free choice, from coverage that is feasible in every hour.

    For the partition the better of the oracle's coverage and the law's, hour by hour; if that
    is to be ``exact``, and else, the hours' linear programs, for as many hours as is worth while.
    """
    if way.startswith("partition"):
        if not hours_apart(problem):
            return float("inf")  # not known: the law's cost stands for it
        hours = HourOracle(problem).run(quantity, bounded.prices.shared)
        best = np.minimum(hours.cost, law_hourly)
        if exact and len(problem.pools) * problem.hours <= EXACT_BELOW:
            return free_choice_cost(problem, quantity, bounded.prices, best)
        return float(problem.cost @ quantity + problem.weight @ best)
    return free_choice_cost(problem, quantity, bounded.prices, law_hourly)
