# SPDX-License-Identifier: Apache-2.0
"""Placements to try: the program's, exact or over cells, and whole jobs in blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.blocks import Block, pack_jobs
from optimizer.program.branch import Bounded, certified_bound
from optimizer.program.certificate import whole_box
from optimizer.program.feasibility import first_phase, rounding
from optimizer.program.moves import Moves, Placement, ceiling, staying
from optimizer.program.moves_bound import MovePrices, moves_bound
from optimizer.program.moving_arrays import MovingProgram, merge_moves
from optimizer.program.moving_reference import solve_moving_reference
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.runs import cheapest_run, earliest_run
from optimizer.program.solve import BRANCH_NODES, REFERENCE_ROWS, Progress

# Hours × jobs up to which the exact program places jobs: each has a few whole numbers.
REFERENCE_RUNS = 120
MOVING_NODES = 500
RUNS_NODES = 100
MOVING_CELLS = 400


def proposed_placement(
    problem: Problem, moves: Moves, method: str, gap: float, progress: Progress
) -> tuple[Placement, Bounded, Floats]:
    """A placement, a bound for all placements, and amounts to start from."""
    rows = problem.rows + problem.hours * sum(len(work.options) + 1 for work in moves.works)
    binaries = sum(len(job.hours) for job in moves.jobs)
    small = rows <= REFERENCE_ROWS and method != "partition"
    if not small:
        problem_, moves_, labels = _cells(problem, moves)
        progress(f"placing over {problem_.hours} cells")
        program = MovingProgram(problem_, moves_)
    else:
        labels = np.arange(problem.hours)
        program = MovingProgram(problem, moves)
    relaxed = program.relax(whole_box(problem))
    if not relaxed.feasible:
        zero = zero_prices(problem)
        runs = tuple(earliest_run(job) for job in moves.jobs)
        none = np.zeros(len(problem.columns))
        weak = Bounded(moves_bound(problem, moves, zero), zero, 1)
        return Placement(staying(moves), runs), weak, none
    prices = relaxed.prices.spread(labels)
    shares = program.shares()
    target, placement, quantity = np.inf, None, relaxed.quantity
    if small and binaries <= REFERENCE_RUNS:
        nodes = RUNS_NODES if moves.jobs else MOVING_NODES
        exact = solve_moving_reference(problem, moves, nodes=nodes)
        if exact.placement is not None:
            target, placement = exact.solution.objective, exact.placement
            quantity = exact.solution.quantity
    if placement is None:
        unit = MovePrices(problem, prices)
        placement = Placement(
            shares, tuple(cheapest_run(job, unit.of_job(job)) for job in moves.jobs)
        )
    bounded = Bounded(moves_bound(problem, moves, prices), prices, 1)
    if small and np.isfinite(target):
        bounded = certified_bound(
            problem,
            program,
            lambda found: found,
            target=target - 0.1 * gap * abs(target),
            nodes=BRANCH_NODES,
            bound_of=lambda of, at, box: moves_bound(of, moves, at, box),
        )
    return placement, bounded, quantity


def proven_unplaceable(problem: Problem, moves: Moves) -> bool:
    """Whether it is proven that no placement of the work has a plan.

    The certificate of the first phase, in which nothing costs but what may not be: where it
    is above zero, every placement leaves usage unserved or a row exceeded.
    """
    free = Moves(
        tuple(
            replace(
                work,
                options=tuple(
                    replace(option, egress=0.0, switch=np.zeros_like(option.switch))
                    for option in work.options
                ),
            )
            for work in moves.works
        ),
        tuple(replace(job, delay=0.0) for job in moves.jobs),
        moves.epoch,
    )
    phase = first_phase(problem)
    labels = np.arange(problem.hours)
    program = MovingProgram(phase, free)
    if program.problem.rows > REFERENCE_ROWS:
        merged, moved, labels = _cells(phase, free)
        program = MovingProgram(merged, moved)
    relaxed = program.relax(whole_box(program.whole))
    if not relaxed.feasible:
        return False  # without prices there is no proof
    return moves_bound(phase, free, relaxed.prices.spread(labels)) > rounding(
        ceiling(problem, moves)
    )


def _cells(problem: Problem, moves: Moves) -> tuple[Problem, Moves, Ints]:
    """Merge hours of one period and epoch that have about the same load."""
    _, group = np.unique(np.stack([problem.period, moves.epoch]), axis=1, return_inverse=True)
    group = group.reshape(-1)
    count = int(group.max()) + 1
    each = max(1, MOVING_CELLS // count)
    price = np.where(np.isfinite(problem.price), problem.price, 0.0).max(axis=1)
    load = price @ problem.demand
    for work in moves.works:
        load = load + price[work.pool] * work.units
    labels = np.zeros(problem.hours, dtype=np.int64)
    for number in range(count):
        hours = np.flatnonzero(group == number)
        rank = np.argsort(np.argsort(load[hours], kind="stable"), kind="stable")
        labels[hours] = number * each + rank * each // len(hours)
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(-1).astype(np.int64)
    return (*merge_moves(problem, moves, labels), labels)


def packed_placement(
    problem: Problem,
    moves: Moves,
    placement: Placement,
    blocks: tuple[Block, ...],
    prices: Prices,
    seed: int,
) -> tuple[Placement, Floats] | None:
    """The placement with whole jobs in blocks; others at the prices of what is no block."""
    if not blocks or not moves.jobs:
        return None
    # What runs elsewhere pays the market: blocks must not price themselves.
    of_block = np.zeros(len(problem.sources), dtype=bool)
    of_block[[block.source for block in blocks]] = True
    kept = ~of_block[problem.pair_source]
    links = problem.links
    others = replace(
        problem,
        links=replace(links, covered=links.covered[:, kept]) if links.names else links,
        pair_source=problem.pair_source[kept],
        pair_pool=problem.pair_pool[kept],
        pair_draw=problem.pair_draw[kept],
    )
    unit = MovePrices(others, _same_structure(problem, others, prices))
    runs = [cheapest_run(job, unit.of_job(job)) for job in moves.jobs]
    outside = np.array(
        [
            np.inf
            if (unit.unavailable(job) & (run > 0)).any()
            else float(run @ unit.of_job(job)) + job.delayed(run)
            for job, run in zip(moves.jobs, runs, strict=True)
        ]
    )
    packing = pack_jobs(problem, moves.jobs, blocks, outside, seed=seed)
    if packing is None or all(run is None for run in packing.runs):
        return None
    chosen = tuple(
        own if own is not None else run for own, run in zip(packing.runs, runs, strict=True)
    )
    return Placement(placement.shares, chosen), packing.quantity


def _same_structure(problem: Problem, others: Problem, prices: Prices) -> Prices:
    """The prices for a problem with fewer pairs, in the order of its shared sources."""
    hourly = np.zeros((len(problem.sources), problem.hours))
    hourly[problem.structure.shared] = prices.shared
    return replace(prices, shared=hourly[others.structure.shared])
