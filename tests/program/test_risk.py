# SPDX-License-Identifier: Apache-2.0
"""Risk: worst weights, bounds at any odds, and what more aversion may and may not do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from optimizer.planning import make_plan
from optimizer.program.reference import solve_reference
from optimizer.program.risk import LEAST, Measure, quantile
from optimizer.program.riskrows import solve_risk_reference

from .many_futures import draw_futures

TOML = '[risk]\nmeasure = "cvar"\ncvar_alpha = 0.7\ncvar_weight = {}\n[solve]\ngap = 0.0001\n'


def test_the_tail_by_hand() -> None:
    measure = Measure(np.array([0.5, 0.3, 0.2]), alpha=0.6, weight=0.5)
    costs = np.array([10.0, 30.0, 20.0])
    # The dearest 40 %: 0.3 of 30 and 0.1 of 20.
    assert measure.cvar(costs) == pytest.approx((0.3 * 30 + 0.1 * 20) / 0.4)
    assert measure.expected(costs) == pytest.approx(18)
    assert measure.of(costs) == pytest.approx(0.5 * 18 + 0.5 * 27.5)
    assert Measure(measure.odds, alpha=0.0).cvar(costs) == pytest.approx(18)
    with pytest.raises(ValueError, match="alpha"):
        Measure(measure.odds, alpha=1.0)


@pytest.mark.parametrize("seed", range(5))
def test_worst_weights_are_allowed_and_none_is_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    odds = rng.dirichlet(np.ones(6))
    measure = Measure(odds, alpha=float(rng.random() * 0.9), weight=float(rng.random()))
    costs = rng.random(6) * 100
    tail = measure.tail(costs)
    assert tail.sum() == pytest.approx(1)
    assert (tail <= measure.most + 1e-12).all()
    for _ in range(20):  # any other weights give no more
        other = np.minimum(rng.dirichlet(np.ones(6)), measure.most)
        other += (1 - other.sum()) * (measure.most - other) / (measure.most - other).sum()
        assert other @ costs <= measure.cvar(costs) + 1e-9
        assert measure.weighed(other) @ costs <= measure.of(costs) + 1e-9
    several = [rng.random(6) * 100 for _ in range(4)]
    tail, shares, value = measure.next_tail(several)
    assert tail.sum() == pytest.approx(1)
    assert (tail <= measure.most * (1 + 1e-9)).all()
    assert shares.sum() == pytest.approx(1)
    # Duality: the mixture that it asks for has that measure, and no plan alone a lower one.
    mixed = sum(w * c for w, c in zip(shares, several, strict=True))
    assert measure.of(np.asarray(mixed)) == pytest.approx(value, rel=1e-6)
    assert value <= min(measure.of(c) for c in several) + 1e-6
    assert measure.weighed(tail).sum() == pytest.approx(1)
    assert (measure.weighed(tail) >= odds * LEAST * 0.999).all()


def test_quantiles() -> None:
    values, odds = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert [quantile(values, odds, q) for q in (0.1, 0.5, 0.8, 0.9)] == [1, 1, 2, 3]


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_weighing_finds_what_the_readable_program_finds(seed: int) -> None:
    drawn = draw_futures(seed, TOML.format(0.6), count=3)
    programs = drawn.programs()
    plan = make_plan(drawn.case, scenarios=drawn.scenarios)
    measure = plan.ground.measure
    (program,) = programs  # the tail adds up the costs of parts: one is written out
    exact = solve_risk_reference(
        program.law.problem,
        program.law.stack.future,
        [c.futures for c in program.columns],
        measure,
    )
    assert float(plan.lower_bound) <= exact.objective * (1 + 1e-7)
    assert exact.objective <= float(plan.objective) * (1 + 1e-7)
    assert float(plan.objective) <= exact.objective * 1.005
    neutral = Measure(measure.odds, measure.alpha, 0.0)
    program_free = solve_risk_reference(
        program.law.problem,
        program.law.stack.future,
        [c.futures for c in program.columns],
        neutral,
    )
    assert program_free.objective == pytest.approx(
        solve_reference(program.law.problem).objective, rel=1e-7
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_more_aversion_never_raises_cvar_and_never_lowers_the_expected_cost(seed: int) -> None:
    found = []
    for weight in (0.0, 0.4, 0.8):
        drawn = draw_futures(seed, TOML.format(weight))
        plan = make_plan(drawn.case, scenarios=drawn.scenarios)
        measure, costs = plan.ground.measure, plan.solved.costs
        found.append((measure.expected(costs), measure.cvar(costs), plan.gap * measure.of(costs)))
        assert float(plan.lower_bound) <= float(plan.objective)
    for less, more in pairwise(found):
        slack = (less[2] + more[2] + 1e-6) / 0.4  # what the gaps leave open, by the step in χ
        assert more[0] >= less[0] - slack
        assert more[1] <= less[1] + slack
    assert found[-1][1] < found[0][1] - 1.0  # it does something
