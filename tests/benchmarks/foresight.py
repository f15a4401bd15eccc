# SPDX-License-Identifier: Apache-2.0
"""How good any policy without foresight could be: the argument of docs/backtest.md, in numbers.

Levels of demand are bought one by one: the cost of a pool is the sum over its levels.  If the
month's level is a random walk whose law is *known*, the best policy of a level is a dynamic
program over (distance of the demand from the level, months left of the term).  Its expected
cost over the expected cost of hindsight is what no policy without foresight can beat on
average over such paths; a policy that must learn the law can only do worse.

    GPUOPT_SHAVEDICE=FOLDER python -m tests.benchmarks.foresight
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .parquet import read_parquet

Floats = NDArray[np.float64]

MONTH, MONTHS, TERM = 730, 33, 12
GRID = np.linspace(-3.0, 3.0, 1201)  # log of the month's demand over the level
PATHS = 400


def steps_and_use(file: Path) -> tuple[Floats, Floats]:
    """Monthly changes of the logs, and the share of hours above a level, on the grid."""
    units = read_parquet(file).sort_values("hour")["total"].to_numpy(np.float64)
    months = units[: len(units) // MONTH * MONTH].reshape(-1, MONTH)
    mean = months.mean(axis=1)
    shape = np.sort((months / mean[:, None]).ravel())
    use = 1 - np.searchsorted(shape, np.exp(-GRID)) / len(shape)
    return np.diff(np.log(mean)), use


def best_policy(steps: Floats, use: Floats, price: float) -> list[Floats]:
    """For each month whether a level is bought that is not held, on the grid."""
    size = GRID[1] - GRID[0]
    shift = np.rint(steps / size).astype(int)

    def expect(value: Floats) -> Floats:
        index = np.clip(np.arange(len(GRID))[None] + shift[:, None], 0, len(GRID) - 1)
        return np.asarray(value[index].mean(axis=0))

    after = np.zeros((TERM + 1, len(GRID)))  # by months left of the term
    bought = []
    for _ in range(MONTHS):
        now = np.zeros_like(after)
        for left in range(1, TERM + 1):
            now[left] = price + expect(after[left - 1])
        wait = expect(use + after[0])
        bought.append(now[TERM] < wait)
        now[0] = np.minimum(wait, now[TERM])
        after = now
    return bought[::-1]


def ratio(steps: Floats, use: Floats, price: float) -> float:
    """Expected cost of the best policy over that of hindsight, over all levels of many paths."""
    draws = np.random.default_rng(1)
    policy = best_policy(steps, use, price)
    start = GRID[(GRID > -2.4) & (GRID < 2.4)]
    width = np.exp(-start)  # a level e^(−x) has the thickness of its step
    ours = best = 0.0

    def place(value: Floats) -> NDArray[np.int64]:
        return np.clip(np.rint((value - GRID[0]) / (GRID[1] - GRID[0])), 0, len(GRID) - 1).astype(
            np.int64
        )

    for _ in range(PATHS):
        walk = np.concatenate([[0.0], np.cumsum(draws.choice(steps, MONTHS))])
        used = np.array([use[place(start + walk[m + 1])] for m in range(MONTHS)])
        left = np.zeros(len(start), dtype=np.int64)
        cost = np.zeros(len(start))
        for m in range(MONTHS):
            left[(left == 0) & policy[m][place(start + walk[m])]] = TERM
            cost += np.where(left > 0, price, used[m])
            left = np.maximum(left - 1, 0)
        ahead = np.zeros((MONTHS + TERM + 1, len(start)))
        for m in range(MONTHS - 1, -1, -1):
            charged = min(TERM, MONTHS - m) * price
            ahead[m] = np.minimum(used[m] + ahead[m + 1], charged + ahead[min(m + TERM, MONTHS)])
        ours += float(cost @ width)
        best += float(ahead[0] @ width)
    return ours / best


def main() -> None:
    """Print the ratios for growth, decline and no drift at three discounts."""
    file = Path(os.environ["GPUOPT_SHAVEDICE"])
    file = file / "total_hourly.parquet" if file.is_dir() else file
    steps, use = steps_and_use(file)
    laws = {
        "grows as published": steps,
        "falls as reversed": -steps,
        "no drift, as volatile": np.concatenate([steps, -steps]),
    }
    for name, law in laws.items():
        found = [ratio(law, use, price) for price in (0.73, 0.60, 1 / 2.1)]
        print(f"{name:24}", *(f"{value:8.4f}" for value in found))


if __name__ == "__main__":
    main()
