# SPDX-License-Identifier: Apache-2.0
"""What a plan for one future of many would cost at least, if that future were known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.planning.part import Part
from optimizer.program.later import node_odds
from optimizer.program.peaks import at_peaks
from optimizer.program.problem import Problem
from optimizer.program.watch import Watch
from optimizer.program.ways import pick, run_way

# Relative gap at which hindsight may stop: its bound is what regret is told against.
HINDSIGHT_GAP = 0.01
# Pools × hours of all futures up to which every future is solved alone: beyond it takes minutes.
HINDSIGHT_SIZE = 1_000_000


def least_of_future(part: Part, number: int, method: str) -> float:
    """Dollars over whole terms of a part, below which no plan for that future alone comes.

    Proven by the certificate of the future's own program, with purchases now and at every
    step; what is held is in it.
    """
    problem, held = of_future(part, number), part.window.held_cost
    way, why = pick(problem, method)
    found = run_way(problem, way, why, gap=HINDSIGHT_GAP, constant=held, start=None, watch=Watch())
    return found.bounded.bound + held


def of_future(part: Part, number: int) -> Problem:
    """The program of one future of a part alone, with what is bought later in its nodes."""
    if part.stack is None:
        msg = "the part has no futures"
        raise ValueError(msg)
    stack, columns = part.stack, part.every_column
    alone = at_peaks(part.problem, np.flatnonzero(stack.future == number))
    mine = np.array([c.futures is None or number in c.futures for c in columns], dtype=bool)
    share, chance = float(stack.odds[number]), node_odds(columns, stack.odds)
    # What is bought in other futures alone has a maximum of nothing, whatever it costs.
    return replace(
        alone,
        weight=alone.weight / share,
        count=alone.count / share,
        cost=np.divide(alone.cost, chance, out=np.ones_like(alone.cost), where=chance > 0),
        maximum=np.where(mine, alone.maximum, 0.0),
    )
