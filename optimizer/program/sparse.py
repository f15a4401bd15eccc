# SPDX-License-Identifier: Apache-2.0
"""A linear program for HiGHS in the making: columns, rows and entries, added in any order."""

from __future__ import annotations

import highspy
import numpy as np

from optimizer.program.problem import Floats, Ints


class Sparse:
    """Rows and columns that are added piece by piece, each piece as arrays."""

    def __init__(self) -> None:
        self.cost: list[Floats] = []
        self.upper: list[Floats] = []
        self.low: list[Floats] = []
        self.high: list[Floats] = []
        self.rows = self.columns = 0
        self._row: list[Ints] = []
        self._column: list[Ints] = []
        self._value: list[Floats] = []

    def add_rows(self, low: Floats, high: Floats) -> Ints:
        """Add rows low ≤ … ≤ high; returns their numbers."""
        self.low.append(low)
        self.high.append(high)
        self.rows += len(low)
        return np.arange(self.rows - len(low), self.rows)

    def add_columns(self, cost: Floats, upper: Floats) -> Ints:
        """Add columns between 0 and ``upper``; returns their numbers."""
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
