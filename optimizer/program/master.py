# SPDX-License-Identifier: Apache-2.0
"""The master program, solved: amounts to propose, and prices of the hours.

It is written by :mod:`~optimizer.program.cellprogram`.  What it proposes proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.program.arrays import INTEGER, Box, Relaxation
from optimizer.program.cellprogram import CellProgram
from optimizer.program.groupstart import start_from_groups
from optimizer.program.idle import idle_worth
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Flags, Floats
from optimizer.program.sparse import Basis, new_solver

# A price of a row, in dollars of an average hour, below which it counts as none.
LEAST_DUAL = 1e-9


@dataclass(frozen=True)
class Proposal:
    """The master's answer: amounts (K,), prices of the hours, its objective in dollars.

    ``woken`` are sources (S,) that were left out and are worth more than they cost.
    """

    feasible: bool
    objective: float
    quantity: Floats
    prices: Prices
    rows: int
    woken: Flags | None = None


class Master(CellProgram):
    """Solves the program over cells."""

    _warm: highspy.Highs | None = None
    solved: highspy.Highs | None = None

    def solve(
        self,
        seconds: float | None = None,
        basis: Basis | None = None,
        near: Prices | None = None,
    ) -> Proposal:
        """Solve the linear program and read amounts and prices, within a time limit.

        Parameters
        ----------
        basis
            Of a program over the same cells: where the simplex method starts.
        near
            Prices that those of the shared rows are near to: each group is solved alone at
            them, and the whole starts where all of these end.
        """
        if not self.rows:  # nothing is used that could be covered
            none = np.zeros(len(self.problem.columns))
            return Proposal(True, 0.0, none, zero_prices(self.problem), 0)
        solver = self._solver()
        grouped = near is not None and start_from_groups(
            self, solver, self._shared_duals(near), basis
        )
        if basis is not None and not grouped:
            solver.setBasis(self.lp.inherit(basis))
        if seconds is not None:
            solver.setOptionValue("time_limit", max(seconds, 0.1))
        try:
            solver.run()
        except ValueError:
            # HiGHS 1.11 loses its bookkeeping in the presolve of some tiny programs.
            solver = self._solver()
            solver.setOptionValue("presolve", "off")
            solver.run()
        self.solved = solver
        return self._read(solver)

    def basis(self) -> Basis | None:
        """Where the last solve ended."""
        return None if self.solved is None else self.lp.basis(self.solved)

    def relax(self, box: Box) -> Relaxation:
        """The linear program with the amounts in a box; from where the last box ended."""
        if self._warm is None:
            self._warm = self._solver()
            self._warm.setOptionValue("presolve", "off")
        count = len(self.problem.columns)
        index = np.arange(count, dtype=np.int32)
        self._warm.changeColsBounds(count, index, box.lower / self.unit, box.upper / self.unit)
        self._warm.run()
        found = self._read(self._warm)
        return Relaxation(
            found.feasible, found.objective, found.quantity, found.prices, np.zeros(0)
        )

    def best_whole(self, *, gap: float, nodes: int, seconds: float | None) -> Floats | None:
        """Amounts in whole steps that are best for the cells; ``None`` if none was found."""
        solver = self._solver()
        stepped = np.flatnonzero(self.problem.integer).astype(np.int32)
        kinds = np.full(len(stepped), INTEGER)
        solver.changeColsIntegrality(len(stepped), stepped, kinds)
        # Presolve of HiGHS 1.11 is wrong on some integer programs (tests/program/test_highs.py).
        solver.setOptionValue("presolve", "off")
        solver.setOptionValue("mip_rel_gap", gap)
        solver.setOptionValue("mip_max_nodes", nodes)
        if seconds is not None:
            solver.setOptionValue("time_limit", max(seconds, 0.1))
        solver.run()
        if solver.getInfo().primal_solution_status != 2:  # 2: a feasible point
            return None
        values = np.array(solver.getSolution().col_value)[: len(self.problem.columns)]
        return np.asarray(np.maximum(0.0, values * self.unit))

    def _solver(self) -> highspy.Highs:
        solver = new_solver()
        solver.passModel(self.model)
        return solver

    def _read(self, solver: highspy.Highs) -> Proposal:
        problem = self.problem
        count = len(problem.columns)
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return Proposal(False, np.inf, np.zeros(count), zero_prices(problem), self.rows)
        answer = solver.getSolution()
        row_dual = np.array(answer.row_dual) * self.scale
        prices, woken = self._prices(np.maximum(0.0, -row_dual)), None
        if self.idle.any():
            worth, woken = idle_worth(self, np.maximum(0.0, row_dual))
            prices.shared[:] += worth
        return Proposal(
            True,
            float(solver.getInfo().objective_function_value) * self.scale,
            np.maximum(0.0, np.array(answer.col_value)[:count] * self.unit),
            prices,
            self.rows,
            woken,
        )

    def _shared_duals(self, prices: Prices) -> Floats:
        """(rows,) ≥ 0: prices of hours as duals of the rows that join the groups; 0 elsewhere."""
        problem, structure, wide = self.problem, self.problem.structure, self.wide
        dual = np.zeros(self.rows)
        for at, rows, hourly in (
            (self.source_row, structure.row, prices.shared),
            (self.limit_row, np.arange(len(problem.limits.names)), prices.limits),
        ):
            for number, (level, where) in at.items():
                if level is wide:
                    worth = problem.weight * hourly[rows[number]]
                    dual[where] = np.bincount(level.label, worth, minlength=len(where))
        dual[self.link_row] = prices.links * self.link_size
        dual /= self.scale
        return np.where(dual > LEAST_DUAL, dual, 0.0)

    def _prices(self, dual: Floats) -> Prices:
        """Duals of cells as prices of hours."""
        problem, structure = self.problem, self.problem.structure
        prices = zero_prices(problem)
        for source, (level, rows) in self.source_row.items():
            prices.shared[structure.row[source]] = (dual[rows] / level.weight)[level.label]
        for limit, (level, rows) in self.limit_row.items():
            there = np.isfinite(problem.limits.most[limit])[problem.period]
            hourly = (dual[rows] / level.weight)[level.label]
            prices.limits[limit] = np.where(there, hourly, 0.0)
        for pool, rows in self.own_row.items():
            there = rows >= 0
            prices.rent[pool, there] = dual[rows[there]]
        prices.links[:] = np.minimum(
            dual[self.link_row] / self.link_size, problem.links.excess_price
        )
        return prices
