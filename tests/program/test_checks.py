# SPDX-License-Identifier: Apache-2.0
"""A solver's word is not proof: doctored answers are caught, and solved another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optimizer.errors import SolverError
from optimizer.planning import make_plan
from optimizer.program import ways
from optimizer.program.branch import Bounded
from optimizer.program.check import (
    check_amounts,
    check_bound,
    check_incumbents,
    check_solution,
)
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference
from optimizer.program.solution import ProgramSolution
from optimizer.program.status import Status
from optimizer.tables import Case

from .folders import cover, meter, money, units, usage
from .memory import case_of
from .small import simple

# Two pools; one source covers both; the second pool may also run on spot.
PROBLEM = simple(
    [[3.0, 2.0, 5.0], [4.0, 4.0, 1.0]],
    [2.0, 3.0],
    [(0, 0, 1.0), (0, 1, 1.0)],
    [{"cost": 6.0, "step": 2.0, "minimum": 2.0, "maximum": 8.0}],
    spot_price=[np.inf, 1.0],
    tolerant=0.5,
)


def failing(answer: ProgramSolution) -> set[str]:
    return {check.name for check in check_solution(PROBLEM, answer) if not check.ok}


RIGHT = ProgramSolution(
    status=Status.OPTIMAL,
    quantity=np.array([4.0]),
    objective=4 * 6.0 + 4.5 * 1.0 + 2.5 * 2.0,
    bound=0.0,
    covered=np.array([[2.0, 2.0, 3.5], [2.0, 2.0, 0.5]]),
    spot=np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 0.5]]),
    on_demand=np.array([[1.0, 0.0, 1.5], [0.0, 0.0, 0.0]]),
)


def doctor(objective: float, **changes: list[tuple[int, int, float]]) -> ProgramSolution:
    """The right answer with amounts added at (row, hour), and the claim raised."""
    arrays = {}
    for name, cells in changes.items():
        array = getattr(RIGHT, name).copy()
        for row, hour, by in cells:
            array[row, hour] += by
        arrays[name] = array
    return replace(RIGHT, objective=RIGHT.objective + objective, **arrays)


def test_a_right_answer_passes() -> None:
    checks = check_solution(PROBLEM, RIGHT)
    assert [check.name for check in checks] == [
        "purchase.range",
        "coverage.positive",
        "coverage.meet",
        "coverage.draw",
        "coverage.spot",
        "coverage.availability",
        "coverage.limit",
        "objective",
    ]
    assert failing(RIGHT) == set()
    assert failing(solve_reference(PROBLEM)) == set()


def test_an_amount_off_its_range_or_step() -> None:
    for amount, ok in ((0, 1), (4, 1), (8, 1), (1, 0), (3, 0), (10, 0), (-2, 0)):
        assert check_amounts(PROBLEM, np.array([float(amount)])).ok is bool(ok), amount
    money_problem = replace(PROBLEM, integer=np.array([False]))
    assert check_amounts(money_problem, np.array([3.3])).ok  # rounded afterwards
    assert not check_amounts(money_problem, np.array([1.9])).ok


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ("coverage.meet", doctor(-1.0, on_demand=[(0, 0, -0.5)])),
        ("coverage.meet", doctor(0.0, covered=[(1, 1, -0.5)])),
        # On demand is covered with what is not there.
        ("coverage.draw", doctor(-2.0, on_demand=[(0, 0, -1.0)], covered=[(0, 0, 1.0)])),
        # More runs on spot than tolerates it.
        ("coverage.spot", doctor(0.5, spot=[(1, 2, 0.5)], covered=[(1, 2, -0.5)])),
        # One pool is covered below zero, which frees the source for the other.
        (
            "coverage.positive",
            doctor(
                1.0,
                covered=[(1, 2, -1.0), (0, 2, 1.0)],
                on_demand=[(1, 2, 1.0), (0, 2, -1.0)],
            ),
        ),
        ("objective", doctor(-0.1)),
        ("purchase.range", replace(RIGHT, quantity=np.array([5.0]), objective=39.5)),
    ],
)
def test_each_family_catches_its_own(wrong: str, answer: ProgramSolution) -> None:
    assert failing(answer) == {wrong}


def test_spot_where_there_is_none() -> None:
    answer = doctor(-0.5, spot=[(0, 0, 0.5)], on_demand=[(0, 0, -0.5)])
    assert failing(answer) == {"objective"}


def test_on_demand_where_there_is_none() -> None:
    """An infinite cost is not within any tolerance of what is claimed."""
    problem = replace(PROBLEM, price=np.where([[True], [False]], np.inf, PROBLEM.price))
    assert {c.name for c in check_solution(problem, RIGHT) if not c.ok} == {"objective"}


def test_bounds_and_incumbents() -> None:
    assert [c.ok for c in check_bound(10.0, {"a": 10.0, "b": 9.99, "c": np.inf})] == [1, 0, 1]
    assert [c.ok for c in check_incumbents(10.0, {"a": 10.0, "b": 9.99}, proven=True)] == [1, 0]
    assert [c.ok for c in check_incumbents(10.0, {"b": 9.99}, proven=False)] == [1]


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    def build(method: str = "reference", **more: object) -> Case:
        toml = f'[solve]\nmethod = "{method}"\ngap = 0.0\n'
        return case_of(
            tmp_path / method,
            4,
            toml,
            meters=[meter("a", "10"), meter("b", "1")],
            usage=[*usage("a", [3, 3, 2, 2]), *usage("b", [4, 4, 4, 10])],
            offers=[units("ri", 4, "5"), money("sp", 4)],
            covers=[cover("ri", "a"), cover("sp", "a", "7"), cover("sp", "b", "0.8")],
            provider_advice=[
                {
                    "provider": "aws",
                    "offer": "ri",
                    "quantity": 2,
                    "as_of": "2026-11-21T00:00:00Z",
                    "estimated_saving": 1,
                }
            ],
        )

    return build


def doctored(monkeypatch: pytest.MonkeyPatch, change: Callable[[ProgramSolution], object]) -> None:
    """Let the first way lie."""
    true = ways.solve_reference
    monkeypatch.setattr(ways, "solve_reference", lambda *a, **k: change(true(*a, **k)))


def test_an_honest_answer(case: Callable[..., Case]) -> None:
    plan = make_plan(case())
    assert plan.status is Status.OPTIMAL
    assert plan.parts[0].answer.method == "reference"


@pytest.mark.parametrize("lie", ["dear", "infeasible", "error", "uncovered"])
def test_a_wrong_answer_is_solved_another_way(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """Buying nothing, or the providers' advice, is cheaper than what is called optimal."""
    honest = make_plan(case())

    def change(answer: ProgramSolution) -> ProgramSolution:
        nothing = np.zeros_like(answer.quantity)
        if lie == "dear":  # consistent in itself, as the wrong answers of HiGHS are
            extra = 30.0
            quantity = nothing + np.array([extra, 0.0])
            return ProgramSolution(Status.OPTIMAL, quantity, 900.0, 900.0)
        if lie == "infeasible":
            return ProgramSolution(Status.INFEASIBLE, nothing, np.inf, np.inf)
        if lie == "error":
            return ProgramSolution(Status.ERROR, nothing, np.inf, -np.inf)
        return replace(answer, on_demand=np.zeros_like(answer.on_demand))

    doctored(monkeypatch, change)
    plan = make_plan(case())
    answer = plan.parts[0].answer
    assert answer.method == "reference, then mathopt"
    assert plan.bought == honest.bought
    assert plan.total == honest.total
    told = {check.name for check in answer.checks if check.name.startswith("first answer: ")}
    wanted = {
        "dear": {
            "answer <= nothing new",
            "answer <= the providers' advice",
            "answer <= aws.reserved.regional 4h alone",
            "answer <= aws.savings.compute 4h alone",
        },
        "infeasible": {"the solver found a plan"},
        "error": {"the solver found a plan"},
        "uncovered": {"coverage.meet", "objective"},
    }[lie]
    assert told == {f"first answer: {name}" for name in wanted}
    assert all(check.ok for check in answer.checks)
    assert plan.status is Status.OPTIMAL


def test_two_wrong_answers_are_an_error(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dear(problem: Problem, **_: object) -> ProgramSolution:
        return ProgramSolution(Status.OPTIMAL, np.zeros(len(problem.columns)), 900.0, 900.0)

    monkeypatch.setattr(ways, "solve_reference", dear)
    monkeypatch.setattr(ways, "solve_mathopt", dear)
    with pytest.raises(SolverError, match="two solvers gave answers that fail"):
        make_plan(case())


def test_the_other_way_of_mathopt_is_mathopt_with_highs(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    true = ways.solve_mathopt

    def lying(problem: Problem, *, solver: str = "gscip") -> ProgramSolution:
        used.append(solver)
        answer = true(problem, solver=solver)
        return replace(answer, objective=900.0) if solver == "gscip" else answer

    monkeypatch.setattr(ways, "solve_mathopt", lying)
    plan = make_plan(case("mathopt"))
    assert used == ["gscip", "highs"]
    assert plan.status is Status.OPTIMAL


def test_a_bound_above_a_plan_is_never_reported(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong certificate must not make a plan look optimal."""
    true = ways.certified_bound

    def lifted(*args: object, **kwargs: object) -> Bounded:
        bounded = true(*args, **kwargs)
        return replace(bounded, bound=bounded.bound * 1.01)

    monkeypatch.setattr(ways, "certified_bound", lifted)
    with pytest.raises(SolverError, match="the lower bound fails its check"):
        make_plan(case())
