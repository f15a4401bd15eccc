# SPDX-License-Identifier: Apache-2.0
"""Large programs over cells start where their groups end, and are without idle sources."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimizer.program.balance import Balanced
from optimizer.program.cellmeans import Knots
from optimizer.program.cells import Cells, Refinement
from optimizer.program.certificate import lower_bound, reduced_costs
from optimizer.program.grains import grain_of
from optimizer.program.hours import HourOracle
from optimizer.program.idle import idle_sources
from optimizer.program.levels import Levels
from optimizer.program.master import Master, Proposal
from optimizer.program.prices import Prices
from optimizer.program.problem import Flags, Problem
from tests.benchmarks.instances import make_instance

HOURS = 1_500


@cache
def ground() -> tuple[Problem, Levels, Cells, Cells, Knots]:
    """A fleet of several groups, its first cells, and those of the round behind it."""
    problem = Balanced.of(make_instance(30, hours=HOURS, seed=1).problem).problem
    levels, oracle = Levels.of(problem), HourOracle(problem)
    cells, knots = Refinement(problem, levels, oracle.chain, grain_of(problem, 0)), Knots(problem)
    first = cells.cells
    proposal = Master(problem, levels, first, knots).solve()
    cells.add(proposal.quantity, oracle.run(proposal.quantity, proposal.prices.shared))
    return problem, levels, first, cells.meet(), knots


def solved(
    fine: bool, *, near: Prices | None = None, idle: Flags | None = None
) -> tuple[Master, Proposal]:
    problem, levels, first, second, knots = ground()
    master = Master(problem, levels, second if fine else first, knots, idle=idle)
    return master, master.solve(near=near)


def steps(master: Master) -> int:
    assert master.solved is not None
    return int(master.solved.getInfo().simplex_iteration_count)


@pytest.mark.parametrize("off", [1.0, 0.0, 0.7, 1.5])
def test_the_optimum_is_the_same_from_any_prices(off: float) -> None:
    """Good prices save steps; poor ones are only slow."""
    _, first = solved(False)
    cold, wanted = solved(True)
    prices = first.prices
    near = Prices(prices.shared * off, prices.rent, prices.limits, prices.links)
    warm, found = solved(True, near=near)
    assert found.feasible
    assert found.objective == pytest.approx(wanted.objective, rel=1e-7)
    assert lower_bound(ground()[0], found.prices) == pytest.approx(
        lower_bound(ground()[0], wanted.prices), rel=1e-4
    )
    if off == 1.0:
        assert 3 * steps(warm) < steps(cold)


def test_the_programs_own_prices_leave_next_to_nothing_to_do() -> None:
    cold, wanted = solved(True)
    again, found = solved(True, near=wanted.prices)
    assert found.objective == pytest.approx(wanted.objective, rel=1e-7)
    assert 5 * steps(again) < steps(cold)


def test_idle_sources_change_neither_value_nor_bound() -> None:
    problem = ground()[0]
    _, first = solved(False)
    idle = idle_sources(problem, first.quantity)
    assert idle.any()
    whole, wanted = solved(True)
    less, found = solved(True, idle=idle)
    assert less.rows < whole.rows
    assert found.woken is not None
    assert not found.woken.any()
    assert found.objective == pytest.approx(wanted.objective, rel=1e-7)
    # At their prices no purchase of what was left out would earn more than it costs.
    brackets = reduced_costs(problem, found.prices)
    members = problem.member_column[idle[problem.member_source]]
    assert brackets[members].min() >= -1e-9 * problem.cost.max()
    assert lower_bound(problem, found.prices) == pytest.approx(
        lower_bound(problem, wanted.prices), rel=1e-4
    )


def test_what_alone_may_serve_a_pool_is_never_idle() -> None:
    problem, *_ = ground()
    price = problem.price.copy()
    price[0] = np.inf
    bare = replace(problem, price=price, penalty=np.full(len(problem.pools), np.inf))
    nothing = np.zeros(len(problem.columns))
    serving = np.unique(problem.pair_source[problem.pair_pool == 0])
    assert idle_sources(problem, nothing)[serving].any()
    assert not idle_sources(bare, nothing)[serving].any()
    assert idle_sources(bare, nothing).any()


def test_a_source_that_is_worth_its_cost_is_woken() -> None:
    problem, levels, *_ = ground()
    _, first = solved(False)
    idle = idle_sources(problem, first.quantity)
    bought = idle_sources(problem, np.zeros(len(problem.columns))) & ~idle
    assert bought.any()
    _, found = solved(False, idle=idle | bought)
    assert found.woken is not None
    assert found.woken[bought].any()
    # Its prices are a bound all the same, a loose one.
    assert lower_bound(problem, found.prices) <= first.objective * (1 + 1e-9)
    assert levels.groups
