# SPDX-License-Identifier: Apache-2.0
"""From what may move of a part's demand to the moves of its program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer.billing import Holding
from optimizer.demand import MovableDemand
from optimizer.program.blocks import Block
from optimizer.program.moves import Job, Moves, Option, Placement, Work, placed_usage
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.purchases import Column, discount, source_name, term_of
from optimizer.program.window import Marks, Window
from optimizer.tables import Settings

# Work that has moved stays for a week: hourly moves would flatter the plan.
EPOCH_HOURS = 168
BLOCK = "capacity.block"


def marks_of(movable: MovableDemand) -> Marks:
    """What tells the hours apart: their epoch, the work in them, and the hours of jobs."""
    hours = movable.demand.usage.quantity.shape[1]
    recurring: list[Floats] = [np.floor(np.arange(hours) / EPOCH_HOURS)]
    for work in movable.works:
        recurring += [work.units, work.tolerant]
        recurring += [(np.arange(hours) >= t.opens).astype(np.float64) for t in work.targets]
    once = np.zeros(hours)
    for job in movable.jobs:
        once[job.begin : job.end] = np.arange(job.begin, job.end) + 1
    return Marks(np.array(recurring), once[None, :], movable.at_most())


def moves_of(settings: Settings, movable: MovableDemand, window: Window | None = None) -> Moves:
    """The moves between the part's lines: over a window's hours, or over the horizon's.

    Money is discounted over a window, and cash over the horizon.
    """
    hours = movable.demand.usage.quantity.shape[1]
    every = np.arange(hours)
    repeats = every if window is None else window.repeats
    position = every if window is None else window.position
    epoch = every // EPOCH_HOURS
    begins = np.arange(int(epoch[-1]) + 1) * EPOCH_HOURS
    gamma = np.ones(len(begins))
    if window is not None:
        gamma = discount(begins, settings.discount_rate)
    works = []
    for work in movable.works:
        options = []
        for target in work.targets:
            there = np.where(every >= target.opens, work.units, 0.0)
            # As many units must have moved as run there in the epoch's largest hour.
            peak = np.array([there[epoch == e].max() for e in range(len(begins))])
            options.append(
                Option(
                    pool=target.line,
                    ratio=target.ratio,
                    share=target.share,
                    egress=float(target.egress),
                    open=(repeats >= target.opens).astype(np.float64),
                    switch=float(target.switching) * peak * gamma,
                )
            )
        usage = movable.demand.usage
        name = "|".join(part for part in (usage.meter[work.line], work.workload) if part)
        works.append(
            Work(name, work.line, work.units[repeats], work.tolerant[repeats], tuple(options))
        )
    jobs = tuple(
        Job(
            name=job.name,
            pool=job.line,
            hours=position[job.begin : job.end],
            work=job.work,
            least=job.least,
            most=job.most,
            preemptible=job.preemptible,
            restart=job.restart,
            delay=float(job.delay),
            begin=job.begin,
        )
        for job in movable.jobs
    )
    return Moves(tuple(works), jobs, epoch[repeats])


def between_pools(moves: Moves, pool_of: Ints) -> Moves:
    """The same moves between the pools of the lines."""
    works = tuple(
        replace(
            work,
            pool=int(pool_of[work.pool]),
            options=tuple(replace(o, pool=int(pool_of[o.pool])) for o in work.options),
        )
        for work in moves.works
    )
    jobs = tuple(replace(job, pool=int(pool_of[job.pool])) for job in moves.jobs)
    return Moves(works, jobs, moves.epoch)


def fixed_window(window: Window, moves: Moves) -> Window:
    """The window without the work that may move."""
    return _with_usage(window, *(-usage for usage in _today(moves, len(window.lines.meter))))


def placed_window(fixed: Window, moves: Moves, placement: Placement) -> Window:
    """The window with the work where a placement puts it."""
    return _with_usage(fixed, *placed_usage(moves, placement, len(fixed.lines.meter)))


def _today(moves: Moves, lines: int) -> tuple[Floats, Floats]:
    units, tolerant = (np.zeros((lines, len(moves.epoch))) for _ in range(2))
    for work in moves.works:
        units[work.pool] += work.units
        tolerant[work.pool] += work.tolerant
    return units, tolerant


def _with_usage(window: Window, units: Floats, tolerant: Floats) -> Window:
    """Add usage to a window; what rounding leaves below zero is none."""
    quantity = window.lines.quantity + units
    scale = 1e-12 * (np.abs(window.lines.quantity) + np.abs(units))
    quantity = np.where(np.abs(quantity) <= scale, 0.0, np.maximum(quantity, 0.0))
    part = np.clip(window.tolerant + tolerant, 0.0, quantity)
    return replace(window, lines=replace(window.lines, quantity=quantity), tolerant=part)


def blocks_of(
    settings: Settings, problem: Problem, columns: Sequence[Column], holdings: Sequence[Holding]
) -> tuple[Block, ...]:
    """The capacity blocks that may be bought or are held, as windows of the horizon."""
    as_of, last = settings.as_of, settings.as_of + settings.horizon_hours
    found = []
    for number, column in enumerate(columns):
        offer = column.members[0][0]
        if offer.law != BLOCK or len(column.members) > 1:
            continue
        source = int(problem.member_source[problem.member_column == number][0])
        begin, end = term_of(offer, as_of)
        found.append((number, source, 0.0, begin, end))
    for holding in holdings:
        if holding.offer.law == BLOCK:
            source = problem.sources.index(source_name(holding))
            found.append((-1, source, float(holding.quantity), holding.start, holding.end))
    return tuple(
        Block(column, source, units, max(begin, as_of) - as_of, min(end, last) - as_of)
        for column, source, units, begin, end in found
        if min(end, last) > max(begin, as_of)
    )
