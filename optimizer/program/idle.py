# SPDX-License-Identifier: Apache-2.0
"""Shared sources of which nothing is held and nothing was proposed: programs without them.

Of the terms and payments that a plan is sold under, a fleet buys few.  The others make rows
and columns in every cell.  A source that is left out has a price all the same: the worth of
one more unit to whatever it covers, at the program's own prices.  If all hours together are
worth no more than the source costs, the program would not have bought it; else it is *woken*
and the next program has it again.  The certificate holds for any prices, so that a wrong
guess costs tightness and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.program.problem import Flags, Floats, Problem

if TYPE_CHECKING:
    from optimizer.program.cellprogram import CellProgram

# What hours may be worth above a source's cost before it is woken: rounding.
ROUNDING = 1e-9


def idle_sources(problem: Problem, *amounts: Floats) -> Flags:
    """(S,) shared sources that can be left out at some amounts (K,).

    None where limits or linking rows count what a source covers: their prices count too. Nor
    one that covers usage which nothing else may have to serve: without it a program whose
    other sources have a maximum has no answer.
    """
    idle = np.zeros(len(problem.sources), dtype=bool)
    if problem.limits.names or (problem.availability < 1.0).any() or problem.links.covered.any():
        return idle
    idle[problem.structure.shared] = True
    idle &= ~(problem.held > 0).any(axis=1)
    members = np.bincount(problem.member_column, minlength=len(problem.columns))
    used = (members > 1) | np.any([quantity > 0 for quantity in amounts], axis=0)
    idle[problem.member_source[used[problem.member_column]]] = False
    otherwise = np.minimum(problem.price, problem.penalty[:, None])
    needed = np.asarray(np.isinf(otherwise).any(axis=1), dtype=bool)
    idle[problem.pair_source[needed[problem.pair_pool]]] = False
    return idle


def idle_worth(program: CellProgram, dual: Floats) -> tuple[Floats, Flags]:
    """Prices of the idle sources in every hour, from the duals of the rows.

    Returns
    -------
    (shared sources, N) prices, zero for sources that are not idle; (S,) those that are woken.
    """
    problem, structure = program.problem, program.problem.structure
    prices = np.zeros((len(structure.shared), problem.hours))
    woken = np.zeros(len(problem.sources), dtype=bool)
    chosen = np.flatnonzero(program.idle[problem.pair_source])
    for pool in np.unique(problem.pair_pool[chosen]):
        level, some, rows = program.meet_row[int(pool)]
        unit = np.zeros(len(level.weight))
        unit[some] = dual[rows] / level.weight[some]
        hourly = unit[level.label]
        for pair in structure.pairs[pool]:
            if program.idle[problem.pair_source[pair]]:
                row = prices[structure.row[problem.pair_source[pair]]]
                np.maximum(row, hourly / problem.pair_draw[pair], out=row)
    for source in np.flatnonzero(program.idle):
        row = prices[structure.row[source]]
        worth = np.bincount(problem.period, row * problem.weight, minlength=problem.periods)
        share = 1.0
        for column, ratio, active in problem.feeds[source]:
            earned, asked = ratio * float(worth @ active), float(problem.cost[column])
            if earned > asked:
                share = min(share, asked / earned)
        woken[source] = share < 1.0 - ROUNDING
        row *= share
    return prices, woken
