# SPDX-License-Identifier: Apache-2.0
"""One ``solve()`` that picks a way, proves its answer, and says what it did.

Small programs are written out in PuLP, large ones over cells of hours.  Either way the
answer is checked, compared with plans that need no solver, improved on the replayed bill,
and bounded by a certificate.  It stops on work done, so that a run repeats, or when the
watch says so; then the best plan so far is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.errors import SolverError
from optimizer.program.alone import Coarse, each_alone, with_renewals
from optimizer.program.branch import Bounded, proven_infeasible
from optimizer.program.certificate import pool_prices, whole_box
from optimizer.program.check import Check, check_bound, check_incumbents
from optimizer.program.lawcost import LawCost, LawOutcome
from optimizer.program.prices import Prices
from optimizer.program.problem import Floats, Ints, Problem
from optimizer.program.search import improve, on_step
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import OPTIMAL_GAP, Status
from optimizer.program.warm import Learnt, WarmStart
from optimizer.program.watch import Watch
from optimizer.program.ways import (
    BRANCH_NODES,
    MIP_NODES,
    REFERENCE_ROWS,
    Found,
    free_cost,
    pick,
    run_way,
    second_opinion,
)
from optimizer.program.within import within_limits

__all__ = ["BRANCH_NODES", "MIP_NODES", "REFERENCE_ROWS", "Answer", "Progress", "solve"]

SEARCH_EVALUATIONS = 150

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much work a solve may do; what it comes to is proven and its gap stated either way.

    Attributes
    ----------
    evaluations
        Of the search on the replayed bill.
    rounds
        Of the partition; ``None``: as many as it takes.
    alone
        Whether every kind of offer alone is planned, to compare with.
    exact
        Whether free choice is priced by the hours' linear programs, or from above by the oracle.
    """

    evaluations: int = SEARCH_EVALUATIONS
    rounds: int | None = None
    alone: bool = True
    exact: bool = True


FULL = Effort()
QUICK = Effort(evaluations=12, rounds=2, alone=False, exact=False)


@dataclass(frozen=True)
class Answer:
    """A plan's amounts with their proof; dollars without the constant cost of what is held.

    ``bound ≤ free ≤ objective``: the certificate; the least cost known under free choice, of
    these amounts or of those that the program asked for; these amounts under the law.
    ``why`` says why the method was picked, ``stopped`` what ended the solve early, if
    anything did; ``learnt`` is what the next solve of a similar problem can start from.
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
    why: str = ""
    stopped: str = ""
    learnt: Learnt | None = field(default=None, repr=False)

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
    incumbents: Mapping[str, Floats] | None = None,
    kinds: Mapping[str, Ints] | None = None,
    start: WarmStart | None = None,
    progress: Progress = lambda _: None,
    watch: Watch | None = None,
    effort: Effort | None = None,
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
        Amounts of simple plans to start from and to compare with; what they would renew
        behind the horizon is found for them.
    kinds
        Columns by kind of offer: each kind alone is a simple plan too.
    start
        An earlier plan of a similar problem.
    progress, watch
        Told what is being done; a watch also knows when to stop.
    effort
        How much work to do; default :data:`FULL`.

    Raises
    ------
    SolverError
        If no way gives an answer that passes the checks.
    """
    watch = watch or Watch(tell=lambda told: progress(str(told)))
    effort = effort or FULL
    way, why = pick(problem, method)
    known = {"nothing new": np.zeros(len(problem.columns)), **(incumbents or {})}
    if start is not None:
        known["the previous plan"] = start.quantity
    coarse = Coarse(problem)
    known = with_renewals(coarse, known)
    if start is not None:
        start = replace(start, quantity=known["the previous plan"])
    if effort.alone:
        known |= each_alone(coarse, kinds or {})
    known = {name: on_step(problem, amounts) for name, amounts in known.items()}
    watch.report(f"{problem.hours:,} distinct hours; {way}: {why}")
    found = run_way(
        problem,
        way,
        why,
        gap=gap,
        constant=constant,
        start=start,
        watch=watch,
        rounds=effort.rounds,
    )
    solution, bounded, checks = found.solution, found.bounded, list(found.checks)
    if solution.status is Status.INFEASIBLE and proven_infeasible(problem, nodes=BRANCH_NODES):
        return _infeasible(problem, law, found, way)

    law.prefer_spot(pool_prices(problem, bounded.prices, solution.quantity)[pool_of])
    law.choose_spot(bounded.prices.shared)
    values = {name: law.objective(amounts) for name, amounts in known.items()}
    proven = solution.status is Status.OPTIMAL and found.exact
    checks += check_incumbents(solution.objective, values, proven=proven)
    planned = solution.status.has_plan or bool(watch.reason) or not found.exact
    checks.append(Check("the solver found a plan", planned, solution.status))
    if not all(check.ok for check in checks):
        watch.report("an answer failed its checks: solving another way")
        solution, checks = _another_way(problem, way, checks, values)
        way = f"{way}, then mathopt"
    asked = on_step(problem, solution.quantity)
    first = _start(problem, law, solution, known, values)
    watch.report("searching on the replayed bill")
    quantity, _, spent = improve(
        problem, law.objective, first, evaluations=effort.evaluations, stop=watch.stop
    )
    outcome = law.outcome(quantity)
    if np.isinf(outcome.objective):
        msg = (
            "no plan was found under which the providers' order of applying discounts serves "
            "all usage of the meters without on-demand price, although one exists if coverage "
            "could be chosen. To mend it: fill on_demand, or unmet_penalty, of such a meter"
        )
        raise SolverError(msg)
    free = min(
        outcome.objective,
        free_cost(problem, quantity, bounded, outcome.hourly, way, exact=effort.exact),
    )
    if free - bounded.bound > OPTIMAL_GAP * abs(free) and (asked != quantity).any():
        # The search may have left the program's amounts because the law makes nothing of
        # them: that is the law's doing, not what the solver left.
        hourly = law.outcome(asked).hourly
        free = min(free, free_cost(problem, asked, bounded, hourly, way, exact=effort.exact))
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
    watch.report("done", outcome.objective + constant, bound + constant)
    relative = (free - bound) / max(abs(outcome.objective + constant), 1e-12)
    return Answer(
        status=Status.of_gap(relative, gap),
        method=way,
        quantity=quantity,
        outcome=outcome,
        free=free,
        bound=bound,
        prices=bounded.prices,
        checks=tuple(checks),
        work={**found.work, "evaluations": spent},
        why=found.why,
        stopped=watch.reason,
        learnt=found.learnt,
    )


def _start(
    problem: Problem,
    law: LawCost,
    solution: ProgramSolution,
    known: Mapping[str, Floats],
    values: Mapping[str, float],
) -> Floats:
    """Amounts to search from: the program's, made to hold under the law, or a simple plan's."""
    rounded = on_step(problem, solution.quantity)
    start: Floats | None = rounded
    if np.isinf(law.objective(rounded)):  # rounding up may break a limit by a hair
        start = within_limits(problem, law.objective, solution.quantity)
    if start is None:  # rounding down may leave usage without a price unserved
        start = on_step(problem, np.ceil(solution.quantity / problem.step - 1e-9) * problem.step)
    if np.isinf(law.objective(start)):  # the law spends it elsewhere: come down from the most
        start = whole_box(problem).upper
    best = min(known, key=lambda name: values[name])
    return known[best] if values[best] < law.objective(start) else start


def _another_way(
    problem: Problem, way: str, failed: list[Check], values: Mapping[str, float]
) -> tuple[ProgramSolution, list[Check]]:
    """Take a second opinion; two that fail are an error."""
    solution, checks = second_opinion(problem, way)
    checks += check_incumbents(
        solution.objective, dict(values), proven=solution.status is Status.OPTIMAL
    )
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


def _infeasible(problem: Problem, law: LawCost, found: Found, way: str) -> Answer:
    """The answer of a case that has no plan: proven, never on a solver's word."""
    bounded: Bounded = found.bounded
    return Answer(
        status=Status.INFEASIBLE,
        method=way,
        quantity=found.solution.quantity,
        outcome=law.outcome(whole_box(problem).upper),
        free=np.inf,
        bound=np.inf,
        prices=bounded.prices,
        checks=(Check("infeasible", True, "proven by the certificate of the first phase"),),
        why=found.why,
    )
