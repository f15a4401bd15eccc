# SPDX-License-Identifier: Apache-2.0
"""The ways to solve: which one is picked and why, and what each of them finds and proves.

Every way works on the problem in its own units (:mod:`~optimizer.program.balance`) and hands
back amounts, prices and bounds in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.balance import Balanced
from optimizer.program.branch import Bounded, certified_bound
from optimizer.program.certificate import whole_box
from optimizer.program.check import Check, check_solution
from optimizer.program.engine import WarmStart, solve_engine, suits
from optimizer.program.free import free_choice_cost
from optimizer.program.hours import HourOracle
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.partition import partition_hours
from optimizer.program.problem import Floats, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.search import on_step
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status
from optimizer.program.watch import Watch

# Above this many rows the readable program takes longer than the cells do.
REFERENCE_ROWS = 12_000
# Up to here it is still written when it is asked for; beyond, it would take hours.
MOST_REFERENCE_ROWS = 200_000
MIP_NODES = 2_000
BRANCH_NODES = 300
PARTITION_BRANCH_NODES = 12

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
    """

    solution: ProgramSolution
    bounded: Bounded
    checks: list[Check]
    exact: bool
    why: str
    work: dict[str, int] = field(default_factory=dict)


def pick(problem: Problem, method: str) -> tuple[str, str]:
    """The way to take, and why.

    Returns
    -------
    ``reference``, ``mathopt``, ``engine`` or ``cells``; and the reason.
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
    if suits(problem):
        return "engine", f"{asked}: cells by group"
    return "cells", f"{asked}, and limits of hours: cells in common"


def run_way(
    problem: Problem,
    way: str,
    why: str,
    *,
    gap: float,
    constant: float,
    start: WarmStart | None,
    watch: Watch,
) -> Found:
    """Solve one way."""
    balanced = Balanced.of(problem)
    if way == "engine":
        return _engine(balanced, why, gap, constant, start, watch)
    if way == "cells":
        return _cells(balanced, why, gap, watch)
    return _whole(balanced, way, why, watch)


def _engine(
    balanced: Balanced,
    why: str,
    gap: float,
    constant: float,
    start: WarmStart | None,
    watch: Watch,
) -> Found:
    money = balanced.money
    scaled = replace(watch, tell=lambda p: watch.tell(p.times(money)))
    if start is not None:
        start = WarmStart(start.quantity * balanced.column)
    answer = solve_engine(
        balanced.problem, gap=gap, constant=constant / money, start=start, watch=scaled
    )
    watch.reason = watch.reason or scaled.reason
    status = Status.of_gap((answer.free - answer.bound) / max(abs(answer.free), 1e-300), gap)
    solution = ProgramSolution(
        status if answer.feasible else Status.ERROR,
        balanced.amounts(answer.quantity),
        answer.free * money,
        answer.bound * money,
    )
    bounded = Bounded(answer.bound * money, balanced.prices(answer.prices), 0)
    work = {"rounds": answer.rounds, "cells": answer.cells, "rows": answer.rows}
    return Found(solution, bounded, [], False, why, work)


def _cells(balanced: Balanced, why: str, gap: float, watch: Watch) -> Found:
    problem = balanced.problem
    part = partition_hours(problem, gap=gap)
    watch.report(f"{part.program.problem.hours} cells after {part.rounds} rounds")
    solution = _whole_amounts(part.program, whole_box(problem), gap)
    bounded = certified_bound(
        problem,
        part.program,
        part.spread,
        target=solution.objective * (1.0 - 0.1 * gap),
        nodes=PARTITION_BRANCH_NODES,
    )
    if part.bound > bounded.bound:
        bounded = Bounded(part.bound, part.prices, bounded.nodes)
    work = {"rounds": part.rounds, "nodes": bounded.nodes, "cells": part.program.problem.hours}
    return Found(balanced.solution(solution), _restored(balanced, bounded), [], False, why, work)


def _whole(balanced: Balanced, way: str, why: str, watch: Watch) -> Found:
    problem = balanced.problem
    if way == "mathopt":
        solution = solve_mathopt(problem)
    else:
        solution = solve_reference(problem, nodes=MIP_NODES, seconds=watch.left())
    watch.report("proving", solution.objective * balanced.money, None)
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
    problem: Problem, quantity: Floats, bounded: Bounded, law_hourly: Floats, way: str
) -> float:
    """Dollars of amounts under free choice, from coverage that is feasible in every hour.

    For the engine the better of the oracle's coverage and the law's, hour by hour; else the
    hours' linear programs, for as many hours as is worth while.
    """
    if way == "engine":
        hours = HourOracle(problem).run(quantity, bounded.prices.shared)
        best = np.minimum(hours.cost, law_hourly)
        return float(problem.cost @ quantity + problem.weight @ best)
    return free_choice_cost(problem, quantity, bounded.prices, law_hourly)


def _whole_amounts(program: ArrayProgram, box: Box, gap: float) -> ProgramSolution:
    """Whole units for the cells: round the relaxation, and search only if that is not enough.

    The units are rounded and held, the money is solved again beside them.  Where that costs
    less than a fifth of the gap over the relaxation, no tree is needed to know it.
    """
    problem = program.problem
    relaxed = program.relax(box)
    if relaxed.feasible:
        rounded = on_step(problem, relaxed.quantity)
        whole = problem.integer | (rounded <= 0) | (problem.minimum > 0)
        held = Box(np.where(whole, rounded, box.lower), np.where(whole, rounded, box.upper))
        beside = program.relax(held)
        if beside.feasible and beside.objective <= relaxed.objective * (1 + 0.2 * gap):
            return ProgramSolution(
                Status.WITHIN_GAP, beside.quantity, beside.objective, relaxed.objective
            )
    return program.solve(box, gap=0.2 * gap, nodes=MIP_NODES)
