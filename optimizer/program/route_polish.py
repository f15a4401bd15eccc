# SPDX-License-Identifier: Apache-2.0
"""A plan of many linked hours, made better some hours at a time.

Restored hour by hour, a plan knows of later hours what the relaxation's prices say.  Here a
*stretch* of hours is one integer program, all else stays: what starts, waits and runs in them
is decided together.  Stretches that do not touch each other are solved side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from optimizer.program.linear import LinearProgram, solve_linear, violation
from optimizer.program.problem import Floats, Ints
from optimizer.program.route_hour import EVERYWHERE, BlockProgram

STRETCH = 6  # hours; longer ones gain little more, and their programs take much longer
NODES = 1  # cuts and heuristics of the root find nearly all of it
THREADS = 2
BROKEN = 1e-6  # of a row, relative: what a solver's tolerance may break


def polish(
    program: BlockProgram, values: Floats, *, gap: float, stop: Callable[[], bool] = lambda: False
) -> Floats:
    """Values that cost no more, whole where they were, within the same rows.

    Parameters
    ----------
    values
        A solution: (columns,), whole where they have to be.
    gap
        Relative gap at which a stretch's program ends.
    stop
        Whether to leave the stretches to come as they are.
    """
    found = values.copy()
    labels = sorted({block for block in program.blocks if block != EVERYWHERE})
    stretches = [labels[first : first + STRETCH] for first in range(0, len(labels), STRETCH)]
    touching = _touching(program)
    of_block: dict[int, list[int]] = {label: [] for label in labels}
    for column, block in enumerate(program.blocks):
        if block != EVERYWHERE:
            of_block[block].append(column)
    cost = np.array(program.cost, dtype=np.float64)

    def solve(number: int) -> tuple[Ints, Floats]:
        blocks = stretches[number]
        near = {label for each in stretches[max(number - 1, 0) : number + 2] for label in each}
        columns = np.array(sorted(k for label in blocks for k in of_block[label]), dtype=np.int64)
        better = None if stop() else _stretch(program, found, columns, touching, near, gap)
        gains = better is not None and cost[columns] @ better < cost[columns] @ found[columns]
        return columns, better if better is not None and gains else found[columns]

    with ThreadPoolExecutor(THREADS) as threads:
        for parity in (0, 1):  # neighbours share what starts and waits: not at once
            for columns, better in threads.map(solve, range(parity, len(stretches), 2)):
                found[columns] = better
    return found


def _touching(program: BlockProgram) -> list[list[int]]:
    """The rows of each column."""
    rows: list[list[int]] = [[] for _ in program.names]
    for row, terms in enumerate(program.terms):
        for column in terms:
            rows[column].append(row)
    return rows


def _stretch(
    program: BlockProgram,
    values: Floats,
    columns: Ints,
    touching: list[list[int]],
    near: set[int],
    gap: float,
) -> Floats | None:
    """The best values of some columns beside all others, or ``None``."""
    own = LinearProgram()
    place = {
        int(column): own.column(
            program.names[column],
            cost=program.cost[column],
            lower=program.lower[column],
            upper=program.upper[column],
            whole=program.whole[column],
        )
        for column in columns
    }
    near = near | {EVERYWHERE}
    for row in sorted({row for column in place for row in touching[column]}):
        terms, low, high = program.terms[row], program.low[row], program.high[row]
        now = sum(a * float(values[k]) for k, a in terms.items() if k in place)
        there = sum(a * float(values[k]) for k, a in terms.items() if k not in place)
        if not {program.blocks[column] for column in terms} <= near:
            # Other stretches may use up the same room meanwhile: each keeps to its own.
            low = now if np.isfinite(low) else low
            high = now if np.isfinite(high) else high
        else:
            # What was restored may break a row by rounding: by no more than that.
            low, high = min(low - there, now), max(high - there, now)
        mine = {place[k]: a for k, a in terms.items() if k in place}
        own.row(program.row_names[row], mine, low=low, high=high)
    answer = solve_linear(own, gap=gap, nodes=NODES, presolve=True, start=values[columns])
    # With presolve HiGHS may be wrong: what breaks a row is not taken.
    kept = answer.status.has_plan and violation(own, answer.values)[0] <= BROKEN
    return answer.values if kept else None
