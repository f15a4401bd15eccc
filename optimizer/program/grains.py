# SPDX-License-Identifier: Apache-2.0
"""How fine the cells of a round are, by the size of the problem."""

from __future__ import annotations

from dataclasses import replace

from optimizer.program.cells import Grain
from optimizer.program.problem import Problem

# Regimes up to which each has all the cells of its round, and the share of a regime's hours
# below which a cell joins its neighbour, where futures make more of them.
FEW_REGIMES = 12
REGIME_SLIVER = 0.004
# Cells by round: far from the optimum, fine cells only make the program larger.
FINE = (
    Grain(wide=20, group=8, prices=5, ratios=1, history=2),
    Grain(wide=30, group=12, prices=8, ratios=2, history=3),
    Grain(wide=30, group=16, prices=10, ratios=3, history=3),
    Grain(wide=40, group=16, prices=12, ratios=4, history=3),
)
MIDDLE = (Grain(wide=16, group=8, prices=6, ratios=1, history=3, sliver=3e-4),)
COARSE = (Grain(wide=10, group=5, prices=4, ratios=1, history=2, sliver=1e-3),)


def grain_of(problem: Problem, number: int) -> Grain:
    """Cells of a round that keep the master program within some 60,000 rows."""
    pools = len(problem.pools)
    by_round = (
        FINE
        if pools <= 100
        else FINE[:1] + FINE[2:]
        if pools <= 300
        else MIDDLE
        if pools <= 800
        else COARSE
    )
    grain = by_round[min(number, len(by_round) - 1)]
    if not len(problem.member_active):
        return grain
    # Futures and steps make many regimes of few hours each.
    regimes = problem.structure.regimes
    return replace(
        grain,
        wide=max(2, grain.wide * FEW_REGIMES // max(FEW_REGIMES, regimes)),
        sliver=max(grain.sliver, REGIME_SLIVER / regimes),
    )
