# SPDX-License-Identifier: Apache-2.0
"""Whole jobs into capacity blocks, by OR-Tools CP-SAT: optional intervals, cumulative.

A block is a window of fixed hours that is paid for as a whole; a job fits into it whole or
not at all.  That is a packing problem, which neither prices nor a relaxation see through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from optimizer.program.moves import Job
from optimizer.program.problem import Floats, Problem

# CP-SAT reckons in whole numbers: thousandths of a unit and of a dollar.
SCALE = 1_000
WORK = 60.0  # deterministic time: work, not seconds
MOST = 1 << 40


@dataclass(frozen=True)
class Block:
    """A window of capacity that covers jobs' pools.

    Attributes
    ----------
    column
        The column that buys it; −1 for one that is held.
    source, units
        The source that it adds to, and its units if it is held.
    begin, end
        Hours of the horizon in which it is in force.
    """

    column: int
    source: int
    units: float
    begin: int
    end: int


@dataclass(frozen=True)
class Packing:
    """Runs (H,) of the jobs that go into a block, None for the others; amounts (K,)."""

    runs: tuple[Floats | None, ...]
    quantity: Floats


@dataclass(frozen=True)
class _Way:
    """One way to run a job in a block: whether it is taken, from which hour, how."""

    taken: cp_model.IntVar
    start: cp_model.IntVar
    size: float
    length: int


def pack_jobs(
    problem: Problem,
    jobs: tuple[Job, ...],
    blocks: tuple[Block, ...],
    outside: Floats,
    *,
    seed: int,
) -> Packing | None:
    """Which jobs go into which block, when; None if no packing exists.

    Parameters
    ----------
    outside
        (jobs,) dollars of a job elsewhere; ``inf`` if it can only run in a block.

    Returns
    -------
    The cheapest packing: blocks bought + jobs elsewhere + delay.
    """
    packer = _Packer(problem, jobs)
    for block in blocks:
        packer.add(block)
    if not packer.choose(outside):
        return None
    packer.model.minimize(cp_model.LinearExpr.sum(packer.costs))
    solver = cp_model.CpSolver()
    # One worker, one seed, a limit on work: so that a run repeats.
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = WORK
    if solver.solve(packer.model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    runs: list[Floats | None] = [None] * len(jobs)
    for index, ways in enumerate(packer.ways):
        for way in ways:
            if solver.value(way.taken):
                run = np.zeros(len(jobs[index].hours))
                start = solver.value(way.start)
                run[start : start + way.length] = way.size
                runs[index] = run
    quantity = np.zeros(len(problem.columns))
    for column, steps in packer.bought.items():
        quantity[column] = solver.value(steps) * problem.step[column]
    return Packing(tuple(runs), quantity)


class _Packer:
    """The model: ways of each job, amounts of each block, and costs in thousandths."""

    def __init__(self, problem: Problem, jobs: tuple[Job, ...]) -> None:
        self.problem, self.jobs = problem, jobs
        self.needed = problem.needed()
        self.model = cp_model.CpModel()
        self.ways: list[list[_Way]] = [[] for _ in jobs]
        self.bought: dict[int, cp_model.IntVar] = {}
        self.costs: list[cp_model.LinearExprT] = []

    def add(self, block: Block) -> None:
        """All jobs that fit into a block, within its units."""
        intervals, demands = [], []
        for index, job in enumerate(self.jobs):
            draw = _draw(self.problem, block.source, job.pool)
            low = max(0, block.begin - job.begin)
            high = min(len(job.hours), block.end - job.begin)
            if draw is None or high <= low:
                continue
            # As large as it may be, and as small as the block's hours allow.
            for size in sorted({job.most, max(job.least, job.work / (high - low))}):
                length = int(np.ceil(job.work / size - 1e-9))
                if size > job.most + 1e-9 or high - low < length:
                    continue
                way = self._way(job, size, length, low, high)
                self.ways[index].append(way)
                intervals.append(
                    self.model.new_optional_fixed_size_interval_var(
                        way.start + job.begin, length, way.taken, ""
                    )
                )
                demands.append(int(np.ceil(size * draw * SCALE - 1e-6)))
        if intervals:
            self.model.add_cumulative(intervals, demands, self._units(block))

    def _way(self, job: Job, size: float, length: int, low: int, high: int) -> _Way:
        model = self.model
        way = _Way(model.new_bool_var(""), model.new_int_var(low, high - length, ""), size, length)
        if job.delay:
            late = model.new_int_var(0, len(job.hours), "")
            model.add(late >= way.start + length - job.shortest).only_enforce_if(way.taken)
            self.costs.append(round(job.delay * SCALE) * late)
        return way

    def _units(self, block: Block) -> cp_model.LinearExprT:
        """The block's units in thousandths: what is held, or what is bought of it."""
        if block.column < 0:
            return int(block.units * SCALE)
        column, problem, model = block.column, self.problem, self.model
        step, least = float(problem.step[column]), float(problem.minimum[column])
        steps = model.new_int_var(0, int(self.needed[column] / step + 1e-9), "")
        if least > step:
            opened = model.new_bool_var("")
            model.add(steps >= int(np.ceil(least / step - 1e-9))).only_enforce_if(opened)
            model.add(steps == 0).only_enforce_if(opened.negated())
        self.costs.append(round(float(problem.cost[column]) * step * SCALE) * steps)
        self.bought[column] = steps
        return steps * int(step * SCALE)

    def choose(self, outside: Floats) -> bool:
        """One way for every job, or elsewhere; False if a job has none."""
        for ways, elsewhere in zip(self.ways, outside, strict=True):
            taken = [way.taken for way in ways]
            if np.isfinite(elsewhere):
                other = self.model.new_bool_var("")
                taken.append(other)
                self.costs.append(min(round(float(elsewhere) * SCALE), MOST) * other)
            if not taken:
                return False
            self.model.add_exactly_one(taken)
        return True


def _draw(problem: Problem, source: int, pool: int) -> float | None:
    """What the source spends on a unit of the pool; None if it does not cover it."""
    pair = np.flatnonzero((problem.pair_source == source) & (problem.pair_pool == pool))
    return float(problem.pair_draw[pair[0]]) if len(pair) else None
