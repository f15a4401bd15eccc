# SPDX-License-Identifier: Apache-2.0
"""The same program as arrays for HiGHS: for prices, cells and fixed purchases.

Variables are laid out Q, y, r, u, v, z; rows are coverage.meet, coverage.draw,
coverage.limit, the linking rows, coverage.availability and purchase.range.
Only cells of the program that can be above zero are written, and sources that are alike
(:mod:`~optimizer.program.alike`) cover as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.program.alike import first_alike, member_entries, within_cost
from optimizer.program.arrayrows import (
    Cells,
    availability_rows,
    from_triplets,
    limit_rows,
    link_rows,
)
from optimizer.program.peaks import purchase_rows
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Flags, Floats, Ints, Problem
from optimizer.program.solution import ProgramSolution, may_be_bought
from optimizer.program.status import Status

INTEGER = highspy.HighsVarType.kInteger
INTERIOR_ROWS = 20_000  # from which a row over all hours makes the simplex method too slow
CONTINUOUS = highspy.HighsVarType.kContinuous


@dataclass(frozen=True)
class Box:
    """Bounds on the columns' quantities, each of shape (K,): a node of the search."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Relaxation:
    """An LP answer with the prices of its rows."""

    feasible: bool
    objective: float
    quantity: Floats
    prices: Prices
    covered: Floats


class ArrayProgram:
    """The program of one problem, written once, solved for any box of purchases."""

    def __init__(self, problem: Problem) -> None:
        self.whole = problem
        self.problem = problem = problem.expand()
        self.scale = float(problem.weight.sum()) or 1.0
        # What sources alike hold and cover is the first one's.
        self.first = first_alike(problem)
        self.held = np.zeros_like(problem.held)
        np.add.at(self.held, self.first, problem.held)
        active = np.zeros_like(problem.active)
        np.logical_or.at(active, self.first, problem.active)
        usable = (self.held > 0) | active
        usable &= (self.first == np.arange(len(problem.sources)))[:, None]
        wanted = problem.demand > 0
        # (index, hour) of every variable that can be above zero.
        self.y = _cells(wanted[problem.pair_pool] & usable[problem.pair_source])
        spot = wanted & (problem.tolerant > 0) & np.isfinite(problem.spot_price)[:, None]
        self.r = _cells(spot)
        self.u = _cells(wanted & np.isfinite(problem.price))
        self.v = _cells(wanted & np.isfinite(problem.penalty)[:, None])
        self.meet = np.nonzero(wanted)
        drawn = np.zeros((len(problem.sources), problem.hours), dtype=bool)
        drawn[problem.pair_source[self.y[0]], self.y[1]] = True
        self.draw = np.nonzero(drawn)
        sizes = (len(problem.columns), *(len(at[0]) for at in (self.y, self.r, self.u, self.v)))
        self.offset = np.cumsum([0, *sizes, len(problem.links.names)])
        first = [int(at) for at in self.offset]
        self.cells = Cells(self.y, self.r, self.u, first[1], first[2], first[3], first[5])
        self.limit_rows, self.limit_at = limit_rows(problem, self.cells)
        self.availability_rows = availability_rows(problem, self.cells)
        self.link_sizes = np.ones(len(problem.links.names))

    def relax(self, box: Box) -> Relaxation:
        """Solve the LP relaxation within a box; prices are the duals of its rows."""
        solver = self._relaxed(box)
        if _outcome(solver) != highspy.HighsModelStatus.kOptimal:
            count = len(self.problem.columns)
            return Relaxation(False, np.inf, np.zeros(count), zero_prices(self.whole), np.zeros(0))
        answer = solver.getSolution()
        values = np.array(answer.col_value)
        duals = np.maximum(0.0, -np.array(answer.row_dual)) * self.scale
        duals = duals[len(self.meet[0]) :]
        draws, limited = len(self.draw[0]), len(self.limit_at[0])
        prices = np.zeros((len(self.problem.sources), self.problem.hours))
        prices[self.draw] = duals[:draws] / self.problem.weight[self.draw[1]]
        prices = within_cost(self.problem, self.first, prices[self.first])
        limits = np.zeros((len(self.problem.limits.names), self.problem.hours))
        limits[self.limit_at] = (
            duals[draws : draws + limited] / self.problem.weight[self.limit_at[1]]
        )
        links = duals[draws + limited :][: len(self.problem.links.names)] / self.link_sizes
        links = np.minimum(links, self.problem.links.excess_price)
        count = len(self.problem.columns)
        covered = np.zeros((len(self.problem.pair_source), self.problem.hours))
        covered[self.y] = values[count : count + len(self.y[0])]
        objective = float(solver.getInfo().objective_function_value) * self.scale
        return Relaxation(
            True, objective, values[:count], self._prices(prices, limits, links), covered
        )

    def solve(self, box: Box, *, gap: float, nodes: int) -> ProgramSolution:
        """Solve with whole units; stops at the gap or after so many nodes."""
        whole = self._already_whole(box)
        if whole is not None:
            return whole
        solver = self._solver(box, integer=True)
        # Presolve of HiGHS 1.11 calls a wrong answer optimal, or feasible programs infeasible,
        # in 1 of 1,000 small programs (tests/program/test_highs.py).
        solver.setOptionValue("presolve", "off")
        solver.setOptionValue("mip_rel_gap", gap)
        solver.setOptionValue("mip_abs_gap", 0.0)
        solver.setOptionValue("mip_max_nodes", nodes)
        solver.run()
        info, count = solver.getInfo(), len(self.problem.columns)
        outcome = _outcome(solver)
        if outcome == highspy.HighsModelStatus.kInfeasible:
            return ProgramSolution(Status.INFEASIBLE, np.zeros(count), np.inf, np.inf)
        optimal = outcome == highspy.HighsModelStatus.kOptimal
        if info.primal_solution_status != 2 and not optimal:  # 2: a feasible point
            return ProgramSolution(Status.ERROR, np.zeros(count), np.inf, -np.inf)
        unit = np.where(self.problem.integer, self.problem.step, 1.0)
        objective = float(info.objective_function_value)
        # HiGHS fills mip_dual_bound only for programs with whole numbers.
        bound = float(info.mip_dual_bound) if info.mip_node_count >= 0 else objective
        return ProgramSolution(
            status=Status.OPTIMAL if optimal else Status.STOPPED,
            quantity=np.maximum(0.0, np.array(solver.getSolution().col_value)[:count] * unit),
            objective=objective * self.scale,
            bound=bound * self.scale,
        )

    def _relaxed(self, box: Box) -> highspy.Highs:
        """The solver after the LP relaxation."""
        solver = self._solver(box, integer=False)
        if self.problem.rows > INTERIOR_ROWS and len(self.problem.links.names) > len(
            purchase_rows(self.problem)
        ):
            # A row over all hours makes every basis dense; any prices prove a bound.
            solver.setOptionValue("solver", "ipm")
            solver.setOptionValue("run_crossover", "off")
        solver.run()
        return solver

    def _already_whole(self, box: Box) -> ProgramSolution | None:
        """The relaxation's answer where its amounts may be bought as they are.

        Terms that start hour by hour are intervals, whose linear program has whole corners.
        """
        solver = self._relaxed(box)
        if _outcome(solver) != highspy.HighsModelStatus.kOptimal:
            return None  # said by the program itself, without presolve
        values = np.array(solver.getSolution().col_value)[: len(self.problem.columns)]
        amounts = may_be_bought(self.problem, values)
        objective = float(solver.getInfo().objective_function_value) * self.scale
        if amounts is None:
            return None
        return ProgramSolution(Status.OPTIMAL, amounts, objective, objective)

    def _prices(self, by_source: Floats, limits: Floats, links: Floats) -> Prices:
        """Prices of shared sources by hour, and of own ones as rent over their regimes."""
        whole, structure = self.whole, self.whole.structure
        rent = zero_prices(whole).rent
        for pool, pairs in enumerate(structure.own_pairs):
            if not len(pairs):
                continue
            # The least worth of a unit among the own sources in force: no purchase earns more.
            unit = np.full(whole.hours, np.inf)
            for pair in pairs:
                source = whole.pair_source[pair]
                there = self.problem.active[source] & (self.problem.demand[pool] > 0)
                worth = whole.pair_draw[pair] * by_source[source]
                np.minimum(unit, np.where(there, worth, np.inf), out=unit)
            unit = np.where(np.isfinite(unit), unit, 0.0) * whole.weight
            regime = structure.regime[whole.period]
            rent[pool] = np.bincount(regime, unit, minlength=structure.regimes)
        return Prices(by_source[structure.shared], rent, limits, links)

    def _solver(self, box: Box, *, integer: bool) -> highspy.Highs:
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("random_seed", 0)
        solver.passModel(self._model(box, integer=integer))
        return solver

    def _model(self, box: Box, *, integer: bool) -> highspy.HighsLp:
        """Columns: Q in steps if integer (else in units), y, r, u, v, z, then β."""
        problem, count = self.problem, len(self.problem.columns)
        links = problem.links
        weight = problem.weight / self.scale
        offset, sizes = self.offset, np.diff(self.offset)
        # β only where a minimum is asked for and the box leaves zero open.
        opened = (
            np.flatnonzero((problem.minimum > 0) & (box.lower <= 0) & (box.upper > 0))
            if integer
            else np.zeros(0, dtype=np.int64)
        )
        columns = int(offset[-1]) + len(opened)
        # A whole number counts steps, so that an amount is always a multiple of its step.
        unit = np.where(problem.integer, problem.step, 1.0) if integer else np.ones(count)
        cost = np.concatenate(
            [
                problem.cost * unit / self.scale,
                np.zeros(sizes[1]),
                weight[self.r[1]] * problem.spot_price[self.r[0]],
                weight[self.u[1]] * problem.price[self.u],
                weight[self.v[1]] * problem.penalty[self.v[0]],
                np.where(np.isfinite(links.excess_price), links.excess_price, 0.0) / self.scale,
                np.zeros(len(opened)),
            ]
        )
        lower, upper = np.zeros(columns), np.full(columns, np.inf)
        lower[:count], upper[:count] = box.lower / unit, box.upper / unit
        upper[offset[2] : offset[3]] = problem.tolerant[self.r]
        # Rows without a price for exceeding them are hard: their z is fixed at zero.
        upper[offset[5] : offset[6]] = np.where(np.isfinite(links.excess_price), np.inf, 0.0)
        upper[offset[6] :] = 1.0

        meets, draws = len(self.meet[0]), len(self.draw[0])
        meet_row = np.full(problem.demand.shape, -1)
        meet_row[self.meet] = np.arange(meets)
        draw_row = np.full(problem.held.shape, -1)
        draw_row[self.draw] = meets + np.arange(draws)
        members = member_entries(problem, self.first, draw_row, unit)
        row = [
            meet_row[problem.pair_pool[self.y[0]], self.y[1]],
            draw_row[problem.pair_source[self.y[0]], self.y[1]],
            meet_row[self.r],
            meet_row[self.u],
            meet_row[self.v],
            members[0],
        ]
        index = [
            offset[1] + np.arange(sizes[1]),
            offset[1] + np.arange(sizes[1]),
            offset[2] + np.arange(sizes[2]),
            offset[3] + np.arange(sizes[3]),
            offset[4] + np.arange(sizes[4]),
            members[1],
        ]
        value = [
            np.ones(sizes[1]),
            problem.pair_draw[self.y[0]],
            np.ones(sizes[2]),
            np.ones(sizes[3]),
            np.ones(sizes[4]),
            -members[2],
        ]
        low = [problem.demand[self.meet], np.full(draws, -np.inf)]
        high = [problem.demand[self.meet], self.held[self.draw]]
        rows = meets + draws
        linked, self.link_sizes = link_rows(problem, self.cells, unit)
        for family in (self.limit_rows, linked, self.availability_rows):
            row.append(rows + family.row)
            index.append(family.column)
            value.append(family.value)
            low.append(np.full(len(family.most), -np.inf))
            high.append(family.most)
            rows += len(family.most)
        for number, column in enumerate(opened):
            beta = int(offset[6]) + number
            # purchase.range: Q − min·β ≥ 0 and Q − most·β ≤ 0
            row.append(np.array([rows, rows, rows + 1, rows + 1]))
            index.append(np.array([column, beta, column, beta]))
            each = unit[column]
            value.append(np.array([each, -problem.minimum[column], each, -box.upper[column]]))
            low += [np.array([0.0, -np.inf])]
            high += [np.array([np.inf, 0.0])]
            rows += 2
        kinds = None
        if integer:
            stepped = problem.integer
            kinds = [CONTINUOUS] * columns
            for column in [*np.flatnonzero(stepped), *range(int(offset[6]), columns)]:
                kinds[int(column)] = INTEGER
        return from_triplets(
            cost,
            lower,
            upper,
            np.concatenate(low),
            np.concatenate(high),
            np.concatenate(row),
            np.concatenate(index),
            np.concatenate(value),
            kinds,
        )


def _outcome(solver: highspy.Highs) -> highspy.HighsModelStatus:
    """The solver's status; without variables its rows are kept by nothing, or cannot be."""
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kModelEmpty:
        return status
    lp = solver.getLp()
    kept = (np.array(lp.row_lower_) <= 0).all() and (np.array(lp.row_upper_) >= 0).all()
    return highspy.HighsModelStatus.kOptimal if kept else highspy.HighsModelStatus.kInfeasible


def _cells(there: Flags) -> tuple[Ints, Ints]:
    """(index, hour) of a table's true entries."""
    index, hour = np.nonzero(there)
    return np.asarray(index, dtype=np.int64), np.asarray(hour, dtype=np.int64)
