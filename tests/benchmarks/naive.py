# SPDX-License-Identifier: Apache-2.0
"""The models that everyone writes: every hour and pair a variable, one solver call.

All four state the program of ``docs/program.md`` section 1: our readable PuLP program with
HiGHS, and with CBC for short horizons; MathOpt with HiGHS; and arrays passed to HiGHS.
Building the model and solving it are timed apart: Python's part of the time is not the
solver's.  No hour is merged with another.

OR-Tools is imported before PuLP: the other way round, MathOpt with HiGHS crashes (9.15, 3.3).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ortools.math_opt.python import mathopt
from pulp import HiGHS, LpMinimize, LpProblem, LpStatus, apis, value

from optimizer.program.arrays import ArrayProgram
from optimizer.program.certificate import whole_box
from optimizer.program.coverage import (
    coverage_cost,
    define_coverage_draw,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.problem import Problem
from optimizer.program.purchase import (
    bought_by_source,
    define_purchase_range,
    define_purchase_variables,
    purchase_cost,
)
from optimizer.program.reference import solve_reference

CBC_HOURS = 400  # CBC takes ten minutes for 10 pools and a year


@dataclass
class Solved:
    """How a model ended: its own status, objective and bound in dollars, and seconds."""

    status: str
    objective: float
    bound: float
    build: float
    solve: float


class Clock:
    """Wraps a solver's function and keeps the seconds that it takes."""

    def __init__(self, owner: Any, name: str) -> None:
        self.seconds, self.began = 0.0, time.perf_counter()
        inner = getattr(owner, name)

        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            answer = inner(*args, **options)
            self.seconds += time.perf_counter() - start
            return answer

        setattr(owner, name, timed)

    @property
    def rest(self) -> float:
        """Seconds since the start that were spent outside the solver."""
        return time.perf_counter() - self.began - self.seconds


def pulp_highs(problem: Problem, gap: float) -> Solved:
    """The readable program of this project, ``optimizer.program.reference``."""
    clock = Clock(HiGHS, "callSolver")
    answer = solve_reference(problem, gap=gap)
    return Solved(answer.status, answer.objective, answer.bound, clock.rest, clock.seconds)


def pulp_cbc(problem: Problem, gap: float) -> Solved:
    """The same families of constraints, solved with the CBC that PuLP may bring."""
    solver = getattr(apis, "PULP_CBC_CMD", None) or getattr(apis, "COIN_CMD", None)
    if solver is None or not solver(msg=False).available():
        return Solved("skipped: there is no CBC", *[float("nan")] * 4)
    if problem.hours > CBC_HOURS:
        return Solved(f"skipped: more than {CBC_HOURS} hours", *[float("nan")] * 4)
    start = time.perf_counter()
    problem = problem.expand()
    scale = float(problem.weight.sum())
    model = LpProblem("coverage", LpMinimize)
    purchases = define_purchase_variables(model, problem)
    coverage = define_coverage_variables(model, problem)
    cost = purchase_cost(problem, purchases) + coverage_cost(problem, coverage)
    model.setObjective(cost * (1.0 / scale))
    define_coverage_meet(model, problem, coverage)
    define_coverage_draw(model, problem, coverage, bought_by_source(problem, purchases))
    define_purchase_range(model, problem, purchases)
    built = time.perf_counter()
    model.solve(solver(msg=False, gapRel=gap, threads=1))
    done = time.perf_counter()
    objective = float(value(model.objective)) * scale
    status = LpStatus[model.status]
    return Solved(status, objective, float("nan"), built - start, done - built)


def mathopt_highs(problem: Problem, gap: float) -> Solved:
    """The second opinion, ``optimizer.program.mathopt``, with HiGHS."""
    clock = Clock(mathopt, "solve")
    answer = solve_mathopt(problem, gap=gap, solver="highs")
    return Solved(answer.status, answer.objective, answer.bound, clock.rest, clock.seconds)


def arrays_highs(problem: Problem, gap: float) -> Solved:
    """Arrays passed to HiGHS at once, with HiGHS' own presolve."""
    start = time.perf_counter()
    program = ArrayProgram(problem)
    solver = program._solver(whole_box(problem), integer=True)
    solver.setOptionValue("mip_rel_gap", gap)
    built = time.perf_counter()
    solver.run()
    done = time.perf_counter()
    info, scale = solver.getInfo(), program.scale
    status = solver.modelStatusToString(solver.getModelStatus())
    return Solved(
        status,
        info.objective_function_value * scale,
        info.mip_dual_bound * scale,
        built - start,
        done - built,
    )


MODELS: dict[str, Callable[[Problem, float], Solved]] = {
    "PuLP + HiGHS": pulp_highs,
    "PuLP + CBC": pulp_cbc,
    "MathOpt + HiGHS": mathopt_highs,
    "arrays + HiGHS": arrays_highs,
}
