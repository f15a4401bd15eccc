# SPDX-License-Identifier: Apache-2.0
"""Made-up usage of pools: whole instances in every hour, a block of pools at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

YEAR = 8760
BLOCK = 128  # pools that are drawn at once


@dataclass(frozen=True)
class Habits:
    """What stays the same of a pool's usage in every scenario, by pool."""

    size: np.ndarray
    drift: np.ndarray
    week: np.ndarray  # (P, 168) around 1
    start: np.ndarray
    stop: np.ndarray


def draw_habits(rng: np.random.Generator, pools: int, hours: int) -> Habits:
    size = rng.lognormal(1.2, 1.1, pools)
    # Four of five pools serve people and peak in the afternoon; the others run by night.
    peak = np.where(rng.random(pools) < 0.8, 14, 3) + rng.integers(-3, 4, pools)
    hour = np.arange(168)
    swing = rng.uniform(0.0, 0.9, pools)[:, None]
    day = 1 + swing * np.cos((hour % 24 - peak[:, None]) / 24 * 2 * np.pi)
    weekend = np.where(hour // 24 < 5, 1.0, rng.uniform(0.3, 1.0, pools)[:, None])
    late, ends = rng.random(pools) < 0.2, rng.random(pools) < 0.15
    return Habits(
        size=size,
        drift=rng.normal(0.15, 0.35, pools),
        week=day * weekend,
        start=np.where(late, rng.integers(0, hours, pools), 0),
        stop=np.where(ends, rng.integers(hours // 3, hours + 1, pools), hours),
    )


def draw_usage(
    out: np.ndarray, group: np.ndarray, habits: Habits, key: tuple[int, ...], *, vary: bool
) -> None:
    """Fill ``out`` (P, hours) with the instances of one scenario, a block of pools at a time."""
    pools, hours = out.shape
    shared = np.random.default_rng(key)
    walk = np.cumsum(shared.normal(0, 0.012, hours))
    common = np.exp(0.5 * (walk - walk.mean()))
    growth, shift = np.ones(pools), np.zeros((2, pools), dtype=np.int64)
    if vary:
        by_group = shared.normal(0, 0.25, int(group[-1]) + 1)[group]
        growth = np.exp(by_group + shared.normal(0, 0.10))
        shift = shared.integers(-hours // 10, hours // 10 + 1, (2, pools))
    start = np.where(habits.start > 0, habits.start + shift[0], 0)
    stop = np.where(habits.stop < hours, habits.stop + shift[1], hours)
    hour = np.arange(hours)
    for low in range(0, pools, BLOCK):
        some = slice(low, min(low + BLOCK, pools))
        rng = np.random.default_rng((*key, low))
        count = some.stop - some.start
        trend = 1 + habits.drift[some, None] * (hour / hours)
        usage = np.maximum(trend, 0.0) * (habits.size[some] * growth[some])[:, None]
        usage *= habits.week[some][:, hour % 168]
        usage *= common
        usage *= _noise(rng, count, hours)
        usage += _bursts(rng, np.maximum(habits.size[some], 1.0), hours)
        usage[(hour < start[some, None]) | (hour >= stop[some, None])] = 0.0
        np.rint(usage, out=out[some])


def _noise(rng: np.random.Generator, pools: int, hours: int) -> np.ndarray:
    """Factors around 1 that change every six hours and are remembered for days."""
    steps = hours // 6 + 1
    level = rng.standard_normal((steps, pools))
    for step in range(1, steps):
        level[step] = 0.9 * level[step - 1] + 0.43 * level[step]
    return np.repeat(np.exp(0.18 * level.T), 6, axis=1)[:, :hours]


def _bursts(rng: np.random.Generator, size: np.ndarray, hours: int) -> np.ndarray:
    """About 25 bursts a year and pool, of 4 to 96 hours and exponential height; (P, hours)."""
    pool = np.repeat(np.arange(len(size)), rng.poisson(25 * hours / YEAR, len(size)))
    begin = rng.integers(0, hours, len(pool))
    end = np.minimum(begin + rng.integers(4, 97, len(pool)), hours)
    height = size[pool] * rng.exponential(1.0, len(pool))
    change = np.zeros((len(size), hours + 1))
    np.add.at(change, (pool, begin), height)
    np.subtract.at(change, (pool, end), height)
    # The sums of what came and went again may be −1e-16.
    return np.maximum(np.cumsum(change[:, :hours], axis=1), 0.0)
