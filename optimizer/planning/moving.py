# SPDX-License-Identifier: Apache-2.0
"""Parts of a plan in which work may move: solving them, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, Holding
from optimizer.billing.bill import exact
from optimizer.billing.replay import Trace
from optimizer.demand import MovableDemand
from optimizer.planning.part import Part, PartMoves, window_of_part
from optimizer.planning.relax import InfeasibleCase, Relaxation, relaxations_of
from optimizer.program.build import build_problem
from optimizer.program.caselimits import CaseLimits
from optimizer.program.components import Component
from optimizer.program.lawcost import LawCost
from optimizer.program.moves import (
    Placement,
    delay_cost,
    egress_cost,
    place,
    staying,
    switching_cost,
    with_moves,
)
from optimizer.program.moves import placed_usage as usage_of
from optimizer.program.moving import solve_moving
from optimizer.program.moving_build import (
    BLOCK,
    between_pools,
    blocks_of,
    fixed_window,
    marks_of,
    moves_of,
    placed_window,
)
from optimizer.program.problem import Floats
from optimizer.program.purchases import advised_amounts
from optimizer.program.renewal import renewals
from optimizer.program.runs import earliest_run, fill_run
from optimizer.program.watch import Watch
from optimizer.tables import Case, Settings, UsageLines


def refuse_late_jobs(case: Case, movable: MovableDemand) -> None:
    """Raise where a job cannot be done between its earliest hour and its deadline.

    Raises
    ------
    InfeasibleCase
        Naming each job, and by how many hours to put off its deadline.
    """
    late = []
    for job, other in zip(moves_of(case.settings, movable).jobs, movable.jobs, strict=True):
        hours = len(job.hours)
        if hours and fill_run(job, np.ones(hours, dtype=bool), np.ones(hours)) is not None:
            continue
        what = "horizon_hours, in which to do" if other.clipped else "the deadline of"
        missing = max(1, job.shortest - hours)
        late.append(Relaxation(f"{what} job {job.name}", Decimal(missing), None))
    if late:
        raise InfeasibleCase(case, late)


def today_usage(settings: Settings, movable: MovableDemand) -> UsageLines:
    """The usage that a plan is compared with: work where it is, jobs as early as possible."""
    usage = movable.demand.usage
    if not movable.jobs:
        return usage
    quantity, tolerant = usage.quantity.copy(), usage.tolerant.copy()
    for job in moves_of(settings, movable).jobs:
        run = earliest_run(job)
        quantity[job.pool, job.hours] += run
        if job.preemptible:
            tolerant[job.pool, job.hours] += run
    return replace(usage, quantity=quantity, tolerant=tolerant)


def solve_moving_part(
    case: Case,
    catalogue: Catalogue,
    component: Component,
    limits: CaseLimits,
    movable: MovableDemand,
    known: Mapping[str, Mapping[str, Decimal]],
    watch: Watch,
) -> Part:
    """Place what may move in a part, and solve for its purchases.

    ``known`` are amounts by offer of simple plans.
    """
    settings = case.settings
    limits = limits.of_meters(catalogue, component.demand.usage.meter)
    marks = marks_of(movable)
    renewed = renewals(settings, catalogue, marks.renewed, component.holdings, component.columns)
    columns = (*component.columns, *renewed)
    whole = window_of_part(settings, catalogue, component, columns, limits, marks)
    lines = moves_of(settings, movable, whole)
    window = fixed_window(whole, lines)
    problem, pool_of = build_problem(settings, catalogue, window, columns, limits)
    moves = between_pools(lines, pool_of)
    problem = with_moves(problem, moves)
    law = LawCost(settings, catalogue, window, problem, columns, pool_of)
    advised = {name: advised_amounts(columns, amounts) for name, amounts in known.items()}

    def law_of(placement: Placement) -> LawCost:
        there = placed_window(window, lines, placement)
        return law.with_usage(there, place(problem, moves, placement))

    moved = solve_moving(
        problem,
        moves,
        law_of,
        pool_of,
        method=settings.solve.method,
        gap=settings.solve.gap,
        constant=window.held_cost,
        incumbents={name: amounts for name, amounts in advised.items() if amounts.any()},
        blocks=blocks_of(settings, problem, component.columns, component.holdings),
        seed=settings.solve.seed,
        watch=watch,
    )
    return Part(
        component,
        placed_window(window, lines, moved.placement),
        moved.problem,
        moved.law,
        moved.answer,
        limits,
        PartMoves(
            movable,
            lines,
            moves_of(settings, movable),
            moves,
            moved.placement,
            moved.move_cost,
            moved.proven,
        ),
        renewed,
    )


def ways_of_part(part: Part) -> list[list[Relaxation]]:
    """What to relax in a part without a plan, with the jobs that need it."""
    found = relaxations_of(part)
    if part.moved is None:
        return found
    meters = part.window.lines.meter
    short = np.isinf(part.window.price) & (part.answer.outcome.uncovered > 0)
    needed = {
        meters[job.line]: [
            j.name for j in part.moved.movable.jobs if meters[j.line] == meters[job.line]
        ]
        for job in part.moved.movable.jobs
        if short[job.line].any()
    }
    names = ", ".join(f"job {name}" for meter in sorted(needed) for name in needed[meter])
    if not names:
        return found
    return [[replace(r, limit=f"{r.limit} for {names}") for r in way] for way in found]


def placed_usage(usage: UsageLines, parts: Sequence[Part]) -> UsageLines:
    """The horizon's usage with all work where the plan puts it."""
    if not any(part.moved for part in parts):
        return usage
    quantity, tolerant = usage.quantity.copy(), usage.tolerant.copy()
    for part in parts:
        if part.moved is None:
            continue
        moves, count = part.moved.horizon, len(part.component.lines)
        today = replace(part.moved.placement, shares=staying(moves), runs=_nothing(part))
        for array, there, here in zip(
            (quantity, tolerant),
            usage_of(moves, part.moved.placement, count),
            usage_of(moves, today, count),
            strict=True,
        ):
            rows = array[part.component.lines] + there - here
            size = 1e-12 * (np.abs(there) + np.abs(here))
            array[part.component.lines] = np.where(np.abs(rows) <= size, 0.0, np.maximum(rows, 0))
    return replace(usage, quantity=quantity, tolerant=np.minimum(tolerant, quantity))


def cash_of_moves(parts: Sequence[Part]) -> Decimal:
    """Dollars of the horizon, not discounted, for moving work and for the delay of jobs."""
    total = Decimal(0)
    for part in parts:
        if part.moved is not None:
            moves, placement = part.moved.horizon, part.moved.placement
            weight = np.ones(len(moves.epoch))
            total += exact(
                egress_cost(moves, placement, weight)
                + switching_cost(moves, placement)
                + delay_cost(moves, placement)
            )
    return total


class Segments:
    """What each job's line runs on in each hour: units by ``spot``, ``block``, ``commitment``.

    What none of these serves is on demand.
    """

    def __init__(self, parts: Sequence[Part], spot: Floats) -> None:
        lines = [
            int(part.component.lines[job.line])
            for part in parts
            if part.moved is not None
            for job in part.moved.movable.jobs
        ]
        hours = spot.shape[1]
        self.units = {
            line: {"spot": spot[line], "block": np.zeros(hours), "commitment": np.zeros(hours)}
            for line in lines
        }

    def trace(self, holdings: Sequence[Holding]) -> Trace | None:
        """What the replay calls for every pair that meets; nothing where there is no job."""
        if not self.units:
            return None

        def note(holding: int, line: int, units: Floats) -> None:
            if line in self.units:
                kind = "block" if holdings[holding].offer.law == BLOCK else "commitment"
                self.units[line][kind] = self.units[line][kind] + units

        return note


def _nothing(part: Part) -> tuple[Floats, ...]:
    assert part.moved is not None
    return tuple(0.0 * run for run in part.moved.placement.runs)
