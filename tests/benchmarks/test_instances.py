# SPDX-License-Identifier: Apache-2.0
"""The made-up fleets are what they say: sizes, weights, expiries, and the law's order."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from optimizer.billing.laws import Pair, law_of
from optimizer.program.arrays import ArrayProgram, Box

from .instances import make_instance
from .law import replay_bill
from .runner import peak_megabytes
from .usage import YEAR


@pytest.mark.parametrize(("hours", "scenarios"), [(YEAR, 1), (672, 3)])
def test_parts_of_a_problem(hours: int, scenarios: int) -> None:
    problem = make_instance(23, hours, scenarios, seed=3).problem
    assert problem.demand.shape == (23, hours * scenarios)
    assert problem.weight.sum() == pytest.approx(YEAR)
    assert (problem.demand >= 0).all()
    assert np.array_equal(problem.demand, np.rint(problem.demand))
    assert (np.diff(problem.held, axis=1) <= 0).all()  # what is held ends, and nothing starts
    assert (problem.held[:, -1] == 0).all()
    assert (problem.held[:, 0] > 0).any()
    # Four reservations of each pool and what is held of them are its own.
    assert problem.structure.own[: 4 * 23].all()
    assert problem.structure.own[len(problem.columns) :].all()


def test_the_same_seed_draws_the_same_fleet() -> None:
    first, same, other = (make_instance(9, 300, 2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.problem.demand, same.problem.demand)
    assert first.order == same.order
    assert not np.array_equal(first.problem.demand, other.problem.demand)


def test_the_order_is_that_of_the_law() -> None:
    """Ranks of ``optimizer.billing`` rise along the order, tier by tier."""
    instance = make_instance(40, 200)
    problem = instance.problem
    ranks = []
    for source, pool, draw in instance.order:
        name = problem.sources[source].split()[0]
        law = {"instance": "aws.savings.instance", "compute": "aws.savings.compute"}.get(
            name, "aws.reserved.regional"
        )
        exact, price = Fraction(draw), Fraction(float(problem.price[pool, 0]))
        saving = Fraction(0) if "reserved" in law else 1 - exact / price
        rank = law_of(law).rank(Pair(saving, exact, 1.0, 0, 0, YEAR))
        ranks.append(tuple(float(part) for part in rank))
    assert len(ranks) == len(problem.pair_source)
    assert all(a <= b or a == pytest.approx(b, rel=1e-12) for a, b in pairwise(ranks))


def test_the_laws_bill_is_no_less_than_free_choice() -> None:
    instance = make_instance(8, 336)
    problem = instance.problem
    rng = np.random.default_rng(0)
    for _ in range(3):
        quantity = np.floor(problem.needed() * rng.uniform(0, 0.4, len(problem.columns)))
        free = ArrayProgram(problem).relax(Box(quantity, quantity)).objective
        bill = replay_bill(instance, quantity)
        assert free <= bill * (1 + 1e-9)
        assert bill <= 1.2 * free
    nothing = replay_bill(instance, np.zeros(len(problem.columns)))
    on_demand = float(problem.price[:, 0] @ problem.demand @ problem.weight)
    assert 0.5 * on_demand < nothing < on_demand


def test_two_thousand_pools_are_drawn_in_seconds(capsys) -> None:
    start = time.perf_counter()
    instance = make_instance(2000)
    took = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n{instance.name}: drawn in {took:.1f} s, peak {peak_megabytes():.0f} MB")
    assert instance.problem.demand.shape == (2000, YEAR)
    assert took < 60
