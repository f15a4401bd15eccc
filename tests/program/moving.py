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

import numpy as np
from ortools.linear_solver import pywraplp

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.lawcost import LawOutcome
from optimizer.program.moves import Job, Moves, Option, Work, ceiling, with_moves
from optimizer.program.problem import Problem

from .limited import limited_problem
from .small import choices, random_problem

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


class _Written:
    """The program with amounts in ranges and jobs on in given hours, for GLOP."""

    def __init__(self, problem: Problem, moves: Moves) -> None:
        self.p, self.moves = problem.expand(), moves
        self.lp = pywraplp.Solver.CreateSolver("GLOP")
        self.objective = self.lp.Objective()
        self.objective.SetMinimization()
        self.meets: dict[tuple[int, int], pywraplp.Constraint] = {}
        self.spots: dict[tuple[int, int], pywraplp.Constraint] = {}
        self.constant = 0.0

    def free(self, most: float = math.inf) -> pywraplp.Variable:
        return self.lp.NumVar(0, most, "")

    def coverage(self, amounts: tuple[tuple[float, float], ...]) -> None:
        p, lp = self.p, self.lp
        buy = [lp.NumVar(low, high, "") for low, high in amounts]
        for k, amount in enumerate(buy):
            self.objective.SetCoefficient(amount, float(p.cost[k]))
        for t in range(p.hours):
            rooms = [lp.Constraint(-lp.infinity(), float(h)) for h in p.held[:, t]]
            for k, s, ratio in zip(p.member_column, p.member_source, p.member_ratio, strict=True):
                if p.active[s, t]:
                    rooms[s].SetCoefficient(buy[k], -float(ratio))
            for pool in range(len(p.pools)):
                self.usage(pool, t)
            for s, pool, draw in zip(p.pair_source, p.pair_pool, p.pair_draw, strict=True):
                unit = self.free()
                self.meets[pool, t].SetCoefficient(unit, 1.0)
                rooms[s].SetCoefficient(unit, float(draw))

    def usage(self, pool: int, t: int) -> None:
        """Demand with all work where it is, and what serves it without a commitment."""
        p, lp = self.p, self.lp
        here = [work for work in self.moves.works if work.pool == pool]
        demand = float(p.demand[pool, t]) + sum(float(work.units[t]) for work in here)
        tolerant = float(p.tolerant[pool, t]) + sum(float(work.tolerant[t]) for work in here)
        meet = self.meets[pool, t] = lp.Constraint(demand, demand)
        spot = self.spots[pool, t] = lp.Constraint(-lp.infinity(), tolerant)
        for price, is_spot in ((p.price[pool, t], False), (p.spot_price[pool], True)):
            if math.isfinite(price):
                unit = self.free()
                meet.SetCoefficient(unit, 1.0)
                self.objective.SetCoefficient(unit, float(p.weight[t]) * float(price))
                if is_spot:
                    spot.SetCoefficient(unit, 1.0)

    def work(self, work: Work) -> None:
        before: list[pywraplp.Variable] = []
        for e in range(self.moves.epochs):
            row = [self.free(option.share) for option in work.options]
            whole = self.lp.Constraint(-self.lp.infinity(), 1.0)
            for o, (share, option) in enumerate(zip(row, work.options, strict=True)):
                whole.SetCoefficient(share, 1.0)
                moved, rise = self.free(), self.lp.Constraint(0.0, self.lp.infinity())
                self.objective.SetCoefficient(moved, float(option.switch[e]))
                rise.SetCoefficient(moved, 1.0)
                rise.SetCoefficient(share, -1.0)
                if before:
                    rise.SetCoefficient(before[o], 1.0)
                egress = 0.0
                for t in np.flatnonzero((self.moves.epoch == e) & (option.open > 0)):
                    for rows, units in (
                        (self.meets, work.units[t]),
                        (self.spots, work.tolerant[t]),
                    ):
                        rows[work.pool, t].SetCoefficient(share, float(units))
                        rows[option.pool, t].SetCoefficient(share, -option.ratio * float(units))
                    egress += option.egress * float(work.units[t]) * float(self.p.weight[t])
                self.objective.SetCoefficient(share, egress)
            before = row

    def job(self, job: Job, pattern: tuple[bool, ...]) -> None:
        done = self.lp.Constraint(job.work, self.lp.infinity())
        running = [h for h, is_on in enumerate(pattern) if is_on]
        for h in running:
            t = int(job.hours[h])
            unit = self.lp.NumVar(job.least, job.most, "")
            resumed = h != running[0] and h - 1 not in running
            done.SetCoefficient(unit, 1.0 - (job.restart if resumed else 0.0))
            self.meets[job.pool, t].SetCoefficient(unit, -1.0)
            if job.preemptible:
                self.spots[job.pool, t].SetCoefficient(unit, -1.0)
        early = math.ceil(job.work / job.most - 1e-9)
        self.constant += job.delay * max(0, running[-1] + 1 - early)


def cost_with(
    problem: Problem,
    moves: Moves,
    amounts: tuple[tuple[float, float], ...],
    on: tuple[tuple[bool, ...], ...],
) -> float:
    """The least cost with amounts in ranges and jobs on in given hours; inf if none."""
    written = _Written(problem, moves)
    written.coverage(amounts)
    for work in moves.works:
        written.work(work)
    for job, pattern in zip(moves.jobs, on, strict=True):
        written.job(job, pattern)
    status = written.lp.Solve()
    if status == pywraplp.Solver.INFEASIBLE:
        return math.inf
    assert status == pywraplp.Solver.OPTIMAL, status
    return float(written.objective.Value()) + written.constant


def brute_force_moving(problem: Problem, moves: Moves) -> float:
    """The free-choice optimum over purchases and placements; inf if there is no plan."""
    best = math.inf
    for amounts in product(*choices(ceiling(problem, moves))):
        for on in product(*(patterns(job) for job in moves.jobs)):
            best = min(best, cost_with(problem, moves, amounts, on))
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
