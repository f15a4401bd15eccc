# SPDX-License-Identifier: Apache-2.0
"""A sample of the hours of many futures, for what is only told: losers, values, chances.

Nothing is decided or billed on it.  What a plan of many futures says of each offer takes a
replay of all of them; every so many-th hour, weighing as much as all, says nearly the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from optimizer.billing import Catalogue, SharingModes
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.program.peaks import at_peaks
from optimizer.program.stack import StackedLaw
from optimizer.tables import Settings

# Lines × hours of a part that are replayed.
SAMPLE_SIZE = 300_000

AnyPlan = TypeVar("AnyPlan", bound=Plan)


def sampled(plan: AnyPlan) -> AnyPlan:
    """The plan with large parts over a sample of their hours; the same if it has one future."""
    parts = tuple(_sampled(plan.case.settings, plan.catalogue, part) for part in plan.parts)
    return replace(plan, parts=parts)


def _sampled(settings: Settings, catalogue: Catalogue, part: Part) -> Part:
    stack, window = part.stack, part.window
    stride = -(-window.lines.quantity.size // SAMPLE_SIZE)
    if stack is None or stride <= 1:
        return part
    # No factor in common with the hours of a week.
    stride = next(s for s in range(stride, 10**9) if s % 2 and s % 3 and s % 7)
    hours = np.arange(0, len(window.weight), stride)
    period = window.period[hours]
    count = stack.in_force.shape[1]
    whole = np.bincount(window.period, window.weight, minlength=count)
    taken = np.bincount(period, window.weight[hours], minlength=count)
    factor = np.divide(whole, taken, out=np.ones(count), where=taken > 0)[period]
    groups = [
        (index, modes)
        for old, modes in window.sharing.groups
        for index in (np.flatnonzero(np.isin(hours, old)),)
        if len(index)
    ]
    none = np.zeros((len(window.lines.meter), len(hours)))
    small = replace(
        window,
        lines=replace(
            window.lines, quantity=window.lines.quantity[:, hours], spot=none, spot_free=none
        ),
        tolerant=window.tolerant[:, hours],
        price=window.price[:, hours],
        weight=window.weight[hours] * factor,
        count=window.count[hours] * factor,
        period=period,
        held=window.held[:, hours],
        active=np.zeros((0, len(hours)), dtype=bool),
        sharing=SharingModes(tuple(groups)),
        repeats=window.repeats[hours],
        horizon=window.horizon[hours],
        inside=window.inside[:, hours],
    )
    problem = replace(at_peaks(part.problem, hours), weight=small.weight, count=small.count)
    fewer = replace(stack, window=small, future=stack.future[hours])
    pool_of = part.law.keeper.pool_of
    law = StackedLaw(settings, catalogue, fewer, problem, part.every_column, pool_of)
    answer = replace(part.answer, outcome=law.outcome(part.answer.quantity))
    return replace(part, window=small, problem=problem, law=law, answer=answer, stack=fewer)
