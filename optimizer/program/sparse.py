# SPDX-License-Identifier: Apache-2.0
"""A linear program for HiGHS in the making: columns, rows and entries, added in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from optimizer.program.problem import Floats, Ints

# What a piece of rows or columns is of: a kind, then indices into the problem.
Name = tuple[str | int, ...]
# Where the pieces of one side begin, and which cells or segments each of them has, ascending.
Pieces = dict[Name, tuple[int, Ints]]
# HiGHS' statuses of rows or columns, as numbers.
Status = NDArray[np.int8]
_STATUS = list(highspy.HighsBasisStatus.__members__.values())
LOWER, BASIC, UPPER = (
    int(status)
    for status in (
        highspy.HighsBasisStatus.kLower,
        highspy.HighsBasisStatus.kBasic,
        highspy.HighsBasisStatus.kUpper,
    )
)


@dataclass(frozen=True)
class Basis:
    """Where a program ended: the pieces of its rows and columns, and the status of each."""

    rows: Pieces
    columns: Pieces
    row_status: Status
    column_status: Status


class Sparse:
    """Rows and columns that are added piece by piece, each piece as arrays."""

    def __init__(self) -> None:
        self.cost: list[Floats] = []
        self.upper: list[Floats] = []
        self.low: list[Floats] = []
        self.high: list[Floats] = []
        self.rows = self.columns = 0
        self.row_pieces: Pieces = {}
        self.column_pieces: Pieces = {}
        self._row: list[Ints] = []
        self._column: list[Ints] = []
        self._value: list[Floats] = []

    def add_rows(self, low: Floats, high: Floats, name: Name, at: Ints | None = None) -> Ints:
        """Add rows low ≤ … ≤ high of the cells ``at`` (0 … n−1); returns their numbers."""
        self.row_pieces[name] = self.rows, np.arange(len(low)) if at is None else at
        self.low.append(low)
        self.high.append(high)
        self.rows += len(low)
        return np.arange(self.rows - len(low), self.rows)

    def add_columns(self, cost: Floats, upper: Floats, name: Name, at: Ints | None = None) -> Ints:
        """Add columns between 0 and ``upper`` of ``at`` (0 … n−1); returns their numbers."""
        self.column_pieces[name] = self.columns, np.arange(len(cost)) if at is None else at
        self.cost.append(cost)
        self.upper.append(upper)
        self.columns += len(cost)
        return np.arange(self.columns - len(cost), self.columns)

    def add(self, row: Ints, column: Ints, value: Floats) -> None:
        """Add entries of the matrix."""
        self._row.append(np.asarray(row, dtype=np.int64).ravel())
        self._column.append(np.asarray(column, dtype=np.int64).ravel())
        self._value.append(np.asarray(value, dtype=np.float64).ravel())

    def model(self) -> highspy.HighsLp:
        """The model, stored by column."""
        row, column = np.concatenate(self._row), np.concatenate(self._column)
        order = np.argsort(column, kind="stable")
        start = np.cumsum(np.bincount(column, minlength=self.columns))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.columns, self.rows
        lp.col_cost_, lp.col_upper_ = np.concatenate(self.cost), np.concatenate(self.upper)
        lp.col_lower_ = np.zeros(self.columns)
        lp.row_lower_, lp.row_upper_ = np.concatenate(self.low), np.concatenate(self.high)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.concatenate([[0], start])
        lp.a_matrix_.index_ = row[order]
        lp.a_matrix_.value_ = np.concatenate(self._value)[order]
        return lp

    def basis(self, solver: highspy.Highs) -> Basis:
        """Where the solver of this program ended; columns beyond the program's do not count."""
        found = solver.getBasis()
        return Basis(
            self.row_pieces,
            self.column_pieces,
            np.array([int(status) for status in found.row_status], dtype=np.int8),
            np.array([int(s) for s in found.col_status[: self.columns]], dtype=np.int8),
        )

    def carried(self, old: Basis) -> tuple[Status, Status]:
        """The statuses that a program of like pieces ended with, for this one's rows and columns.

        Rows that it did not have begin basic and columns at zero.
        """
        return (
            _carried(self.row_pieces, self.rows, old.rows, old.row_status, BASIC),
            _carried(self.column_pieces, self.columns, old.columns, old.column_status, LOWER),
        )

    def inherit(self, old: Basis) -> highspy.HighsBasis:
        """The basis that a program of like pieces ended with, for this one.

        The count of basic ones may differ from the count of rows: the solver mends that
        (``alien``).
        """
        basis = highspy.HighsBasis()
        rows, columns = self.carried(old)
        basis.row_status, basis.col_status = statuses(rows), statuses(columns)
        basis.valid, basis.alien = True, True
        return basis


def statuses(numbers: Status) -> list[highspy.HighsBasisStatus]:
    """Statuses as HiGHS wants them."""
    return [_STATUS[number] for number in numbers.tolist()]


def new_solver() -> highspy.Highs:
    """HiGHS with the settings that programs over cells are solved with."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    # Perturbing the costs, and taking it back, costs a fifth of the time here.
    solver.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0)
    return solver


def _carried(
    pieces: Pieces, count: int, old: Pieces, values: NDArray[Any], other: float
) -> NDArray[Any]:
    """Values of the old pieces' entries at the same places of the new; ``other`` elsewhere."""
    found = np.full(count, other, dtype=values.dtype)
    for name, (first, at) in pieces.items():
        if name not in old or not len(at):
            continue
        start, had = old[name]
        place = np.searchsorted(had, at)
        place[place == len(had)] = 0
        there = had[place] == at if len(had) else np.zeros(len(at), dtype=bool)
        found[first + np.flatnonzero(there)] = values[start + place[there]]
    return found
