# SPDX-License-Identifier: Apache-2.0
"""Local search of placements on the replayed objective, with the purchases fixed.

Prices do not see that a reservation has room for one more job and not for two, nor the
law's order.  A change of one share, or of one job's run, stays when the replayed objective
falls; the search stops on work done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from optimizer.program.lawcost import LawCost
from optimizer.program.moves import Job, Moves, Placement, move_cost, place
from optimizer.program.problem import Floats, Problem
from optimizer.program.runs import cheapest_run


def improve_placement(
    problem: Problem,
    moves: Moves,
    law_of: Callable[[Placement], LawCost],
    start: Placement,
    quantity: Floats,
    evaluations: int,
) -> Placement | None:
    """A better placement for these purchases, or None if nothing was found."""

    def value_of(placement: Placement) -> float:
        law = law_of(placement)
        return law.objective(quantity) + move_cost(problem, moves, placement)

    best, value, spent = [start], value_of(start), 1
    moved = True
    while moved and spent < evaluations:
        moved = False
        for trial in _neighbours(problem, moves, best, quantity):
            if spent >= evaluations:
                break
            found = value_of(trial)
            spent += 1
            if found < value - 1e-9 * max(1.0, abs(value)):
                best.append(trial)
                value, moved = found, True
    return best[-1] if len(best) > 1 else None


def _neighbours(
    problem: Problem, moves: Moves, found: list[Placement], quantity: Floats
) -> Iterator[Placement]:
    """Other runs of each job, then other shares of each work, each from the last one found."""
    for index, job in enumerate(moves.jobs):
        for run in _other_runs(problem, moves, found[-1], index, job, quantity):
            now = found[-1]
            if np.abs(run - now.runs[index]).max(initial=0.0) > 1e-9:
                runs = (*now.runs[:index], run, *now.runs[index + 1 :])
                yield replace(now, runs=runs)
    for index, work in enumerate(moves.works):
        for option in range(len(work.options)):
            for target in (0.0, 1.0, 0.5):
                # All epochs at once first: one switch, and most of what there is to gain.
                for epochs in (slice(None), *(slice(e, e + 1) for e in range(moves.epochs))):
                    shares = found[-1].shares[index].copy()
                    shares[epochs, option] = target * work.options[option].share
                    rest = np.delete(shares, option, axis=1).sum(axis=1)
                    room = np.clip(1.0 - shares[:, option], 0.0, None)
                    scale = np.where(rest > room, room / np.maximum(rest, 1e-12), 1.0)
                    kept = shares[:, option].copy()
                    shares *= scale[:, None]
                    shares[:, option] = kept
                    now = found[-1]
                    if np.abs(shares - now.shares[index]).max(initial=0.0) > 1e-9:
                        moved = (*now.shares[:index], shares, *now.shares[index + 1 :])
                        yield replace(now, shares=moved)


def _other_runs(
    problem: Problem,
    moves: Moves,
    placement: Placement,
    index: int,
    job: Job,
    quantity: Floats,
) -> Iterator[Floats]:
    """The run where most capacity is idle, and neighbours in time of the present one."""
    run = placement.runs[index]
    without = replace(
        placement, runs=tuple(r if i != index else 0 * r for i, r in enumerate(placement.runs))
    )
    demand = place(problem, moves, without).demand
    price = problem.price[job.pool][problem.period]
    if job.preemptible:
        price = np.minimum(price, problem.spot_price[job.pool])
    price = np.where(np.isfinite(price), price, 1e3 * (1.0 + np.nan_to_num(price, posinf=0).max()))
    capacity = problem.capacity(quantity)[:, problem.period]
    idle = np.zeros(problem.hours)
    for pair in np.flatnonzero(problem.pair_pool == job.pool):
        source = problem.pair_source[pair]
        drawn = np.zeros(problem.hours)
        for other in np.flatnonzero(problem.pair_source == source):
            drawn += problem.pair_draw[other] * demand[problem.pair_pool[other]]
        idle += np.maximum(capacity[source] - drawn, 0.0) / problem.pair_draw[pair]
    lacking = np.maximum(job.most - idle, 0.0) / job.most
    yield cheapest_run(job, (price * lacking * problem.weight)[job.hours])
    on = np.flatnonzero(run > 0)
    if not len(on):
        return
    for shift in (-24, -1, 1, 24):
        if on[0] + shift >= 0 and on[-1] + shift < len(run):
            yield np.roll(run, shift)
