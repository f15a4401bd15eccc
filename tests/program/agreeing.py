# SPDX-License-Identifier: Apache-2.0
"""A case solved every way there is: the programs that planning asks for, and what all say.

What planning makes of a case is taken at its own calls of ``solve`` and ``solve_moving``;
the truth beside it is the exhaustive search of ``small`` and ``moving``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np

from optimizer.errors import Infeasible, SolverError
from optimizer.planning import Plan, make_plan, moving, solving
from optimizer.program.arrays import ArrayProgram
from optimizer.program.certificate import whole_box
from optimizer.program.engine import hours_apart, solve_engine
from optimizer.program.lawcost import LawCost
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.moves import Job, Moves, Placement, move_cost, place
from optimizer.program.moves_bound import cheapest_placement, moves_bound
from optimizer.program.moving_arrays import MovingProgram
from optimizer.program.moving_mathopt import solve_moving_mathopt
from optimizer.program.moving_reference import solve_moving_reference
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.search import on_step
from optimizer.program.status import Status

from .families import draw_case, families_of
from .memory import RowCase
from .moving import MovingExact, ceiling, patterns
from .small import Exact, brute_force, choices

LawOf = Callable[[Placement], LawCost]


@dataclass(frozen=True)
class Told:
    """What one way says: dollars, ``inf`` for no plan and ``nan`` for what it does not say."""

    objective: float
    bound: float
    exact: bool = True


@dataclass(frozen=True)
class Tried:
    """A plan that anybody might have: amounts (K,), and dollars freely and under the law."""

    name: str
    amounts: Floats
    free: float
    law: float


@dataclass
class Part:
    """One program that planning asked for, with everything that was said about it."""

    problem: Problem
    moves: Moves
    law_of: LawOf
    best: float = math.nan
    told: dict[str, Told] = field(default_factory=dict)
    tried: list[Tried] = field(default_factory=list)

    @property
    def moving(self) -> bool:
        return bool(self.moves.works or self.moves.jobs)


@dataclass(frozen=True)
class Examined:
    """A case, its families, its programs, and its plan or why there is none."""

    case: RowCase
    families: set[str]
    parts: list[Part]
    plan: Plan | None
    refusal: Exception | None


@cache
def examine(seed: int) -> Examined:
    """Plan the case of a seed, and solve its programs every other way."""
    case, parts = draw_case(seed), []
    solve, solve_moving = solving.solve, moving.solve_moving

    def still(problem: Problem, law: LawCost, pool_of: Any, **more: Any) -> Any:
        nothing = Moves((), (), np.zeros(problem.hours, dtype=np.int64))
        parts.append(Part(problem, nothing, lambda _: law))
        return solve(problem, law, pool_of, **more)

    def moves(problem: Problem, of: Moves, law_of: LawOf, pool_of: Any, **more: Any) -> Any:
        parts.append(Part(problem, of, law_of))
        return solve_moving(problem, of, law_of, pool_of, **more)

    plan, refusal = None, None
    with patch.object(solving, "solve", still), patch.object(moving, "solve_moving", moves):
        try:
            plan = make_plan(case)
        except (Infeasible, SolverError) as error:
            refusal = error
    for number, part in enumerate(parts):
        rng = np.random.default_rng(1000 * seed + number)
        _solve(part, seed)
        if math.isfinite(part.best):
            _try_plans(part, rng)
        if plan is not None:
            answer = plan.parts[number].answer
            part.told["planning"] = Told(answer.free, answer.bound, exact=False)
    return Examined(case, families_of(case), parts, plan, refusal)


def _solve(part: Part, seed: int) -> None:
    problem, moves, told = part.problem, part.moves, part.told
    if part.moving:
        part.best = min(_moving_costs(problem, moves), default=math.inf)
        reference = solve_moving_reference(problem, moves).solution
        second = solve_moving_mathopt(problem, moves)
        told["moving reference"] = _told(reference.status, reference.objective, reference.bound)
        told["moving mathopt"] = _told(second.status, second.objective, second.bound)
        relaxed = MovingProgram(problem, moves).relax(whole_box(problem))
        if relaxed.feasible:
            bound = moves_bound(problem, moves, relaxed.prices)
            told["moving arrays"] = Told(math.nan, max(bound, relaxed.objective), exact=False)
        return
    part.best = brute_force(problem)
    solver = ("gscip", "highs")[seed // 5 % 2]
    program = ArrayProgram(problem)
    for way, found in (
        ("reference", solve_reference(problem)),
        (f"mathopt {solver}", solve_mathopt(problem, solver=solver)),
        ("arrays", program.solve(whole_box(problem), gap=0.0, nodes=2000)),
    ):
        told[way] = _told(found.status, found.objective, found.bound)
    engine = solve_engine(problem, gap=1e-3)
    # Where limits join the hours the engine has no plan of its own, only its bound.
    free = engine.free if hours_apart(problem) and engine.feasible else math.nan
    told["engine" if hours_apart(problem) else "engine, limits"] = Told(
        free, engine.bound, exact=False
    )


def _told(status: Status, objective: float, bound: float) -> Told:
    if status is Status.INFEASIBLE:
        return Told(math.inf, math.inf)
    assert status is Status.OPTIMAL, status
    return Told(objective, bound)


def _moving_costs(problem: Problem, moves: Moves) -> Iterator[float]:
    """The least cost of every combination of amounts and hours of jobs."""
    exact, amounts = MovingExact(problem, moves), choices(ceiling(problem, moves))
    for on in product(*[patterns(job) for job in moves.jobs]):
        exact.with_jobs(tuple(on))
        for ranges in product(*amounts):
            yield exact.cost(list(ranges))


def _try_plans(part: Part, rng: np.random.Generator) -> None:
    """Nothing, each column alone, all at once, and random amounts; work anywhere it may be."""
    problem, moves = part.problem, part.moves
    rows = choices(ceiling(problem, moves) if part.moving else problem)
    count = len(rows)
    plans = {"nothing": np.zeros(count)}
    for k, row in enumerate(rows):
        for name, of in (("least", [r for r in row if r[1] > 0][:1]), ("most", row[-1:])):
            if of:
                alone = np.zeros(count)
                alone[k] = of[0][1] if name == "most" or of[0][0] > 0 else rng.random() * of[0][1]
                plans[f"{name} of {k}"] = alone
    for number in range(2):
        picked = [row[int(rng.integers(len(row)))] for row in rows]
        amounts = np.array([low + rng.random() * (high - low) for low, high in picked])
        plans[f"random {number}"] = amounts
    places = [Placement((), ())]
    if part.moving:
        places = [random_placement(problem, moves, rng) for _ in range(2)]
    settings = []
    for there in places:
        placed, extra = place(problem, moves, there), move_cost(problem, moves, there)
        settings.append((Exact(placed), part.law_of(there), extra))
    for number, (name, amounts) in enumerate(plans.items()):
        exact, law, extra = settings[number % len(settings)]
        bought = on_step(problem, amounts)
        tried = Tried(name, bought, exact.at(bought) + extra, law.objective(bought) + extra)
        part.tried.append(tried)


def random_placement(problem: Problem, moves: Moves, rng: np.random.Generator) -> Placement:
    """Random shares within what may move, and runs that are cheapest at random prices."""
    none = zero_prices(problem)
    prices = Prices(rng.random(none.shared.shape) * 5, none.rent, none.limits, none.links)
    runs = cheapest_placement(problem, moves, prices).runs
    for job, run in zip(moves.jobs, runs, strict=True):
        assert _runs(job, run)
    shares = []
    for work in moves.works:
        most = np.array([option.share for option in work.options])
        some = rng.random((moves.epochs, len(most))) * most
        shares.append(some / np.maximum(1.0, some.sum(axis=1, keepdims=True)))
    return Placement(tuple(shares), runs)


def _runs(job: Job, run: Floats) -> bool:
    inside = run[run > 0]
    return (
        job.done(run) >= job.work * (1 - 1e-9)
        and tuple((run > 0).tolist()) in patterns(job)
        and bool((inside >= job.least - 1e-9).all() and (inside <= job.most + 1e-9).all())
    )
