# SPDX-License-Identifier: Apache-2.0
"""What the tests of scaling compare with: a closed form, and every way to solve at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import highspy
import numpy as np
import pytest

from optimizer.program.arrays import ArrayProgram
from optimizer.program.balance import Balanced
from optimizer.program.branch import certified_bound
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.check import check_bound, check_solution
from optimizer.program.engine import solve_engine
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.prices import zero_prices
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.status import Status
from optimizer.program.watch import Watch
from optimizer.program.ways import Found, run_way

from .small import simple

MPS = Path(__file__).parent / "wrong_optimum.mps"


def newsvendor(demand: Sequence[float], price: float, cost: float, step: float = 0.0) -> float:
    """Least dollars of one pool with one offer, in fractions; ``step`` 0: any amount."""
    need = [Fraction(d) for d in demand]
    sizes = {Fraction(0), *need}
    if step:
        grid = Fraction(step)
        sizes = {round_to(d / grid) * grid for d in need for round_to in (math.floor, math.ceil)}
    return float(
        min(
            Fraction(cost) * size + Fraction(price) * sum(max(d - size, Fraction(0)) for d in need)
            for size in {Fraction(0), *sizes}
        )
    )


def agree(
    problem: Problem,
    best: float,
    *,
    rel: float = 1e-6,
    absolute: float = 1e-9,
    closes: bool = True,
) -> None:
    """Every way finds ``best``, passes the checks, and no bound is above it.

    ``closes``: branching on certificates is expected to reach it, too.
    """
    near = pytest.approx(best, rel=rel, abs=absolute)
    slack = rel * abs(best) + absolute
    program = ArrayProgram(problem)
    ways = {
        "reference": solve_reference(problem),
        "mathopt": solve_mathopt(problem),
        "arrays": program.solve(whole_box(problem), gap=0.0, nodes=2000),
    }
    for way, answer in ways.items():
        assert answer.status is Status.OPTIMAL, way
        assert answer.objective == near, way
        assert [c.name for c in check_solution(problem, answer) if not c.ok] == [], way
    bounded = certified_bound(problem, program, lambda p: p, target=best, nodes=300)
    assert bounded.bound <= best + slack
    assert bounded.bound == near or not closes
    engine = solve_engine(Balanced.of(problem).problem, gap=1e-4)
    found = engine.bound * Balanced.of(problem).money
    for bound in (found, lower_bound(problem, zero_prices(problem))):
        assert bound <= best + slack
    assert all(c.ok for c in check_bound(found, {"best": best + absolute}))


def through(problem: Problem, way: str) -> Found:
    """What a way finds when it is asked as ``solve`` asks it: in the problem's own units."""
    return run_way(problem, way, "", gap=1e-6, constant=0.0, start=None, watch=Watch())


def one_pool(demand: list[float], price: float, cost: float, **column: float) -> Problem:
    return simple([demand], [price], [(0, 0, 1.0)], [{"cost": cost, **column}])


def routed() -> Problem:
    """The program of the MPS file as a problem: classes of work, on servers of four kinds.

    HiGHS 1.12 to 1.15.1 call 14.79 its optimum; draws from 2e-9 to 1.6 bring it about.
    Six classes draw nothing anywhere and are left out.
    """
    reader = highspy.Highs()
    reader.setOptionValue("output_flag", False)
    reader.readModel(str(MPS))
    lp = reader.getLp()
    start, row, value = (
        np.array(part) for part in (lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_)
    )
    pairs = []
    for column in range(192):
        inside = slice(start[column], start[column + 1])
        entries = dict(zip(row[inside].tolist(), value[inside].tolist(), strict=True))
        pairs += [(r - 48, min(entries), a) for r, a in entries.items() if r >= 48]
    classes = {pool: place for place, pool in enumerate(sorted({pool for _, pool, _ in pairs}))}
    return simple(
        [[1.0]] * len(classes),
        [np.inf] * len(classes),
        [(server, classes[pool], draw) for server, pool, draw in pairs],
        [{"cost": cost} for cost in list(lp.col_cost_)[192:]],
    )


def rescaled(problem: Problem, kind: str, seed: int) -> tuple[Problem, float]:
    """The same problem in other units, and what its dollars are multiplied by.

    ``sources`` and ``columns`` change the measures of what is bought, by 1e-6 to 1e6;
    ``dollars`` and ``usage`` multiply all money, or all amounts, by a million.
    """
    rng = np.random.default_rng(seed)
    source, column = np.ones(len(problem.sources)), np.ones(len(problem.columns))
    if kind == "sources":
        source = 10.0 ** rng.uniform(-6, 6, len(source))
    if kind == "columns":
        column = 10.0 ** rng.uniform(-6, 6, len(column))
    dollars = 1e6 if kind == "dollars" else 1.0
    amounts = 1e6 if kind == "usage" else 1.0
    other = replace(
        problem,
        price=problem.price * dollars,
        spot_price=problem.spot_price * dollars,
        cost=problem.cost * dollars / column,
        demand=problem.demand * amounts,
        tolerant=problem.tolerant * amounts,
        held=problem.held * (source * amounts)[:, None],
        pair_draw=problem.pair_draw * source[problem.pair_source],
        minimum=problem.minimum * amounts * column,
        maximum=problem.maximum * amounts * column,
        step=problem.step * amounts * column,
        member_ratio=problem.member_ratio
        * source[problem.member_source]
        / column[problem.member_column],
    )
    return other, dollars * amounts
