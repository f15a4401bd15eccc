# SPDX-License-Identifier: Apache-2.0
"""How many replicas a load needs, by the pool that it makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.program.queueing import Service
from optimizer.program.route_hour import Hours
from optimizer.program.route_queue import Asking, roomier, tighter, with_headroom
from optimizer.program.routing import Deployment, Route, Routed, Routing, Stream

SLOW = Asking(Service(rate=1.0, seconds=1.0), 0.5, 0.95)
LAZY = Asking(Service(rate=0.2, seconds=5.0), None, 0.95)
POOL = with_headroom(Deployment("pool", "m", "replica", maximum=50, step=2), [SLOW])


def routed(replicas: list[float], requests: list[float]) -> Routed:
    number = len(replicas)
    return Routed(
        np.array([requests]), np.array([replicas]), np.zeros((1, number)), np.zeros((0, number))
    )


def routing(requests: list[float], pool: Deployment = POOL) -> Routing:
    return Routing(
        streams=(Stream("c", None, np.array(requests)),),
        deployments=(pool,),
        routes=(Route(0, 0, load=1.0),),
        meters=(),
        spot_lines=(),
    )


def test_headroom_is_that_of_the_strictest_class_and_of_all_that_share_the_line() -> None:
    assert len(POOL.utilisation) == 51
    assert 1 - POOL.headroom == POOL.utilisation[-1] == max(POOL.utilisation)
    strict = with_headroom(POOL, [SLOW, replace(SLOW, percentile=0.999)])
    assert all(a <= b for a, b in zip(strict.utilisation, POOL.utilisation, strict=True))
    shared = with_headroom(POOL, [SLOW, LAZY])
    assert shared.utilisation[10] < POOL.utilisation[10]
    plain = Deployment("p", "m", "replica")
    assert with_headroom(plain, [LAZY]) is plain  # nobody asks for a latency
    api = Deployment("a", "m", "api")
    assert with_headroom(api, [SLOW]) is api


def test_replicas_for_a_load_are_the_fewest_steps_that_carry_it() -> None:
    loads = np.array([0.0, 0.1, 0.9, 3.3, 11.0, 47.0])
    for load, count in zip(loads, POOL.replicas_for(loads), strict=True):
        able = [n for n in range(0, 200, 2) if n * POOL.room(np.array([n]))[0] >= load - 1e-9]
        assert count == able[0]
    assert POOL.replicas_for(np.array([1000.0]))[0] > 1000  # however many there may be


def test_pools_that_are_too_full_are_told_and_mended() -> None:
    asked = [1.9, 20.0]
    case = routing(asked)
    full = routed([2.0, 40.0], asked)
    room = tighter(case, full, None)
    assert room is not None
    assert room[0, 0] == pytest.approx(POOL.utilisation[2])
    assert room[0, 1] == pytest.approx(1 - POOL.headroom)  # that hour has enough
    mended = roomier(case, full)
    assert mended is not None
    assert mended.replicas[0, 0] == POOL.replicas_for(np.array([1.9]))[0] > 2.0
    assert mended.replicas[0, 1] == 40.0
    assert tighter(case, mended, room) is None
    assert roomier(routing(asked, replace(POOL, maximum=2)), full) is None


def test_an_hour_is_bounded_by_the_largest_pool_that_it_could_use() -> None:
    asked = [1.9, 20.0]
    room = Hours.of(routing(asked), np.array([asked]), np.ones(2)).room
    assert room is not None
    counts = POOL.replicas_for(np.array(asked))
    assert (room[0] >= POOL.room(counts)).all()
    assert room[0, 0] < room[0, 1] <= 1 - POOL.headroom
    plain = replace(POOL, utilisation=(), headroom=0.0)
    assert Hours.of(routing(asked, plain), np.array([asked]), np.ones(2)).room is None
