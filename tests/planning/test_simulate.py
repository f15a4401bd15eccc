# SPDX-License-Identifier: Apache-2.0
"""The queue that is played: against closed forms, and against the headroom that is planned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimizer.planning.simulate import Asked, play_hour, play_queue
from optimizer.program.queueing import (
    Service,
    delay_chance,
    greatest_utilisation,
    service,
    wait_chance,
)


def play(servers: int, load: float, stays: np.ndarray, seed: int = 7) -> np.ndarray:
    """Waits of Poisson arrivals, without the first tenth."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(stays.mean() / (load * servers), len(stays))
    return play_queue(np.cumsum(gaps), stays, servers)[len(stays) // 10 :]


def test_by_hand() -> None:
    """Two servers: the third waits for the first to leave, the fourth for the second."""
    arrivals = np.array([0.0, 1.0, 2.0, 3.0, 20.0])
    stays = np.array([5.0, 8.0, 1.0, 4.0, 1.0])
    assert play_queue(arrivals, stays, 2).tolist() == [0.0, 0.0, 3.0, 3.0, 0.0]
    assert play_queue(arrivals, stays, 1).tolist() == [0.0, 4.0, 11.0, 11.0, 0.0]
    assert play_queue(arrivals, stays, 9).tolist() == [0.0] * 5


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (4, 0.8), (30, 0.93)])
def test_m_m_c_is_that_of_erlang(servers: int, load: float) -> None:
    random = np.random.default_rng(3)
    waits = play(servers, load, random.exponential(1.0, 150_000))
    chance = delay_chance(servers, load * servers)
    assert (waits > 0).mean() == pytest.approx(chance, rel=0.06)
    assert waits.mean() == pytest.approx(chance / (servers * (1 - load)), rel=0.12)


def test_m_d_1_is_that_of_pollaczek_and_khinchine() -> None:
    waits = play(1, 0.8, np.ones(150_000))
    assert waits.mean() == pytest.approx(0.8 / (2 * 0.2), rel=0.05)


@pytest.mark.parametrize("variation", [0.25, 3.0])
@pytest.mark.parametrize(("servers", "load"), [(8, 0.85), (64, 0.95)])
def test_the_approximation_is_close_to_what_is_played(
    servers: int, load: float, variation: float
) -> None:
    random = np.random.default_rng(5)
    shape = 1 / variation
    waits = play(servers, load, random.gamma(shape, 1 / shape, 150_000))
    each = Service(1.0, 1.0, variation)
    for seconds in (0.0, 2.0 / servers / (1 - load)):
        told = wait_chance(each, servers, load, seconds)
        assert (waits > seconds).mean() == pytest.approx(told, rel=0.3, abs=0.01)


CHAT = Asked("chat", 20.0, 4.0, 600, 100, 200, ttft_target_ms=1200, tpot_target_ms=125)


@pytest.mark.parametrize("replicas", [2, 6, 20])
def test_headroom_attains_what_was_promised(replicas: int) -> None:
    """At the greatest utilisation of the table 95 % of the requests keep their target."""
    each = service(4.0, 600, 100, 200)
    load = greatest_utilisation(each, replicas, 0.6, 0.95)
    asked = Asked(**{**vars(CHAT), "per_second": load * replicas * 4.0})
    shares = [play_hour([asked], replicas, seed, most_requests=30_000)[0].share for seed in (1, 2)]
    assert np.mean(shares) >= 0.95 - 0.02
    full = Asked(**{**vars(CHAT), "per_second": 0.999 * replicas * 4.0})
    assert play_hour([full], replicas, 1, most_requests=30_000)[0].share < min(shares)


def test_the_peak_of_the_hour_is_what_headroom_is_for() -> None:
    calm = play_hour([CHAT], 6, 7)[0]
    burst = play_hour([Asked(**{**vars(CHAT), "peak": 1.5})], 6, 7)[0]
    assert calm.share > 0.99
    assert burst.peak_share < burst.share < calm.share
    assert burst.requests == pytest.approx(20 * 3600, rel=0.02)


def test_slower_replicas_and_missed_times_are_told() -> None:
    assert play_hour([CHAT], 6, 7, slower=1.5)[0].share < 0.5
    slow = Asked(**{**vars(CHAT), "tpot_ms": 130.0})
    assert play_hour([slow], 60, 7)[0].share == 0.0
    assert play_hour([CHAT], 0, 7)[0].share == 0.0
    assert play_hour([Asked("none", 0.0, 1.0)], 3, 7) == []
    free = Asked("batch", 1.0, 4.0)  # asks for no latency: whatever it waits is kept
    assert play_hour([free], 1, 7)[0].share == 1.0


def test_repeats_with_its_seed() -> None:
    assert play_hour([CHAT], 6, 7) == play_hour([CHAT], 6, 7)
    assert play_hour([CHAT], 6, 7) != play_hour([CHAT], 6, 8)


def test_lengths_of_the_histogram_are_drawn() -> None:
    """Long answers of few requests: the same mean, more waiting."""
    few = ((0.0, 20.0, 0.95), (3000.0, 4620.0, 0.05))
    mean = 0.95 * 10 + 0.05 * 3810
    even = Asked(**{**vars(CHAT), "per_second": 23.0, "output_tokens": mean})
    odd = Asked(**{**vars(even), "lengths": few})
    assert math.isclose(even.stay, odd.stay)
    assert play_hour([odd], 6, 7)[0].ttft_ms > play_hour([even], 6, 7)[0].ttft_ms
