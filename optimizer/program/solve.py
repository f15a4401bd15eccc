# SPDX-License-Identifier: Apache-2.0
"""One ``solve()`` that picks a way, proves its answer, and says what it did.

Small programs are written out in PuLP; large ones are partitioned.  Either way the answer
is checked, compared with plans that need no solver, improved on the replayed bill, and
bounded by a certificate.  Everything stops on work done, so that a run repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from optimizer.errors import SolverError
from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.branch import Bounded, certified_bound, proven_infeasible
from optimizer.program.certificate import pool_prices, whole_box
from optimizer.program.check import Check, check_bound, check_incumbents, check_solution
from optimizer.program.free import free_choice_cost
from optimizer.program.lawcost import LawCost, LawOutcome
from optimizer.program.mathopt import solve_mathopt
from optimizer.program.partition import partition_hours
from optimizer.program.prices import Prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.reference import solve_reference
from optimizer.program.search import improve, on_step
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import OPTIMAL_GAP, Status

# Above this many rows the readable program takes longer than the partition.
REFERENCE_ROWS = 12_000
MIP_NODES = 2_000
BRANCH_NODES = 300
PARTITION_BRANCH_NODES = 12
SEARCH_EVALUATIONS = 150

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """A plan's amounts with their proof; dollars without the constant cost of what is held.

    ``bound ≤ free ≤ objective``: the certificate; the least cost known under free choice, of
    these amounts or of those that the program asked for; these amounts under the law.
    """

    status: Status
    method: str
    quantity: Floats
    outcome: LawOutcome
    free: float
    bound: float
    prices: Prices
    checks: tuple[Check, ...]
    work: dict[str, int] = field(default_factory=dict)

    @property
    def objective(self) -> float:
        """Objective under the law, in dollars."""
        return self.outcome.objective


def solve(
    problem: Problem,
    law: LawCost,
    pool_of: Ints,
    *,
    method: str = "auto",
    gap: float = 0.001,
    constant: float = 0.0,
    incumbents: dict[str, Floats] | None = None,
    progress: Progress = lambda _: None,
) -> Answer:
    """Find the amounts to buy.

    Parameters
    ----------
    problem, law, pool_of
        The coverage problem, its cost under the law, and the pool of each line.
    method
        ``auto``, ``reference``, ``partition`` or ``mathopt``.
    gap
        Wanted relative gap of the solver (free choice against the bound).
    constant
        Cost of what is held: part of the objective that the gap is relative to.
    incumbents
        Amounts of simple plans to start from and to compare with.

    Raises
    ------
    SolverError
        If no way gives an answer that passes the checks.
    """
    if method == "auto":
        method = "reference" if problem.rows <= REFERENCE_ROWS else "partition"
    known = {"nothing new": np.zeros(len(problem.columns)), **(incumbents or {})}
    known = {name: on_step(problem, amounts) for name, amounts in known.items()}
    progress(f"{problem.hours} distinct hours, {problem.rows} rows: {method}")
    solution, bounded, checks, rounds = _run(problem, method, gap, progress)
    if solution.status is Status.INFEASIBLE and _unservable(problem):
        return _infeasible(problem, law, solution, bounded, method)

    law.prefer_spot(pool_prices(problem, bounded.prices, solution.quantity)[pool_of])
    values = {name: law.objective(amounts) for name, amounts in known.items()}
    # The program's own hours are exact only where it writes every hour.
    exact = method != "partition"
    proven = solution.status is Status.OPTIMAL and exact
    checks += check_incumbents(solution.objective, values, proven=proven)
    checks.append(Check("the solver found a plan", solution.status.has_plan, solution.status))
    if not all(check.ok for check in checks):
        progress("an answer failed its checks: solving another way")
        solution, checks = _another_way(problem, method, checks, values)
        method = f"{method}, then mathopt"
    start = asked = on_step(problem, solution.quantity)
    if np.isinf(law.objective(start)):  # rounding down may leave usage without a price unserved
        start = on_step(problem, np.ceil(solution.quantity / problem.step - 1e-9) * problem.step)
    if np.isinf(law.objective(start)):  # the law spends it elsewhere: come down from the most
        start = whole_box(problem).upper
    best = min(known, key=lambda name: values[name])
    value = law.objective(start)
    if values[best] < value:
        start = known[best]
    progress("searching on the replayed bill")
    quantity, _, spent = improve(problem, law.objective, start, evaluations=SEARCH_EVALUATIONS)
    outcome = law.outcome(quantity)
    if np.isinf(outcome.objective):
        msg = (
            "no plan was found under which the providers' order of applying discounts serves "
            "all usage of the meters without on-demand price, although one exists if coverage "
            "could be chosen. To mend it: fill on_demand, or unmet_penalty, of such a meter"
        )
        raise SolverError(msg)
    free = free_choice_cost(problem, quantity, bounded.prices, outcome.hourly)
    free = min(free, outcome.objective)
    if free - bounded.bound > OPTIMAL_GAP * abs(free):
        # The search may have left the program's amounts because the law makes nothing of
        # them: that is the law's doing, not what the solver left.
        hourly = law.outcome(asked).hourly
        free = min(free, free_choice_cost(problem, asked, bounded.prices, hourly))
    bound = min(bounded.bound, free)
    checks += check_bound(
        bounded.bound, {**values, "plan": outcome.objective, "plan, free choice": free}
    )
    refuted = [check for check in checks if not check.ok]
    if refuted:
        # A bound above a plan disproves the bound: nothing could be said about the plan.
        msg = (
            f"the lower bound fails its check ({refuted[0].name}: {refuted[0].detail}). "
            "To mend it: report the case"
        )
        raise SolverError(msg)
    relative = (free - bound) / max(abs(outcome.objective + constant), 1e-12)
    return Answer(
        status=Status.of_gap(relative, gap),
        method=method,
        quantity=quantity,
        outcome=outcome,
        free=free,
        bound=bound,
        prices=bounded.prices,
        checks=tuple(checks),
        work={"nodes": bounded.nodes, "rounds": rounds, "evaluations": spent},
    )


def _run(
    problem: Problem, method: str, gap: float, progress: Progress
) -> tuple[ProgramSolution, Bounded, list[Check], int]:
    """Solve one way; returns the answer, its certificate, its checks and the rounds."""
    if method == "partition":
        part = partition_hours(problem, gap=gap)
        progress(f"{part.program.problem.hours} cells after {part.rounds} rounds")
        solution = _whole_amounts(part.program, whole_box(problem), gap)
        bounded = certified_bound(
            problem,
            part.program,
            part.spread,
            target=solution.objective * (1.0 - 0.1 * gap),
            nodes=PARTITION_BRANCH_NODES,
        )
        if part.bound > bounded.bound:
            bounded = Bounded(part.bound, part.prices, bounded.nodes)
        return solution, bounded, [], part.rounds
    solution = (
        solve_mathopt(problem) if method == "mathopt" else solve_reference(problem, nodes=MIP_NODES)
    )
    bounded = certified_bound(
        problem,
        ArrayProgram(problem),
        lambda prices: prices,
        target=solution.objective * (1.0 - 1e-9),
        nodes=BRANCH_NODES,
    )
    checks = check_solution(problem, solution) if solution.status.has_plan else []
    return solution, bounded, checks, 0


def _whole_amounts(program: ArrayProgram, box: Box, gap: float) -> ProgramSolution:
    """Whole units for the cells: round the relaxation, and search only if that is not enough.

    The units are rounded and held, the money is solved again beside them.  Where that costs
    less than a fifth of the gap over the relaxation, no tree is needed to know it.
    """
    problem = program.problem
    relaxed = program.relax(box)
    if relaxed.feasible:
        rounded = on_step(problem, relaxed.quantity)
        whole = problem.integer | (rounded <= 0) | (problem.minimum > 0)
        held = Box(np.where(whole, rounded, box.lower), np.where(whole, rounded, box.upper))
        beside = program.relax(held)
        if beside.feasible and beside.objective <= relaxed.objective * (1 + 0.2 * gap):
            return ProgramSolution(
                Status.WITHIN_GAP, beside.quantity, beside.objective, relaxed.objective
            )
    return program.solve(box, gap=0.2 * gap, nodes=MIP_NODES)


def _another_way(
    problem: Problem, method: str, failed: list[Check], values: dict[str, float]
) -> tuple[ProgramSolution, list[Check]]:
    """Solve with a program and a solver that share nothing with the first."""
    solver = "highs" if method == "mathopt" else "gscip"
    solution = solve_mathopt(problem, solver=solver)
    checks = check_solution(problem, solution)
    checks += check_incumbents(solution.objective, values, proven=solution.status is Status.OPTIMAL)
    if not solution.status.has_plan or not all(check.ok for check in checks):
        names = ", ".join(check.name for check in [*failed, *checks] if not check.ok)
        msg = (
            f"two solvers gave answers that fail the independent checks ({names}). "
            "To mend it: look for prices or quantities of very different size in the case, "
            "and report the case"
        )
        raise SolverError(msg)
    noted = [
        Check(f"first answer: {c.name}", True, f"failed: {c.detail}") for c in failed if not c.ok
    ]
    return solution, [*noted, *checks]


def _infeasible(
    problem: Problem, law: LawCost, solution: ProgramSolution, bounded: Bounded, method: str
) -> Answer:
    """The answer of a case that has no plan: its proof is that of :func:`_unservable`."""
    return Answer(
        status=Status.INFEASIBLE,
        method=method,
        quantity=solution.quantity,
        outcome=law.outcome(whole_box(problem).upper),
        free=np.inf,
        bound=np.inf,
        prices=bounded.prices,
        checks=(Check("infeasible", True, "proven by the certificate of the first phase"),),
    )


def _unservable(problem: Problem) -> bool:
    """Whether it is proven that no plan serves the usage, even if coverage could be chosen.

    Infeasible is believed only with this proof of our own, never on a solver's word.
    """
    return proven_infeasible(problem, nodes=BRANCH_NODES)
