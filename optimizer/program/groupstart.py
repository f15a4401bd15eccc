# SPDX-License-Identifier: Apache-2.0
"""Where the simplex method starts on a large program over cells: at its groups' own ends.

Only the rows of wide sources, wide limits and links join the groups.  At fixed prices of these
rows every group is a small program of its own, solved in a small fraction of the time.  Where
all of them end is an optimal basis of the whole, if capacity could be rented at those prices.
So each joining row gets a column that rents, basic at first, and fixed at zero: the whole is
dual feasible from the start, and the dual simplex method only has to move from the prices
that were guessed to the right ones.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import highspy
import numpy as np
from numpy.typing import NDArray

from optimizer.program.problem import Floats, Ints
from optimizer.program.sparse import (
    BASIC,
    LOWER,
    UPPER,
    Basis,
    Status,
    new_solver,
    statuses,
)

if TYPE_CHECKING:
    from optimizer.program.cellprogram import CellProgram

# Fewer groups are no parts worth solving alone, and small programs are solved at once anyway.
FEWEST_GROUPS = 4
FEWEST_ROWS = 1_000
WORKERS = 2  # the groups do not depend on each other, nor on which thread solves them


@dataclass(frozen=True)
class _Parts:
    """The program's arrays, its entries in the order of the columns, and who owns what.

    ``row_of`` and ``column_of`` name the group, −1 for what joins groups.
    """

    cost: Floats
    upper: Floats
    low: Floats
    high: Floats
    start: Ints
    index: Ints
    value: Floats
    entry_column: Ints
    row_of: Ints
    column_of: Ints
    count: int

    @classmethod
    def of(cls, program: CellProgram) -> _Parts:
        model, lp = program.model, program.lp
        start = np.asarray(model.a_matrix_.start_, dtype=np.int64)
        index = np.asarray(model.a_matrix_.index_, dtype=np.int64)
        entry_column = np.repeat(np.arange(lp.columns), np.diff(start))
        row_of, column_of = _owners(program)
        # What can be bought belongs to the group whose rows it enters, and joins several.
        bought = column_of[entry_column] < 0
        into, what = row_of[index][bought], entry_column[bought]
        into, what = into[into >= 0], what[into >= 0]
        leader = np.arange(len(program.levels.groups))
        first = np.full(lp.columns, -1)
        for group, column in zip(into.tolist(), what.tolist(), strict=True):
            if first[column] < 0:
                first[column] = group
            one, other = _root(leader, int(first[column])), _root(leader, group)
            leader[max(one, other)] = min(one, other)
        roots = np.array([_root(leader, group) for group in range(len(leader))])
        named, number = np.unique(roots, return_inverse=True)
        column_of = np.where(column_of < 0, first, column_of)
        return cls(
            np.asarray(model.col_cost_),
            np.asarray(model.col_upper_),
            np.asarray(model.row_lower_),
            np.asarray(model.row_upper_),
            start,
            index,
            np.asarray(model.a_matrix_.value_),
            entry_column,
            np.where(row_of < 0, -1, number.reshape(-1)[row_of]),
            np.where(column_of < 0, -1, number.reshape(-1)[column_of]),
            len(named),
        )


def start_from_groups(
    program: CellProgram, solver: highspy.Highs, dual: Floats, old: Basis | None
) -> bool:
    """Put the solver where the groups end at some prices of the rows that join them.

    Parameters
    ----------
    solver
        With the program's model; it gets a column for each row with a price.
    dual
        (rows,) ≥ 0, prices of the joining rows in the program's units.
    old
        A basis of a similar program, from which the groups start.

    Returns
    -------
    Whether it did: not if the program has few groups, or one of them has no optimum.
    """
    if len(program.levels.groups) < FEWEST_GROUPS or program.rows < FEWEST_ROWS:
        return False
    parts = _Parts.of(program)
    if parts.count < FEWEST_GROUPS:
        return False
    row_status = np.full(program.rows, BASIC, dtype=np.int8)
    column_status = np.full(program.lp.columns, LOWER, dtype=np.int8)
    before = None if old is None else program.lp.carried(old)
    cost = parts.cost + np.bincount(
        parts.entry_column, dual[parts.index] * parts.value, minlength=program.lp.columns
    )
    with ThreadPoolExecutor(max_workers=WORKERS) as workers:
        found = workers.map(
            lambda part: _solve(parts, cost, part, before),
            zip(
                _by_group(parts.row_of, parts.count),
                _by_group(parts.column_of, parts.count),
                strict=True,
            ),
        )
        for rows, columns, ended in found:
            if ended is None:
                return False
            row_status[rows], column_status[columns] = ended
    priced = np.flatnonzero((dual > 0) & (parts.row_of < 0))
    row_status[priced] = UPPER
    count, none = len(priced), np.zeros(len(priced))
    solver.addCols(
        count,
        dual[priced],
        none,
        none,
        count,
        np.arange(count, dtype=np.int32),
        priced.astype(np.int32),
        np.full(count, -1.0),
    )
    basis = highspy.HighsBasis()
    basis.row_status = statuses(row_status)
    basis.col_status = statuses(np.append(column_status, np.full(count, BASIC, dtype=np.int8)))
    basis.valid = basis.alien = True
    solver.setBasis(basis)
    return True


def _solve(
    parts: _Parts, cost: Floats, part: tuple[Ints, Ints], before: tuple[Status, Status] | None
) -> tuple[Ints, Ints, tuple[Status, Status] | None]:
    """One group alone: its rows and columns, and where it ends."""
    rows, columns = part
    place = np.full(len(parts.row_of), -1)
    place[rows] = np.arange(len(rows))
    entries = _ranges(parts.start[columns], parts.start[columns + 1])
    row = place[parts.index[entries]]
    own = row >= 0
    inside = np.repeat(np.arange(len(columns)), np.diff(parts.start)[columns])[own]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns), len(rows)
    lp.col_cost_, lp.col_upper_ = cost[columns], parts.upper[columns]
    lp.col_lower_ = np.zeros(len(columns))
    lp.row_lower_, lp.row_upper_ = parts.low[rows], parts.high[rows]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.append(0, np.cumsum(np.bincount(inside, minlength=len(columns))))
    lp.a_matrix_.index_ = row[own]
    lp.a_matrix_.value_ = parts.value[entries[own]]
    solver = new_solver()
    solver.setOptionValue("presolve", "off")
    solver.passModel(lp)
    if before is not None:
        basis = highspy.HighsBasis()
        basis.row_status, basis.col_status = statuses(before[0][rows]), statuses(before[1][columns])
        basis.valid = basis.alien = True
        solver.setBasis(basis)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return rows, columns, None
    found = solver.getBasis()
    return rows, columns, (_numbers(found.row_status), _numbers(found.col_status))


def _owners(program: CellProgram) -> tuple[Ints, Ints]:
    """The group of each row and column; −1 for what joins groups and what can be bought."""
    problem, lp, group_of = program.problem, program.lp, program.levels.group_of
    narrow: dict[tuple[str, int], int] = {}
    for number, group in enumerate(program.levels.groups):
        narrow |= {("draw", int(source)): number for source in group.sources}
        narrow |= {("limit", int(limit)): number for limit in group.limits}
    row_of, column_of = np.full(lp.rows, -1), np.full(lp.columns, -1)
    for name, (first, at) in lp.row_pieces.items():
        kind, *of = name
        if kind in ("draw", "limit"):
            row_of[first : first + len(at)] = narrow.get((str(kind), int(of[0])), -1)
        elif kind != "link":
            row_of[first : first + len(at)] = group_of[int(of[0])]
    for name, (first, at) in lp.column_pieces.items():
        kind, *of = name
        if kind == "cover":
            column_of[first : first + len(at)] = group_of[problem.pair_pool[int(of[0])]]
        elif kind not in ("buy", "excess"):
            column_of[first : first + len(at)] = group_of[int(of[0])]
    return row_of, column_of


def _root(leader: Ints, node: int) -> int:
    while leader[node] != node:
        node = int(leader[node])
    return node


def _by_group(owner: Ints, count: int) -> list[Ints]:
    """The members of each group, ascending."""
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(count + 1))
    return [order[ends[group] : ends[group + 1]] for group in range(count)]


def _ranges(first: Ints, last: Ints) -> Ints:
    """first[0] … last[0]−1, first[1] … last[1]−1, and so on."""
    length = last - first
    return np.repeat(first - (np.cumsum(length) - length), length) + np.arange(length.sum())


def _numbers(found: list[highspy.HighsBasisStatus]) -> NDArray[np.int8]:
    return np.array([int(status) for status in found], dtype=np.int8)
