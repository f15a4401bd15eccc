# SPDX-License-Identifier: Apache-2.0
"""Work that may move: every way finds what trying everything finds, and the bound holds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pulp
import pytest

from optimizer.errors import SolverError
from optimizer.program import jobs, moving, moving_build, proposals, runs, substitution
from optimizer.program.certificate import whole_box
from optimizer.program.moves import Job, Moves, Placement, move_cost, place, with_moves
from optimizer.program.moves_bound import cheapest_placement, moves_bound
from optimizer.program.moving import Moved, solve_moving
from optimizer.program.moving_arrays import MovingProgram, merge_moves
from optimizer.program.moving_mathopt import solve_moving_mathopt
from optimizer.program.moving_reference import solve_moving_reference
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem
from optimizer.program.runs import cheapest_run, fill_run, run_floor, trim_run
from optimizer.program.status import Status

from ..seeds import Seeds
from .moving import FreeLaw, brute_force_moving, patterns, random_jobs, random_substitution
from .small import Exact

COUNT = 30
MAKE: dict[str, Callable[[int], tuple[Problem, Moves]]] = {
    "substitution": random_substitution,
    "jobs": random_jobs,
}
CASES = [(kind, seed) for kind in MAKE for seed in range(COUNT)]


@cache
def best_of(kind: str, seed: int) -> float:
    return brute_force_moving(*MAKE[kind](seed))


@cache
def solved(kind: str, seed: int, method: str = "auto") -> Moved:
    problem, moves = MAKE[kind](seed)

    def law_of(placement: Placement) -> FreeLaw:
        return FreeLaw(place(problem, moves, placement))

    pools = np.arange(len(problem.pools))
    return solve_moving(problem, moves, law_of, pools, gap=1e-6, method=method)


def rounding(problem: Problem) -> float:
    """Dollars that rounding money to its step may cost."""
    return 1e-6 + 0.002 * float(problem.cost[~problem.integer].sum())


def random_prices(problem: Problem, seed: int) -> Prices:
    rng = np.random.default_rng(seed)
    none, scale = zero_prices(problem), float(rng.choice([0.1, 0.5, 1.0, 2.0]))
    shared = rng.random(none.shared.shape) * scale
    return Prices(shared, rng.random(none.rent.shape) * 3 * scale, none.limits, none.links)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_all_ways_agree_with_trying_everything(kind: str, seed: int) -> None:
    problem, moves = MAKE[kind](seed)
    best = best_of(kind, seed)
    found = solve_moving_reference(problem, moves)
    second = solve_moving_mathopt(problem, moves)
    if math.isinf(best):
        assert found.solution.status is second.status is Status.INFEASIBLE
        return
    assert found.solution.status is second.status is Status.OPTIMAL
    assert found.solution.objective == pytest.approx(best, rel=1e-6, abs=1e-7)
    assert second.objective == pytest.approx(best, rel=1e-6, abs=1e-7)
    # The placement and the amounts that were read cost what the answer says.
    assert found.placement is not None
    for job, run in zip(moves.jobs, found.placement.runs, strict=True):
        assert job.done(run) >= job.work * (1 - 1e-9)
        assert tuple((run > 0).tolist()) in patterns(job)
        assert run[run > 0].min() >= job.least - 1e-9
        assert run.max() <= job.most + 1e-9
    cost = Exact(place(problem, moves, found.placement)).at(found.solution.quantity)
    cost += move_cost(problem, moves, found.placement)
    assert cost == pytest.approx(best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_no_prices_give_a_bound_above_the_best_plan(kind: str, seed: int) -> None:
    problem, moves = MAKE[kind](seed)
    best = best_of(kind, seed)
    if math.isinf(best):
        return
    relaxed = MovingProgram(problem, moves).relax(whole_box(problem))
    assert relaxed.objective <= best * (1 + 1e-6) + 1e-7
    answers = [random_prices(problem, seed * 7 + number) for number in range(5)]
    for prices in (*answers, relaxed.prices, zero_prices(problem)):
        assert moves_bound(problem, moves, prices) <= best * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_merged_hours_relax_the_program(kind: str, seed: int) -> None:
    """Hours of one period and epoch, merged in pairs: costs no more, and prices still bound."""
    problem, moves = MAKE[kind](seed)
    best = best_of(kind, seed)
    if math.isinf(best):
        return
    group = np.unique([problem.period, moves.epoch], axis=1, return_inverse=True)[1].reshape(-1)
    labels = np.unique(group * 100 + np.arange(problem.hours) // 2, return_inverse=True)[1]
    merged, there = merge_moves(problem, moves, labels.reshape(-1))
    relaxed = MovingProgram(merged, there).relax(whole_box(problem))
    assert relaxed.feasible
    if np.ptp(problem.weight) == 0 or kind == "substitution":
        assert relaxed.objective <= best * (1 + 1e-6) + 1e-7
    assert moves_bound(problem, moves, relaxed.prices.spread(labels)) <= best * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", Seeds(COUNT, 15))
@pytest.mark.parametrize("kind", MAKE)
def test_solving_ends_within_its_gap(kind: str, seed: int) -> None:
    problem, _ = MAKE[kind](seed)
    best = best_of(kind, seed)
    if math.isinf(best):
        try:
            assert solved(kind, seed).answer.status is Status.INFEASIBLE
        except SolverError as error:
            assert "no plan was found" in str(error)  # noqa: PT017
        return
    answer = solved(kind, seed).answer
    steps = rounding(problem)
    assert answer.bound <= best * (1 + 1e-9) + 1e-7
    assert best - 1e-6 * (1 + best) <= answer.objective <= best + 1e-4 * (1 + best) + steps
    assert answer.bound <= answer.free <= answer.objective + 1e-9
    assert all(check.ok for check in answer.checks)
    if kind == "substitution" and np.isfinite(problem.price).all():
        assert answer.objective - answer.bound <= 1e-3 * (1 + best) + steps
    elif answer.status is Status.OPTIMAL:
        assert answer.objective - answer.bound <= 1e-5 * (1 + best) + steps


@pytest.mark.parametrize("seed", Seeds(20, 6))
@pytest.mark.parametrize("kind", MAKE)
def test_solving_over_cells_never_passes_the_bound(kind: str, seed: int) -> None:
    best = best_of(kind, seed)
    if math.isinf(best):
        return
    answer = solved(kind, seed, "partition").answer
    assert answer.bound <= best * (1 + 1e-9) + 1e-7
    assert answer.objective >= best - 1e-6 * (1 + best)
    if kind == "substitution":
        assert answer.objective <= best * 1.05 + 0.1


def test_the_random_problems_are_worth_solving() -> None:
    """Most can be met, works move, parts of them only, jobs wait and pause and come late."""
    for kind, make in MAKE.items():
        best = np.array([best_of(kind, seed) for seed in range(COUNT)])
        assert 1 <= np.isinf(best).sum() <= 20
        found = [
            solve_moving_reference(*make(seed)).placement
            for seed in np.flatnonzero(np.isfinite(best))
        ]
        shares = [share for one in found if one for share in one.shares]
        if kind == "substitution":
            assert sum(bool(share.any()) for share in shares) >= 25
            assert sum(bool(((share > 0.01) & (share < 0.29)).any()) for share in shares) >= 1
            assert sum(bool(np.ptp(share, axis=0).max() > 0.01) for share in shares) >= 8
        else:
            runs = [run for one in found if one for run in one.runs]
            assert sum(run[0] == 0 for run in runs) >= 6
            assert sum(np.ptp(run[run > 0]) > 0.01 for run in runs) >= 3
            pauses = [np.flatnonzero(run > 0) for run in runs]
            assert sum(bool((np.diff(on) > 1).any()) for on in pauses) >= 1


@pytest.mark.parametrize("seed", range(60))
def test_runs_are_the_cheapest_of_all_patterns(seed: int) -> None:
    _, moves = random_jobs(seed)
    price = np.random.default_rng(seed).integers(0, 9, 40) / 4.0
    for job in moves.jobs:
        prices = price[job.hours]
        runs = [fill_run(job, np.array(on), prices) for on in patterns(job)]
        costs = [float(run @ prices) + job.delayed(run) for run in runs if run is not None]
        run = cheapest_run(job, prices)
        assert job.done(run) >= job.work * (1 - 1e-9)
        assert run_floor(job, prices) <= min(costs) + 1e-9
        found = float(run @ prices) + job.delayed(run)
        assert found >= min(costs) - 1e-9
        if not job.preemptible or not job.restart:
            assert run_floor(job, prices) == pytest.approx(min(costs), abs=1e-9)
            assert found == pytest.approx(min(costs), abs=1e-9)
        trimmed = trim_run(job, np.where(run > 0, job.most, 0.0))
        assert job.done(trimmed) >= job.work * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_shares_are_the_cheapest_where_one_option_is_open(seed: int) -> None:
    """With one option, the response to prices costs what the bound says it does."""
    problem, moves = random_substitution(seed)
    works = tuple(
        type(work)(work.name, work.pool, work.units, work.tolerant, work.options[:1])
        for work in moves.works
    )
    moves = Moves(works, (), moves.epoch)
    problem = with_moves(problem, moves)
    prices = random_prices(problem, seed)
    finite = np.isfinite(problem.price).all()
    placement = cheapest_placement(problem, moves, prices)
    placed = place(problem, moves, placement)
    if finite:
        # At these prices the placed demand and the moves cost exactly what the floor says.
        box = whole_box(problem)
        alone = moves_bound(placed, Moves((), (), moves.epoch), prices, box)
        alone += move_cost(problem, moves, placement)
        assert moves_bound(problem, moves, prices, box) == pytest.approx(alone, rel=1e-9, abs=1e-7)


def test_a_run_knows_its_restarts() -> None:
    job = Job("j", 0, np.arange(6), 8.0, 2.0, 2.0, preemptible=True, restart=1.0)
    assert job.done(np.array([2.0, 2, 0, 0, 2, 2])) == 6
    assert job.done(np.array([0.0, 2, 2, 2, 2, 0])) == 8
    assert job.delayed(np.array([0.0, 2, 2, 2, 2, 0])) == 0


def test_a_limit_of_nodes_stops_with_a_plan_or_without() -> None:
    """PuLP does not know the status that HiGHS ends with there."""
    found = [solve_moving_reference(*random_jobs(seed), nodes=1) for seed in range(40)]
    assert {one.solution.status for one in found} >= {Status.STOPPED}
    for one in found:
        assert (one.placement is not None) == one.solution.status.has_plan


def test_rows_and_figures_are_those_of_the_document() -> None:
    doc = (Path(__file__).parents[2] / "docs" / "program.md").read_text(encoding="utf-8")
    for figure, words in (
        (moving_build.EPOCH_HOURS, "epochs of 168 hours"),
        (proposals.REFERENCE_RUNS, "120 hours of jobs"),
        (proposals.MOVING_NODES, "with 500 nodes"),
        (proposals.RUNS_NODES, "with jobs: 100"),
        (proposals.MOVING_CELLS, "up to 400 cells"),
        (moving.LARGE_ROWS, "From 100,000 rows on"),
        (moving.PLACEMENT_EVALUATIONS, "80 replays"),
        (runs.MOST_WINDOWS, "up to 4,000 windows"),
    ):
        assert words in doc
        assert f"{figure:,}" in words
    assert moving.MOVING_ROUNDS == 2
    names: set[str] = set()
    for make in MAKE.values():
        for seed in range(12):
            _, moves = make(seed)
            model = pulp.LpProblem("rows", pulp.LpMinimize)
            parts = substitution.define_substitution_variables(model, moves)
            substitution.define_substitution_place(model, moves, parts)
            substitution.define_substitution_stay(model, moves, parts)
            substitution.define_substitution_move(model, parts)
            substitution.define_substitution_allow(model, moves, parts)
            gangs = jobs.define_job_variables(model, moves)
            jobs.define_jobs_place(model, moves, gangs)
            jobs.define_jobs_gang(model, moves, gangs)
            jobs.define_jobs_window(model, moves, gangs)
            jobs.define_jobs_restart(model, moves, gangs)
            jobs.define_jobs_finish(model, moves, gangs)
            names |= {re.split(r"[\[_]\d", str(name))[0] for name in dict(model.constraints)}
    families = {".".join(name.split(".")[:2]) for name in names}
    assert families == {
        *(f"substitution.{row}" for row in ("place", "stay", "move", "allow")),
        *(f"jobs.{row}" for row in ("place", "gang", "window", "restart", "finish")),
    }
    for family in families:
        assert f"`{family}[" in doc
