# SPDX-License-Identifier: Apache-2.0
"""A linear or integer program as named columns and rows, and three ways to solve it.

The families of routing write it; PuLP (the readable text, and HiGHS behind it), HiGHS from
arrays, and OR-Tools' MathOpt read it.  Before any solver sees a row it is scaled so that its
coefficients lie around 1: HiGHS has returned wrong optima where coefficients near 1e-7 stood
beside unit ones (``tests/program/test_highs.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import highspy
import numpy as np
import pulp

from optimizer.program.problem import Flags, Floats, Ints
from optimizer.program.status import Status

Terms = Mapping[int, float]
LARGEST, SMALLEST = 1e4, 1e-4


@dataclass
class LinearProgram:
    """min cost·z over lower ≤ z ≤ upper, some of them whole, and rows low ≤ a·z ≤ high.

    Rows are named ``family.kind[index]``, as in ``docs/program.md``.
    """

    names: list[str] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_names: list[str] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)

    def column(
        self,
        name: str,
        *,
        cost: float = 0.0,
        lower: float = 0.0,
        upper: float = np.inf,
        whole: bool = False,
    ) -> int:
        """Add a variable; its number."""
        self.names.append(name)
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.names) - 1

    def row(
        self, name: str, terms: Terms, *, low: float = -np.inf, high: float = np.inf
    ) -> int | None:
        """Add low ≤ Σ coefficient · variable ≤ high; no row where nothing is in it.

        Raises
        ------
        ValueError
            If nothing is in it and 0 does not lie between the two.
        """
        terms = {column: value for column, value in terms.items() if value}
        if not terms:
            if low <= 1e-9 and high >= -1e-9:
                return None
            msg = f"{name} asks for {low:g} to {high:g} of nothing"
            raise ValueError(msg)
        self.row_names.append(name)
        self.terms.append(terms)
        self.low.append(low)
        self.high.append(high)
        return len(self.row_names) - 1

    def charge(self, terms: Terms, price: float) -> None:
        """Add price · Σ coefficient · variable to the cost."""
        for column, value in terms.items():
            self.cost[column] += price * value


def add_terms(*parts: tuple[Terms, float]) -> dict[int, float]:
    """Σ factor · terms."""
    total: dict[int, float] = {}
    for terms, factor in parts:
        for column, value in terms.items():
            total[column] = total.get(column, 0.0) + factor * value
    return total


@dataclass(frozen=True)
class LinearAnswer:
    """How a solve ended.

    ``objective`` and ``bound`` are dollars; ``duals`` those of the rows as written, of a
    continuous program (``None`` of an integer one), positive where raising ``low`` costs.
    """

    status: Status
    values: Floats
    objective: float
    bound: float
    duals: Floats | None = None


@dataclass(frozen=True)
class Matrix:
    """A program as arrays: rows by start, scaled by ``scale``."""

    start: Ints
    index: Ints
    value: Floats
    low: Floats
    high: Floats
    scale: Floats

    @classmethod
    def of(cls, program: LinearProgram) -> Matrix:
        """The rows of a program, each scaled so that its coefficients lie around 1."""
        counts = [len(terms) for terms in program.terms]
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        index = np.fromiter(
            (column for terms in program.terms for column in terms), np.int64, int(start[-1])
        )
        value = np.fromiter(
            (a for terms in program.terms for a in terms.values()), np.float64, int(start[-1])
        )
        scale = np.array([row_scale(terms) for terms in program.terms])
        low, high = (np.array(side, dtype=np.float64) for side in (program.low, program.high))
        value = value * np.repeat(scale, counts)
        return cls(start, index, value, low * scale, high * scale, scale)


def row_scale(terms: Terms) -> float:
    """What to multiply a row by: 1 where its coefficients are of ordinary size."""
    sizes = [abs(value) for value in terms.values()]
    least, most = min(sizes), max(sizes)
    if most <= LARGEST and least >= SMALLEST:
        return 1.0
    return float(2.0 ** -np.round(np.log2(np.sqrt(least * most))))


def solve_linear(
    program: LinearProgram,
    *,
    relaxed: bool = False,
    gap: float = 1e-6,
    nodes: int | None = None,
    interior: bool = False,
    presolve: bool = False,
    start: Floats | None = None,
) -> LinearAnswer:
    """Solve with HiGHS from arrays.

    Parameters
    ----------
    relaxed
        Leave out that variables are whole; then the duals are read.
    gap, nodes
        Relative gap, and the most nodes, of an integer program.
    interior
        Interior point without crossover: for large relaxations that supply prices.
    presolve
        Off by default: that of HiGHS is wrong on some small programs.
    start
        Values to begin with, of an integer program.
    """
    matrix = Matrix.of(program)
    lp = highs_lp(program, matrix)
    whole = np.array(program.whole, dtype=bool)
    integer = bool(whole.any()) and not relaxed
    if integer:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in whole]
    solver = highspy.Highs()
    solver.silent()
    options: dict[str, object] = {
        "threads": 1,
        "random_seed": 0,
        "presolve": "choose" if presolve else "off",
        "mip_rel_gap": gap,
        "mip_abs_gap": 0.0,
    }
    if nodes is not None:
        options["mip_max_nodes"] = nodes
    if interior:
        options |= {
            "solver": "ipm",
            "run_crossover": "off",
            "presolve": "choose",
            "ipm_optimality_tolerance": 1e-5,
        }
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(lp)
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = start.tolist()
        solver.setSolution(known)
    solver.run()
    return read_highs(solver, matrix, integer=integer)


def highs_lp(program: LinearProgram, matrix: Matrix) -> highspy.HighsLp:
    """The relaxation of a program as HiGHS takes it."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.names), len(program.terms)
    lp.col_cost_ = np.array(program.cost, dtype=np.float64)
    lp.col_lower_ = np.array(program.lower, dtype=np.float64)
    lp.col_upper_ = np.array(program.upper, dtype=np.float64)
    lp.row_lower_, lp.row_upper_ = matrix.low, matrix.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.start
    lp.a_matrix_.index_ = matrix.index
    lp.a_matrix_.value_ = matrix.value
    return lp


def read_highs(solver: highspy.Highs, matrix: Matrix, *, integer: bool) -> LinearAnswer:
    """The answer that HiGHS holds, with the duals of the rows as they were written."""
    state, info, solution = solver.getModelStatus(), solver.getInfo(), solver.getSolution()
    states = highspy.HighsModelStatus
    values = np.array(solution.col_value, dtype=np.float64)
    if state in (states.kInfeasible, states.kUnboundedOrInfeasible):
        return LinearAnswer(Status.INFEASIBLE, values, np.inf, np.inf)
    if info.primal_solution_status != 2:  # 2: a feasible point
        if not integer and len(solution.row_dual) == len(matrix.scale) and len(matrix.scale):
            # An interior point that stopped short: its prices are still prices.
            duals = np.array(solution.row_dual) * matrix.scale
            return LinearAnswer(
                Status.STOPPED, values, info.objective_function_value, -np.inf, duals
            )
        return LinearAnswer(Status.ERROR, values, np.inf, -np.inf)
    optimal = state == states.kOptimal
    objective = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if integer else (objective if optimal else -np.inf)
    prices = None if integer else np.array(solution.row_dual) * matrix.scale
    status = Status.OPTIMAL if optimal else Status.STOPPED
    return LinearAnswer(status, values, objective, min(bound, objective), prices)


def pulp_model(program: LinearProgram) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """The program in PuLP, every row and variable by its name; and the variables in order."""
    model = pulp.LpProblem("routing", pulp.LpMinimize)
    named = _Names()
    variables = [
        model.add_variable(
            named(name),
            lowBound=low,
            upBound=None if np.isinf(high) else high,
            cat="Integer" if whole else "Continuous",
        )
        for name, low, high, whole in zip(
            program.names, program.lower, program.upper, program.whole, strict=True
        )
    ]
    model.setObjective(pulp.lpSum(c * v for c, v in zip(program.cost, variables, strict=True) if c))
    for name, terms, low, high in zip(
        program.row_names, program.terms, program.low, program.high, strict=True
    ):
        scale = row_scale(terms)
        total = pulp.lpSum(scale * value * variables[column] for column, value in terms.items())
        if low == high:
            model += total == scale * low, named(name)
            continue
        if np.isfinite(low):
            model += total >= scale * low, named(f"{name}.least")
        if np.isfinite(high):
            model += total <= scale * high, named(f"{name}.most")
    return model, variables


def solve_pulp(
    program: LinearProgram, *, gap: float = 1e-6, nodes: int | None = None
) -> LinearAnswer:
    """Solve by way of PuLP; status and bound are those of HiGHS itself."""
    model, variables = pulp_model(program)
    options: dict[str, object] = {
        "mip_rel_gap": gap,
        "mip_abs_gap": 0.0,
        "random_seed": 0,
        "presolve": "off",
    }
    if nodes is not None:
        options["mip_max_nodes"] = nodes
    with suppress(KeyError, IndexError):
        model.solve(pulp.HiGHS(msg=False, threads=1, **options))
    solver = model.solverModel
    answer = read_highs(solver, Matrix.of(LinearProgram()), integer=any(program.whole))
    if not answer.status.has_plan:
        return answer
    values = np.array([float(variable.varValue or 0.0) for variable in variables])
    return LinearAnswer(answer.status, values, answer.objective, answer.bound)


def solve_mathopt_linear(program: LinearProgram, *, gap: float = 1e-6) -> LinearAnswer:
    """Solve with MathOpt and SCIP: a second opinion by another solver."""
    from ortools.math_opt.python import mathopt

    model = mathopt.Model()
    variables = [
        model.add_variable(lb=low, ub=high, is_integer=whole)
        for low, high, whole in zip(program.lower, program.upper, program.whole, strict=True)
    ]
    for terms, low, high in zip(program.terms, program.low, program.high, strict=True):
        scale = row_scale(terms)
        model.add_linear_constraint(
            lb=low * scale,
            ub=high * scale,
            expr=mathopt.fast_sum([scale * a * variables[k] for k, a in terms.items()]),
        )
    model.minimize(
        mathopt.fast_sum([c * v for c, v in zip(program.cost, variables, strict=True) if c])
    )
    parameters = mathopt.SolveParameters(
        relative_gap_tolerance=gap,
        absolute_gap_tolerance=0.0,
        threads=1,
        time_limit=timedelta(seconds=60),
    )
    result = mathopt.solve(model, mathopt.SolverType.GSCIP, params=parameters)
    reason = result.termination.reason
    if reason == mathopt.TerminationReason.INFEASIBLE:
        return LinearAnswer(Status.INFEASIBLE, np.zeros(len(variables)), np.inf, np.inf)
    if not result.has_primal_feasible_solution():
        return LinearAnswer(Status.ERROR, np.zeros(len(variables)), np.inf, -np.inf)
    found = result.variable_values()
    optimal = reason == mathopt.TerminationReason.OPTIMAL
    return LinearAnswer(
        Status.OPTIMAL if optimal else Status.STOPPED,
        np.array([found[variable] for variable in variables]),
        float(result.objective_value()),
        float(result.dual_bound()),
    )


def violation(program: LinearProgram, values: Floats) -> tuple[float, str]:
    """The most by which values break a bound, a row, or wholeness; and where."""
    worst, where = 0.0, ""
    lower, upper = np.array(program.lower), np.array(program.upper)
    whole: Flags = np.array(program.whole, dtype=bool)
    off = np.maximum(lower - values, values - upper)
    off = np.maximum(off, np.where(whole, np.abs(values - np.round(values)), 0.0))
    if len(off) and off.max() > worst:
        worst, where = float(off.max()), program.names[int(off.argmax())]
    for name, terms, low, high in zip(
        program.row_names, program.terms, program.low, program.high, strict=True
    ):
        total = sum(a * float(values[k]) for k, a in terms.items())
        size = 1.0 + sum(abs(a * float(values[k])) for k, a in terms.items())
        over = max(low - total, total - high) / size
        if over > worst:
            worst, where = over, name
    return worst, where


class _Names:
    """Names as solver text allows them, each once."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        plain = "".join(c if c.isalnum() or c in "._" else "_" for c in name).rstrip("_")
        count = self.seen.get(plain, 0)
        self.seen[plain] = count + 1
        return f"{plain}.{count}" if count else plain
