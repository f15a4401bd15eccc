# SPDX-License-Identifier: Apache-2.0
"""Random small problems with work that may move, and what they cost by trying everything.

The search shares nothing with the program: purchases and the hours in which jobs run are
enumerated, and GLOP decides what is continuous (coverage, units of a gang, shares moved).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.lawcost import LawOutcome
from optimizer.program.moves import Job, Moves, Option, Work, ceiling, with_moves
from optimizer.program.problem import Problem

from .limited import limited_problem
from .small import Exact, choices, random_problem

MOST_TRIES = 700


def patterns(job: Job) -> list[tuple[bool, ...]]:
    """All ways to be on: one run, or any if the job may pause."""
    hours = len(job.hours)
    if job.preemptible:
        return [p for p in product((False, True), repeat=hours) if any(p)]
    return [
        tuple(a <= h < b for h in range(hours))
        for a in range(hours)
        for b in range(a + 1, hours + 1)
    ]


class MovingExact(Exact):
    """All hours with work that moves, for amounts in ranges and jobs on in given hours.

    ``problem`` has the demand that cannot move, and the limits.
    """

    def __init__(self, problem: Problem, moves: Moves) -> None:
        self.moves, self.late = moves, 0.0
        self.on = tuple((True,) * len(job.hours) for job in moves.jobs)
        super().__init__(problem)

    def _write(self) -> None:
        super()._write()
        p, lp = self.expanded, self.solver
        self.tolerances: dict[tuple[int, int], Any] = {}
        for (pool, t), unit in self.on_spot.items():
            row = lp.Constraint(-lp.infinity(), float(p.tolerant[pool, t]))
            row.SetCoefficient(unit, 1.0)
            unit.SetUb(math.inf)
            self.tolerances[pool, t] = row
        for work in self.moves.works:
            self._work(work)
        self.runs = [self._job(job) for job in self.moves.jobs]
        self._switch_on()

    def _arrive(self, variable: Any, where: tuple[int, int], units: float, tolerant: float) -> None:
        """A unit of the variable adds demand, and with it what limits count demand by."""
        p, (pool, t) = self.expanded, where
        changes = [(self.meets[where], -units)]
        if where in self.tolerances:
            changes.append((self.tolerances[where], -tolerant))
        if where in self.able:
            changes.append((self.able[where], -float(p.availability[where]) * units))
        for row, each, window in zip(self.ties, p.links.demand, p.links.window, strict=True):
            if window[t]:
                changes.append((row, -float(each[pool] * p.count[t]) * units))
        for row, change in changes:
            row.SetCoefficient(variable, row.GetCoefficient(variable) + change)

    def _work(self, work: Work) -> None:
        p, lp, objective = self.expanded, self.solver, self.solver.Objective()
        for t in range(p.hours):  # all of it stays, but for what a share takes away
            whole = lp.NumVar(1, 1, "")
            self._arrive(whole, (work.pool, t), float(work.units[t]), float(work.tolerant[t]))
        before: list[Any] = []
        for e in range(self.moves.epochs):
            row = [lp.NumVar(0, option.share, "") for option in work.options]
            one = lp.Constraint(-lp.infinity(), 1.0)
            for o, (share, option) in enumerate(zip(row, work.options, strict=True)):
                one.SetCoefficient(share, 1.0)
                moved, rise = lp.NumVar(0, lp.infinity(), ""), lp.Constraint(0.0, lp.infinity())
                objective.SetCoefficient(moved, float(option.switch[e]))
                rise.SetCoefficient(moved, 1.0)
                rise.SetCoefficient(share, -1.0)
                if before:
                    rise.SetCoefficient(before[o], 1.0)
                egress = 0.0
                for t in np.flatnonzero((self.moves.epoch == e) & (option.open > 0)):
                    units, part, hour = float(work.units[t]), float(work.tolerant[t]), int(t)
                    self._arrive(share, (work.pool, hour), -units, -part)
                    there = option.ratio * units, option.ratio * part
                    self._arrive(share, (option.pool, hour), *there)
                    egress += option.egress * units * float(p.weight[t])
                objective.SetCoefficient(share, egress)
            before = row

    def _job(self, job: Job) -> tuple[Any, list[Any]]:
        done = self.solver.Constraint(job.work, self.solver.infinity())
        units = []
        for t in job.hours:
            unit = self.solver.NumVar(0, 0, "")
            self._arrive(unit, (job.pool, int(t)), 1.0, float(job.preemptible))
            units.append(unit)
        return done, units

    def _switch_on(self) -> None:
        """Units of a job within its gang while it is on; resuming loses some of them."""
        self.late = 0.0
        for job, (done, units), on in zip(self.moves.jobs, self.runs, self.on, strict=True):
            first, last = on.index(True), len(on) - on[::-1].index(True)
            for h, unit in enumerate(units):
                unit.SetBounds(job.least if on[h] else 0.0, job.most if on[h] else 0.0)
                resumed = on[h] and h != first and not on[h - 1]
                done.SetCoefficient(unit, 1.0 - (job.restart if resumed else 0.0))
            self.late += job.delay * max(0, last - math.ceil(job.work / job.most - 1e-9))

    def with_jobs(self, on: tuple[tuple[bool, ...], ...]) -> MovingExact:
        """The same with jobs on in these hours."""
        self.on = on
        self._switch_on()
        return self

    def cost(self, ranges: list[tuple[float, float]]) -> float:
        return super().cost(ranges) + self.late


def brute_force_moving(problem: Problem, moves: Moves) -> float:
    """The free-choice optimum over purchases and placements; inf if there is no plan."""
    best, exact = math.inf, MovingExact(problem, moves)
    for on in product(*(patterns(job) for job in moves.jobs)):
        exact.with_jobs(on)
        for amounts in product(*choices(ceiling(problem, moves))):
            best = min(best, exact.cost(list(amounts)))
    return best


def tries(problem: Problem, moves: Moves) -> int:
    """How many linear programs the search solves."""
    return math.prod(
        [len(row) for row in choices(ceiling(problem, moves))]
        + [len(patterns(job)) for job in moves.jobs]
    )


def random_base(rng: np.random.Generator, seed: int, hours: int) -> Problem:
    """A random small problem stretched to some hours, with all prices there."""
    base = random_problem(seed)
    index = np.sort(rng.integers(0, base.hours, hours))
    problem = base.take(index)
    demand = problem.demand * rng.choice([0.5, 1.0, 1.5], problem.demand.shape)
    return replace(
        problem,
        demand=demand,
        tolerant=problem.tolerant / np.maximum(problem.demand, 1e-9) * demand,
        weight=rng.choice([1.0, 1.0, 1.0, 0.5, 2.0], hours),
        count=np.ones(hours),
        maximum=np.minimum(problem.maximum, 4.0),
    )


Base = Callable[[np.random.Generator, int, int], Problem]


def limited_base(rng: np.random.Generator, seed: int, hours: int) -> Problem:
    """A random small problem with limits and linking rows; a share of spot follows demand."""
    problem = limited_problem(seed)
    index = np.sort(rng.integers(0, problem.hours, hours))
    links = problem.links
    share = np.array([0.1 * name.startswith("coverage.spot_share") for name in links.names])
    return replace(
        problem,
        weight=problem.weight[index],
        count=problem.count[index],
        period=problem.period[index],
        demand=problem.demand[:, index],
        tolerant=problem.tolerant[:, index],
        maximum=np.minimum(problem.maximum, 4.0),
        links=replace(links, demand=share[:, None] * links.spot) if links.names else links,
    )


def random_substitution(seed: int, base: Base = random_base) -> tuple[Problem, Moves]:
    """One or two works with one or two places to go, over 4–10 hours in epochs of 2–4."""
    rng = np.random.default_rng(10_000 + seed)
    for attempt in range(200):
        hours, length = int(rng.integers(4, 11)), int(rng.integers(2, 5))
        problem = base(rng, seed * 200 + attempt, hours)
        pools = len(problem.pools)
        if pools < 2:
            continue
        epoch = np.arange(hours) // length
        works = []
        for number in range(int(rng.integers(1, 3))):
            pool = int(rng.integers(pools))
            units = rng.integers(0, 6, hours) / 2.0
            options = []
            for to in range(pools):
                if to != pool and (not options or rng.random() < 0.5):
                    options.append(
                        Option(
                            pool=to,
                            ratio=float(rng.choice([0.5, 0.8, 1.0, 1.5])),
                            share=float(rng.choice([1.0, 1.0, 0.5, 0.3])),
                            egress=float(rng.choice([0.0, 0.0, 0.1, 0.5])),
                            open=(np.arange(hours) >= rng.choice([0, 0, 0, 3])).astype(float),
                            switch=rng.choice([0.0, 0.5, 2.0]) * np.ones(int(epoch.max()) + 1),
                        )
                    )
            share = rng.choice([0.0, 0.0, 0.5, 1.0])
            works.append(Work(f"w{number}", pool, units, share * units, tuple(options)))
        moves = Moves(tuple(works), (), epoch)
        if tries(problem, moves) <= MOST_TRIES:
            return with_moves(problem, moves), moves
    raise AssertionError


def random_jobs(seed: int, base: Base = random_base) -> tuple[Problem, Moves]:
    """One or two jobs of every kind over 4–8 hours."""
    rng = np.random.default_rng(20_000 + seed)
    for attempt in range(400):
        hours = int(rng.integers(4, 9))
        problem = base(rng, seed * 400 + attempt, hours)
        jobs = []
        for number in range(int(rng.integers(1, 3))):
            first = int(rng.integers(0, hours - 2))
            last = int(rng.integers(first + 2, min(hours, first + 6) + 1))
            most = float(rng.integers(1, 4))
            least = float(rng.choice([most, most, most / 2, 1.0]))
            pausing = bool(rng.random() < 0.5)
            work = most * (last - first) * float(rng.choice([0.3, 0.5, 0.6, 0.8]))
            jobs.append(
                Job(
                    f"j{number}",
                    int(rng.integers(len(problem.pools))),
                    np.arange(first, last),
                    work,
                    min(least, most),
                    most,
                    pausing,
                    float(rng.choice([0.0, 0.0, 0.25, 0.5])) if pausing else 0.0,
                    float(rng.choice([0.0, 0.0, 0.2, 1.0])),
                )
            )
        moves = Moves((), tuple(jobs), np.zeros(hours, dtype=np.int64))
        if tries(problem, moves) <= MOST_TRIES:
            return with_moves(problem, moves), moves
    raise AssertionError


class FreeLaw:
    """A law that does what is best: the free-choice cost of amounts at one placement."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.program = ArrayProgram(problem)

    def prefer_spot(self, unit_prices: np.ndarray) -> None:
        """Free choice needs no preference."""

    def choose_spot(self, rents: np.ndarray) -> None:
        """Free choice has chosen."""

    def objective(self, quantity: np.ndarray) -> float:
        return self.program.relax(Box(quantity, quantity)).objective

    def outcome(self, quantity: np.ndarray, *, quick: bool = False) -> LawOutcome:
        hours = np.arange(self.problem.hours)
        spent = float(self.problem.cost @ quantity)
        hourly = np.array(
            [
                ArrayProgram(self.problem.take(hours[[n]])).relax(Box(quantity, quantity)).objective
                for n in hours
            ]
        )
        hourly = (hourly - spent) / self.problem.weight
        objective = spent + float(self.problem.weight @ hourly)
        none = np.zeros((0, 0))
        return LawOutcome(objective, hourly, none, none, none, none, np.zeros(0))
