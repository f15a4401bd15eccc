# SPDX-License-Identifier: Apache-2.0
"""M/G/c: against closed forms, and what the table of headroom promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.program.queueing import (
    Service,
    delay_chance,
    greatest_utilisation,
    pooled,
    service,
    utilisation_table,
    wait_chance,
)

ONE = Service(rate=1.0, seconds=1.0)


def erlang_c(servers: int, load: float) -> float:
    """Return the textbook's sum."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) / (1 - load / servers)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.5), (2, 1.5), (5, 4.0), (12, 0.1), (40, 36.0), (100, 99.0)]
)
def test_erlang_c(servers: int, load: float) -> None:
    assert delay_chance(servers, load) == pytest.approx(erlang_c(servers, load))


def test_erlang_c_at_its_ends_and_at_size() -> None:
    assert delay_chance(3, 0.0) == 0.0
    assert delay_chance(3, 3.0) == 1.0
    # Halfin and Whitt: with c = a + β√a servers the chance tends to 1/(1 + β·Φ(β)/φ(β)).
    load, beta = 1e6, 0.5
    normal = math.exp(-(beta**2) / 2) / math.sqrt(2 * math.pi)
    below = (1 + math.erf(beta / math.sqrt(2))) / 2
    limit = 1 / (1 + beta * below / normal)
    found = delay_chance(round(load + beta * math.sqrt(load)), load)
    assert found == pytest.approx(limit, rel=2e-3)


def test_wait_of_one_server_is_that_of_m_m_1() -> None:
    for load, seconds in ((0.3, 0.0), (0.7, 2.0), (0.95, 30.0)):
        exact = load * math.exp(-(1 - load) * seconds)
        assert wait_chance(ONE, 1, load, seconds) == pytest.approx(exact)


def test_mean_wait_is_that_of_pollaczek_and_khinchine() -> None:
    """E[W] = ρS(1 + cs²)/(2(1 − ρ)) of M/G/1, as the integral of P(W > t)."""
    for variation in (0.0, 0.5, 4.0):
        times = np.linspace(0, 200, 200_001)
        each = Service(1.0, 1.0, variation)
        chances = [wait_chance(each, 1, 0.8, 0.0), wait_chance(each, 1, 0.8, 1.0)]
        decay = math.log(chances[0] / chances[1])
        mean = float(np.trapezoid(chances[0] * np.exp(-decay * times), times))
        assert mean == pytest.approx(0.8 * (1 + variation) / (2 * 0.2), rel=1e-3)


def test_headroom_keeps_the_promise_and_wastes_nothing() -> None:
    for replicas in (1, 3, 20):
        load = greatest_utilisation(ONE, replicas, 0.7, 0.95)
        assert wait_chance(ONE, replicas, load, 0.7) <= 0.05
        assert wait_chance(ONE, replicas, load + 1e-4, 0.7) > 0.05


@pytest.mark.parametrize("each", [ONE, Service(2.0, 8.0, 0.2), Service(0.5, 31.0, 3.0)])
def test_headroom_rises_with_the_pool_and_the_budget(each: Service) -> None:
    table = utilisation_table(each, 400, 0.5, 0.99)
    assert table.shape == (401,)
    assert table[0] == 0.0
    assert (np.diff(table) >= 0).all()
    assert table[1] < table[64] < table[-1] < 1.0
    for replicas in (65, 200, 399):  # stepwise, on the safe side
        assert table[replicas] <= greatest_utilisation(each, replicas, 0.5, 0.99)
    for stricter in (
        utilisation_table(each, 400, 0.2, 0.99),
        utilisation_table(each, 400, 0.5, 0.999),
        utilisation_table(each, 400, 0.5, 0.99, arrivals=3.0),
    ):
        assert (stricter[1:] < table[1:]).all()


def test_batching_helps_only_because_more_are_served_at_once() -> None:
    """The same capacity in more slots: less chance to wait at all."""
    table = [greatest_utilisation(Service(1.0, s), 4, 0.5, 0.95) for s in (1.0, 4.0, 64.0)]
    assert table == sorted(table)
    assert table[0] < 0.6
    assert table[-1] > 0.85


def test_no_budget_and_no_percentile_leave_no_load() -> None:
    assert greatest_utilisation(ONE, 4, -0.001, 0.95) == 0.0
    assert greatest_utilisation(ONE, 4, 1.0, 1.0) == 0.0
    # With a budget of nothing some load is left: that at which hardly anyone waits.
    assert 0.0 < greatest_utilisation(ONE, 4, 0.0, 0.95) < 0.5
    assert wait_chance(ONE, 4, 1.0, 5.0) == 1.0
    assert wait_chance(ONE, 4, 0.0, 0.0) == 0.0


def test_service_of_a_profile() -> None:
    each = service(2.0, ttft_ms=500, tpot_ms=20, output_tokens=100)
    assert each.seconds == pytest.approx(2.5)
    assert each.slots == 5
    assert each.variation == pytest.approx(2.0**2 / 2.5**2)  # exponential lengths, prefill fixed
    constant = service(2.0, 500, 20, 100, lengths=[(100, 100, 1.0)])
    assert constant.variation == pytest.approx(0.0, abs=1e-12)
    spread = service(2.0, 0, 20, lengths=[(0, 200, 0.5), (200, 400, 0.5)])
    assert spread.seconds == pytest.approx(4.0)
    assert spread.variation == pytest.approx((400**2 / 12) / 200**2)  # uniform on 0–400
    # Without the time per token nothing is known of batching: one at a time.
    assert service(2.0) == Service(2.0, 0.5)
    assert service(2.0).slots == 1
    with pytest.raises(ValueError, match="requests_per_second"):
        service(0.0)


def test_a_pool_waits_no_less_than_any_mix() -> None:
    short, long = Service(10.0, 1.0, 0.3), Service(1.0, 12.0, 0.5)
    both = pooled([short, long])
    assert pooled([short]) is short
    assert both.slots == 10
    stays = np.array([both.slots / short.rate, both.slots / long.rate])
    for share in np.linspace(0, 1, 101):
        weights = np.array([share, 1 - share])
        mean = weights @ stays
        square = weights @ (stays**2 * np.array([1.3, 1.5]))
        assert square / mean**2 - 1 <= both.variation + 1e-9
    worst = (weights := np.linspace(0, 1, 100_001)) * stays[0] + (1 - weights) * stays[1]
    squares = weights * stays[0] ** 2 * 1.3 + (1 - weights) * stays[1] ** 2 * 1.5
    assert float((squares / worst**2 - 1).max()) == pytest.approx(both.variation, rel=1e-6)
    with pytest.raises(ValueError, match="no service"):
        pooled([])
