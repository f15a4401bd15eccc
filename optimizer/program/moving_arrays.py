# SPDX-License-Identifier: Apache-2.0
"""The relaxation of a program with work that may move, as arrays: for prices and placements.

Columns for shares and runs are added behind those of :class:`ArrayProgram`, so that its
rows, and its way of reading prices from them, stay as they are.  A job of one contiguous
size is a mixture of its windows, which is as tight as it can be; other jobs are units in
hours, without their gang.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import highspy
import numpy as np

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.moves import Job, Moves, Work, ceiling, link_hours
from optimizer.program.problem import Floats, Ints, Problem, merge_labels

# Windows of one job beyond which it is relaxed to units in hours: memory, not truth.
MOST_STARTS = 400


@dataclass
class _Columns:
    """Columns and rows to add, in order: costs, bounds, and entries by column."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    entries: list[list[tuple[int, float]]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def column(self, cost: float, upper: float, entries: list[tuple[int, float]]) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        # Leaving one pool for another may touch a linking row twice.
        sums: dict[int, float] = {}
        for row, value in entries:
            sums[row] = sums.get(row, 0.0) + value
        self.entries.append(list(sums.items()))
        return len(self.cost) - 1

    def row(self, low: float, high: float) -> int:
        """A row among those that are added, numbered from 0."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1


class MovingProgram(ArrayProgram):
    """The program of one problem of what cannot move, and of what may."""

    def __init__(self, problem: Problem, moves: Moves) -> None:
        super().__init__(ceiling(problem, moves))
        self.fixed, self.moves = problem, moves
        stay = np.zeros_like(problem.demand)
        tolerant = problem.tolerant.copy()
        for work in moves.works:
            stay[work.pool] += work.units
            tolerant[work.pool] += work.tolerant
        self.base = problem.demand + stay  # with all work where it is today
        self.base_tolerant = tolerant
        self.meet_row = np.full(self.base.shape, -1)
        self.meet_row[self.meet] = np.arange(len(self.meet[0]))
        links = problem.links
        # (I, P, N) what a unit of demand adds to the right-hand side of a linking row.
        self.follows = (
            None
            if not links.demand.any()
            else links.demand[:, :, None] * link_hours(problem)[:, None]
        )

    def _model(self, box: Box, *, integer: bool) -> highspy.HighsLp:
        lp = super()._model(box, integer=integer)
        low, high = np.array(lp.row_lower_), np.array(lp.row_upper_)
        count = len(self.meet[0])
        low[:count] = high[:count] = self.base[self.meet]
        first = count + len(self.draw[0]) + len(self.limit_at[0])
        self.first_link = first
        if self.follows is not None:
            # Rows that follow the demand start from that of today.
            stay = np.einsum("ipn,pn->i", self.follows, self.base - self.fixed.demand)
            high[first : first + len(stay)] += stay / self.link_sizes
        lp.row_lower_, lp.row_upper_ = low, high
        return lp

    def _solver(self, box: Box, *, integer: bool) -> highspy.Highs:
        self.solver = solver = super()._solver(box, integer=integer)
        self.share_column: list[Ints] = []
        rows, first = solver.getNumRow(), len(self.problem.columns) + len(self.y[0])
        added = _Columns()
        # coverage.spot of pools where work arrives: r − Σ arriving ≤ what is there today.
        self.spot_row = np.full(self.base.shape, -1)
        touched = {work.pool for work in self.moves.works}
        touched |= {option.pool for work in self.moves.works for option in work.options}
        touched |= {job.pool for job in self.moves.jobs if job.preemptible}
        spots = [k for k, pool in enumerate(self.r[0]) if int(pool) in touched]
        for k in spots:
            where = int(self.r[0][k]), int(self.r[1][k])
            self.spot_row[where] = rows + added.row(-np.inf, float(self.base_tolerant[where]))
        for work in self.moves.works:
            self._add_work(added, work, rows)
        for job in self.moves.jobs:
            self._add_job(added, job, rows)
        count = len(added.low)
        solver.addRows(
            count,
            np.array(added.low),
            np.array(added.high),
            len(spots),
            np.minimum(np.arange(count), len(spots)).astype(np.int32),
            np.array([first + k for k in spots], dtype=np.int32),
            np.ones(len(spots)),
        )
        lengths = [len(entries) for entries in added.entries]
        flat = [entry for entries in added.entries for entry in entries]
        solver.addCols(
            len(added.cost),
            np.array(added.cost) / self.scale,
            np.zeros(len(added.cost)),
            np.array(added.upper),
            len(flat),
            np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32),
            np.array([row for row, _ in flat], dtype=np.int32),
            np.array([value for _, value in flat], dtype=np.float64),
        )
        return solver

    def shares(self) -> tuple[Floats, ...]:
        """Shares (E, options) of each work in the relaxation that was solved last."""
        values = np.array(self.solver.getSolution().col_value)
        first = int(self.offset[-1])  # a relaxation has no columns behind these
        found = []
        for work, column in zip(self.moves.works, self.share_column, strict=True):
            caps = np.array([option.share for option in work.options])
            part = np.clip(values[first + column], 0.0, caps)
            part[part < 1e-7] = 0.0
            found.append(part / np.maximum(part.sum(axis=1, keepdims=True), 1.0))
        return tuple(found)

    def _at(
        self, pool: int, hours: Ints, units: Floats, tolerant: Floats
    ) -> list[tuple[int, float]]:
        """Entries of units that leave a pool (negative: arrive) in some hours."""
        found = []
        for hour, unit, part in zip(hours, units, tolerant, strict=True):
            row, spot = int(self.meet_row[pool, hour]), int(self.spot_row[pool, hour])
            if unit and row >= 0:
                found.append((row, float(unit)))
            if part and spot >= 0:
                found.append((spot, float(part)))
        if self.follows is not None:
            made = self.follows[:, pool, hours] @ units / self.link_sizes
            found += [
                (self.first_link + row, float(made[row])) for row in map(int, np.flatnonzero(made))
            ]
        return found

    def _add_work(self, added: _Columns, work: Work, rows: int) -> None:
        epochs = self.moves.epochs
        whole = [rows + added.row(-np.inf, 1.0) for _ in range(epochs)]
        self.share_column.append(np.zeros((epochs, len(work.options)), dtype=np.int64))
        for number, option in enumerate(work.options):
            before = -1
            for epoch in range(epochs):
                hours = np.flatnonzero(
                    (self.moves.epoch == epoch) & (option.open > 0) & (work.units > 0)
                )
                units, tolerant = work.units[hours], work.tolerant[hours]
                cost = option.egress * float(units @ self.problem.weight[hours])
                entries = [(whole[epoch], 1.0)]
                entries += self._at(work.pool, hours, units, tolerant)
                entries += self._at(
                    option.pool, hours, -option.ratio * units, -option.ratio * tolerant
                )
                share = added.column(cost, option.share, entries)
                self.share_column[-1][epoch, number] = share
                if option.switch[epoch] > 0:
                    rise = rows + added.row(0.0, np.inf)
                    added.column(float(option.switch[epoch]), 1.0, [(rise, 1.0)])
                    added.entries[share].append((rise, -1.0))
                    if before >= 0:
                        added.entries[before].append((rise, 1.0))
                before = share

    def _add_job(self, added: _Columns, job: Job, rows: int) -> None:
        count, length = len(job.hours), job.shortest
        if job.rigid and count - length + 1 <= MOST_STARTS:
            once = rows + added.row(1.0, np.inf)
            for start in range(count - length + 1):
                window = job.hours[start : start + length]
                hours, times = np.unique(window, return_counts=True)
                units = -job.most * times / self._merged(hours)
                entries = self._at(job.pool, hours, units, np.zeros(len(hours)))
                added.column(job.delay * start, 1.0, [(once, 1.0), *entries])
            return
        # Hours of one merged column stand for as many hours as the job has there.
        done = rows + added.row(job.work, np.inf)
        columns, times = np.unique(job.hours, return_counts=True)
        for column, number in zip(columns, times, strict=True):
            part = -number / self._merged(np.array([column]))
            entries = self._at(
                job.pool, np.array([column]), part, part if job.preemptible else 0 * part
            )
            added.column(0.0, job.most, [(done, float(number)), *entries])

    def _merged(self, columns: Ints) -> Floats:
        """Hours that some columns stand for."""
        return np.maximum(1.0, self.fixed.count[columns])


def merge_moves(problem: Problem, moves: Moves, labels: Ints) -> tuple[Problem, Moves]:
    """Average hours that carry the same label, of the problem and of the work in them.

    Hours of one label must be of one period and one epoch.  Jobs keep their hours, which
    now name the merged ones.
    """
    merged = merge_labels(problem, labels)
    count = merged.hours

    def mean(values: Floats) -> Floats:
        return np.asarray(
            np.bincount(labels, values * problem.weight, minlength=count) / merged.weight
        )

    works = tuple(
        replace(
            work,
            units=(units := mean(work.units)),
            tolerant=mean(work.tolerant),
            options=tuple(
                replace(
                    option,
                    open=np.divide(
                        mean(option.open * work.units), units, out=np.zeros(count), where=units > 0
                    ),
                )
                for option in work.options
            ),
        )
        for work in moves.works
    )
    first = np.zeros(count, dtype=np.int64)
    first[labels[::-1]] = np.arange(len(labels))[::-1]
    jobs = tuple(replace(job, hours=labels[job.hours]) for job in moves.jobs)
    return merged, Moves(works, jobs, moves.epoch[first])
