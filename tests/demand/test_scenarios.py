# SPDX-License-Identifier: Apache-2.0
"""Scenarios: the futures of a plan fit each other, or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimizer.demand import Scenarios, demand_of_horizon
from optimizer.demand.scenarios import with_quantity
from optimizer.tables import read_case

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture
def single() -> Scenarios:
    return Scenarios.single(demand_of_horizon(read_case(TINY)))


def test_one_future_is_the_demand_of_a_plan_without_scenarios(single):
    assert len(single) == 1
    assert np.array_equal(single.demand(0).usage.quantity, single.base.usage.quantity)


@pytest.mark.parametrize("odds", [[0.5, 0.4], [1.0, 0.0], [1.5, -0.5]])
def test_odds_add_up(single, odds):
    quantity = np.repeat(single.quantity, 2, axis=0)
    with pytest.raises(ValueError, match="add up to 1"):
        Scenarios(single.base, ("a", "b"), np.array(odds), quantity, quantity)


def test_names_and_shapes_fit(single):
    quantity = np.repeat(single.quantity, 2, axis=0)
    with pytest.raises(ValueError, match="one name"):
        Scenarios(single.base, ("a", "a"), np.array([0.5, 0.5]), quantity, quantity)
    with pytest.raises(ValueError, match="shape"):
        Scenarios(single.base, ("a",), np.ones(1), quantity, quantity)


def test_todays_practice_keeps_its_share_on_spot(single):
    usage = single.base.usage
    usage = replace(usage, spot=usage.quantity * 0.4, spot_taken=usage.quantity * 0.1)
    assert usage.spot.any()
    half = with_quantity(usage, usage.quantity / 2, usage.tolerant / 2)
    assert half.spot == pytest.approx(usage.spot / 2)
    assert half.spot_taken == pytest.approx(usage.spot_taken / 2)
    none = with_quantity(usage, np.zeros_like(usage.quantity), np.zeros_like(usage.tolerant))
    assert not none.spot.any()
    same = with_quantity(usage, usage.quantity.copy(), usage.tolerant)
    assert same.spot.tobytes() == usage.spot.tobytes()
