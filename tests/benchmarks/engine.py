# SPDX-License-Identifier: Apache-2.0
"""The way that ``make bench`` measures: one function, so that another way is one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.program.balance import Balanced
from optimizer.program.engine import solve_engine
from optimizer.program.search import on_step

from .instances import Instance


@dataclass(frozen=True)
class Planned:
    """What an engine must hand back.

    Attributes
    ----------
    quantity
        (K,) amounts that may be bought.
    bound
        Dollars a year that no plan undercuts.
    free
        Dollars a year of the amounts under free choice, from coverage that is feasible.
    """

    quantity: np.ndarray
    bound: float
    free: float = float("nan")
    note: str = ""


def by_engine(instance: Instance, gap: float) -> Planned:
    """Cells by group, the hour oracle and the certificate, in the problem's own units."""
    balanced = Balanced.of(instance.problem)
    answer = solve_engine(balanced.problem, gap=gap)
    return Planned(
        on_step(instance.problem, balanced.amounts(answer.quantity)),
        answer.bound * balanced.money,
        answer.free * balanced.money,
        f"{answer.rounds} rounds, {answer.cells} cells, {answer.rows} rows",
    )


# What the tables call "engine".
ENGINE: Callable[[Instance, float], Planned] = by_engine
