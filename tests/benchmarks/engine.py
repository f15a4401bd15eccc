# SPDX-License-Identifier: Apache-2.0
"""The way that ``make bench`` measures: one function, so that another way is one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimizer.program.branch import certified_bound
from optimizer.program.certificate import whole_box
from optimizer.program.partition import partition_hours
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
        Dollars a year of the amounts under free choice, if the engine knows them.
    """

    quantity: np.ndarray
    bound: float
    free: float = float("nan")
    note: str = ""


def by_partition(instance: Instance, gap: float) -> Planned:
    """Partition of the hours, whole amounts for the cells, and the certificate."""
    problem = instance.problem
    part = partition_hours(problem, gap=gap)
    box = whole_box(problem)
    relaxed = part.program.relax(box)
    quantity, claim = relaxed.quantity, relaxed.objective
    if len(problem.pools) <= 20:  # branching on the cells pays for small fleets only
        answer = part.program.solve(box, gap=0.1 * gap, nodes=200)
        quantity, claim = answer.quantity, answer.objective
    target = claim * (1 - 0.1 * gap)
    bound = part.bound
    if bound < target:
        bounded = certified_bound(problem, part.program, part.spread, target=target, nodes=4)
        bound = max(bound, bounded.bound)
    cells = part.program.problem.hours
    note = f"{part.rounds} rounds, {cells} cells"
    return Planned(on_step(problem, quantity), bound, note=note)


# What the tables call "engine".
ENGINE: Callable[[Instance, float], Planned] = by_partition
