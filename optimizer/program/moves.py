# SPDX-License-Identifier: Apache-2.0
"""Work that may move: between meters (substitution) and in time (jobs).

Work makes demand.  A problem with moves has as its own demand only what cannot move; a
:class:`Placement` says where the rest goes, and :func:`place` makes of both a problem that
every way of solving knows.  Hours are the columns N of the problem; shares are constant
over an *epoch* (a week), because a plan that moves work hour by hour flatters itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.program.problem import Floats, Ints, Problem


@dataclass(frozen=True)
class Option:
    """Another pool that some work may move to.

    Attributes
    ----------
    pool, ratio
        Where to, and units there for one unit of the work: κ.
    share
        The greatest share of the work that may move there.
    egress
        Dollars for every unit of work that runs there, each hour.
    open
        (N,) 1 in hours in which work may run there, else 0.
    switch
        (E,) dollars for moving all of the work in that epoch.
    """

    pool: int
    ratio: float
    share: float
    egress: float
    open: Floats
    switch: Floats


@dataclass(frozen=True)
class Work:
    """Usage of one pool that may move; ``units`` and ``tolerant`` (N,) are units there."""

    name: str
    pool: int
    units: Floats
    tolerant: Floats
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Job:
    """Work that may be placed in time, as a gang.

    Attributes
    ----------
    hours
        (H,) columns of the hours from its earliest to its deadline, one after the other.
    work
        Unit-hours to be run.
    least, most
        Units that run together while it runs: in each hour 0, or within these.
    preemptible
        Whether it may pause, and run on spot; else it is one contiguous run.
    restart
        Hours that the units lose when it resumes after a pause.
    delay
        Dollars for each hour of completion after the earliest possible finish.
    begin
        The hour of the horizon that ``hours[0]`` is.
    """

    name: str
    pool: int
    hours: Ints
    work: float
    least: float
    most: float
    preemptible: bool
    restart: float = 0.0
    delay: float = 0.0
    begin: int = 0

    @property
    def shortest(self) -> int:
        """Hours of the shortest run."""
        return max(1, int(np.ceil(self.work / self.most - 1e-9)))

    @property
    def rigid(self) -> bool:
        """Whether it is one run of one size: only its start is open."""
        return not self.preemptible and self.least >= self.most - 1e-12

    def delayed(self, units: Floats) -> float:
        """Dollars of delay of a run, (H,) units."""
        on = np.flatnonzero(units > 0)
        finish = int(on[-1]) + 1 if len(on) else 0
        return self.delay * max(0, finish - self.shortest)

    def done(self, units: Floats) -> float:
        """Unit-hours that a run gets done: less what resuming after a pause loses."""
        on = units > 0
        resumed = on & ~np.concatenate([[False], on[:-1]])
        resumed[np.argmax(on)] = False  # the first start is no restart
        return float(units.sum() - self.restart * units[resumed].sum())


@dataclass(frozen=True)
class Moves:
    """Everything that may move; ``epoch`` (N,) is the epoch 0 … E−1 of each hour."""

    works: tuple[Work, ...]
    jobs: tuple[Job, ...]
    epoch: Ints

    @property
    def epochs(self) -> int:
        """Number of epochs, E."""
        return int(self.epoch.max()) + 1 if len(self.epoch) else 0


@dataclass(frozen=True)
class Placement:
    """Where the work goes: ``shares`` (E, options) of each work, ``runs`` (H,) of each job."""

    shares: tuple[Floats, ...]
    runs: tuple[Floats, ...]


def staying(moves: Moves) -> tuple[Floats, ...]:
    """Shares with which nothing moves."""
    return tuple(np.zeros((moves.epochs, len(work.options))) for work in moves.works)


def placed_usage(moves: Moves, placement: Placement, pools: int) -> tuple[Floats, Floats]:
    """Demand and its tolerant part that a placement makes; (P, N) units each."""
    hours = len(moves.epoch)
    demand, tolerant = np.zeros((pools, hours)), np.zeros((pools, hours))
    for work, shares in zip(moves.works, placement.shares, strict=True):
        stays = np.ones(hours)
        for number, option in enumerate(work.options):
            share = shares[moves.epoch, number] * option.open
            stays -= share
            demand[option.pool] += option.ratio * share * work.units
            tolerant[option.pool] += option.ratio * share * work.tolerant
        demand[work.pool] += np.maximum(stays, 0.0) * work.units
        tolerant[work.pool] += np.maximum(stays, 0.0) * work.tolerant
    for job, run in zip(moves.jobs, placement.runs, strict=True):
        demand[job.pool, job.hours] += run
        if job.preemptible:
            tolerant[job.pool, job.hours] += run
    return demand, tolerant


def place(problem: Problem, moves: Moves, placement: Placement) -> Problem:
    """The problem in which the work is where the placement puts it."""
    demand, tolerant = placed_usage(moves, placement, len(problem.pools))
    links = problem.links
    if links.demand.any():
        worth = links.demand[:, :, None] * demand
        more = np.einsum("ipn,in->i", worth, link_hours(problem))
        links = replace(links, most=links.most + more)
    return replace(
        problem,
        demand=problem.demand + demand,
        tolerant=problem.tolerant + tolerant,
        links=links,
    )


def link_hours(problem: Problem) -> Floats:
    """(I, N) hours that count in each linking row."""
    return np.asarray(problem.links.window[:, problem.period] * problem.count)


def most_placed(moves: Moves, pools: int) -> tuple[Floats, Floats]:
    """The most demand, and tolerant demand, that work can add to a pool in an hour; (P, N)."""
    hours = len(moves.epoch)
    demand, tolerant = np.zeros((pools, hours)), np.zeros((pools, hours))
    for work in moves.works:
        demand[work.pool] += work.units
        tolerant[work.pool] += work.tolerant
        for option in work.options:
            most = option.ratio * option.share * option.open
            demand[option.pool] += most * work.units
            tolerant[option.pool] += most * work.tolerant
    for job in moves.jobs:
        demand[job.pool, job.hours] += job.most
        if job.preemptible:
            tolerant[job.pool, job.hours] += job.most
    return demand, tolerant


def with_moves(problem: Problem, moves: Moves) -> Problem:
    """The problem of what cannot move, told how much may arrive (``Problem.arriving``)."""
    demand, _ = most_placed(moves, len(problem.pools))
    return replace(problem, arriving=demand.max(axis=1, initial=0.0))


def ceiling(problem: Problem, moves: Moves) -> Problem:
    """The problem with all work in every place at once: what a formulation must write out."""
    demand, tolerant = most_placed(moves, len(problem.pools))
    return replace(problem, demand=problem.demand + demand, tolerant=problem.tolerant + tolerant)


def egress_cost(moves: Moves, placement: Placement, weight: Floats) -> float:
    """Dollars of egress over hours of the given weights (N,)."""
    return float(
        sum(
            option.egress * float((shares[moves.epoch, n] * option.open * work.units) @ weight)
            for work, shares in zip(moves.works, placement.shares, strict=True)
            for n, option in enumerate(work.options)
        )
    )


def switching_cost(moves: Moves, placement: Placement) -> float:
    """Dollars for the increases of the shares moved, epoch by epoch; nothing is moved today."""
    total = 0.0
    for work, shares in zip(moves.works, placement.shares, strict=True):
        before = np.vstack([np.zeros((1, shares.shape[1])), shares[:-1]])
        more = np.maximum(shares - before, 0.0)
        for number, option in enumerate(work.options):
            total += float(more[:, number] @ option.switch)
    return total


def delay_cost(moves: Moves, placement: Placement) -> float:
    """Dollars of jobs that finish after their earliest possible finish."""
    return float(sum(job.delayed(run) for job, run in zip(moves.jobs, placement.runs, strict=True)))


def move_cost(problem: Problem, moves: Moves, placement: Placement) -> float:
    """Dollars that a placement costs beside its demand: switching, egress and delay."""
    return (
        egress_cost(moves, placement, problem.weight)
        + switching_cost(moves, placement)
        + delay_cost(moves, placement)
    )
