# SPDX-License-Identifier: Apache-2.0
"""Sources that cover the same usage alike: to a formulation they are one.

Reservations of one size with different terms, payments or starts all cover a unit with a
unit.  Which of them covers it makes no difference, so that what they cover needs one
variable and one row together; what each adds keeps its own hours.
"""

from __future__ import annotations

import numpy as np

from optimizer.program.problem import Floats, Ints, Problem

# Relative excess of a price over what its purchase costs that is a solver's tolerance.
TOLERANCE = 1e-6


def first_alike(problem: Problem) -> Ints:
    """For each source the first one that covers the same pools at the same draws; (S,).

    Sources alike also guarantee capacity alike, and count alike in every linking row.
    """
    links, secures = problem.links, problem.secures
    order = np.lexsort((problem.pair_pool, problem.pair_source))
    ends = np.searchsorted(problem.pair_source[order], np.arange(len(problem.sources) + 1))
    first: dict[tuple[object, ...], int] = {}
    found = np.arange(len(problem.sources), dtype=np.int64)
    for source in range(len(problem.sources)):
        pairs = order[ends[source] : ends[source + 1]]
        if not len(pairs):
            continue
        key = (
            bool(secures[source]),
            problem.pair_pool[pairs].tobytes(),
            problem.pair_draw[pairs].tobytes(),
            links.covered[:, pairs].tobytes() if links.names else b"",
        )
        found[source] = first.setdefault(key, source)
    return found


def member_entries(
    problem: Problem, first: Ints, draw_row: Ints, unit: Floats
) -> tuple[Ints, Ints, Floats]:
    """(row, column, value) of what purchases add to the rows of coverage.draw.

    ``draw_row`` (S, N) are the rows of the first sources alike, −1 where there is none;
    ``unit`` (K,) is what one of each purchase variable stands for.
    """
    count = len(problem.columns)
    cells, values = [], []
    for column, source, ratio, active in zip(
        problem.member_column,
        problem.member_source,
        problem.member_ratio,
        problem.in_force,
        strict=True,
    ):
        rows = draw_row[first[source]]
        rows = rows[(rows >= 0) & active]
        cells.append(rows * count + column)
        values.append(np.full(len(rows), ratio * unit[column]))
    if not cells:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    # Offers of one bundle may be alike: what they add is one entry.
    cell, at = np.unique(np.concatenate(cells), return_inverse=True)
    value = np.bincount(at.reshape(-1), np.concatenate(values), minlength=len(cell))
    return cell // count, cell % count, np.asarray(value, dtype=np.float64)


def within_cost(problem: Problem, first: Ints, prices: Floats) -> Floats:
    """Prices (S, N) of sources alike, lowered where a solver's tolerance put them above cost.

    Each column whose price exceeds its cost takes the excess, times all that may be bought,
    off the bound: of a thousand that are alike a thousand times one tolerance.  Any prices
    prove a bound, so lowering them together loses one tolerance once.
    """
    weighted = prices * problem.weight
    each = np.array(
        [
            weighted[source] @ active
            for source, active in zip(problem.member_source, problem.in_force, strict=True)
        ]
    )
    worth = np.bincount(
        problem.member_column, problem.member_ratio * each, minlength=len(problem.columns)
    )
    over = worth / np.where(problem.cost > 0, problem.cost, np.inf) - 1.0
    slight = ((over > 0) & (over <= TOLERANCE))[problem.member_column]
    most = np.zeros(len(problem.sources))
    np.maximum.at(most, first[problem.member_source[slight]], over[problem.member_column[slight]])
    return np.asarray(prices / (1.0 + most[first])[:, None])
