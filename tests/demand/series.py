# SPDX-License-Identifier: Apache-2.0
"""Made-up histories of known kinds, a week 168 hours."""

from __future__ import annotations

import numpy as np

WEEK = 168


def _base(weeks: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    random = np.random.default_rng(seed)
    hour = np.arange(weeks * WEEK)
    shape = 1 + 0.3 * np.sin(hour * 2 * np.pi / 24) - 0.2 * (hour % WEEK >= 120)
    return shape, random


def steady(weeks: int, seed: int, change: float = 0.0, noise: float = 0.02) -> np.ndarray:
    """A random walk of the weekly level around a constant relative change per week."""
    shape, random = _base(weeks, seed)
    level = 100 * np.exp(np.cumsum(change + noise * random.standard_normal(weeks)))
    return np.repeat(level, WEEK) * shape * (1 + 0.02 * random.standard_normal(weeks * WEEK))


def shifted(weeks: int, seed: int, at: int, factor: float) -> np.ndarray:
    """A level that jumps once."""
    series = steady(weeks, seed)
    series[at * WEEK :] *= factor
    return series


def turning(weeks: int, seed: int, at: int, change: float) -> np.ndarray:
    """Growth that turns into decline."""
    series = steady(weeks, seed)
    week = np.arange(weeks)
    trend = np.exp(change * (np.minimum(week, at) - np.maximum(week - at, 0)))
    return series * np.repeat(trend, WEEK)


def bursty(weeks: int, seed: int) -> np.ndarray:
    """Nothing, but now and then two full days of 64 units."""
    _, random = _base(weeks, seed)
    series = np.zeros(weeks * WEEK)
    for start in random.choice(weeks * 7 - 2, weeks // 3, replace=False):
        series[start * 24 : start * 24 + 48] = 64
    return series


KINDS = {
    "growth": lambda weeks, seed: steady(weeks, seed, 0.01),
    "decline": lambda weeks, seed: steady(weeks, seed, -0.01),
    "level shift": lambda weeks, seed: shifted(weeks, seed, weeks // 2, 0.5),
    "regime change": lambda weeks, seed: turning(weeks, seed, weeks // 2, 0.01),
    "bursty": bursty,
    "all zero": lambda weeks, seed: np.zeros(weeks * WEEK),
    "constant": lambda weeks, seed: np.full(weeks * WEEK, 3.0),
}
