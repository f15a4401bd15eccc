# SPDX-License-Identifier: Apache-2.0
"""The partition against the readable program: one truth, two ways to it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optimizer.planning import Plan, make_plan, plan_document
from optimizer.program import partition
from optimizer.program.arrays import ArrayProgram
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.partition import partition_hours
from optimizer.program.problem import Problem
from optimizer.program.reference import solve_reference

from .folders import Row, at, case_of, cover, meter, money, units, usage
from .small import random_problem, simple

GAP = 0.002
HOURS = 168


def rows(seed: int) -> dict[str, list[Row]]:
    """Three meters with daily waves and noise; two money plans, three reservations, spot."""
    rng = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    meters, used, offers, covers = [], [], [], []
    offers += [money("sp1", HOURS), money("sp3", HOURS, "1.1", law="aws.savings.instance")]
    for number in range(3):
        name, price = f"m{number}", Decimal(int(rng.integers(4, 40)))
        meters.append(meter(name, price, spot=price * Decimal("0.35") if number == 0 else ""))
        wave = 1 + 0.5 * np.sin(2 * np.pi * (hour + rng.integers(24)) / 24)
        need = np.round(rng.uniform(5, 40) * wave * rng.uniform(0.8, 1.2, HOURS), 1)
        used += usage(name, need.tolist(), spot_tolerant=0.3 if number == 0 else 0)
        offers.append(units(f"ri{number}", HOURS, price * Decimal("0.6")))
        covers.append(cover(f"ri{number}", name))
        covers += [cover("sp1", name, price * Decimal(f"0.7{rng.integers(9)}"))]
        covers += [cover("sp3", name, price * Decimal(f"0.5{rng.integers(9)}"))]
    held = [{"commitment": "c", "offer": "ri1", "quantity": 3, "start": at(-9), "end": at(60)}]
    tables = {"meters": meters, "usage": used, "offers": offers, "covers": covers}
    return {**tables, "commitments": held}


def planned(folder: Path, seed: int, method: str) -> Plan:
    toml = f'[solve]\nmethod = "{method}"\ngap = {GAP}\n'
    return make_plan(case_of(folder, HOURS, toml, **rows(seed)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_ways_one_truth(seed: int, tmp_path: Path) -> None:
    reference = planned(tmp_path / "reference", seed, "reference")
    partitioned = planned(tmp_path / "partition", seed, "partition")
    assert {part.answer.method for part in reference.parts} == {"reference"}
    assert {part.answer.method for part in partitioned.parts} == {"partition"}
    # Each is within its gap of a bound that holds for the other too.
    for one in (reference, partitioned):
        assert one.gap_solver <= GAP
        assert one.status in ("optimal", "within_gap")
        for other in (reference, partitioned):
            assert one.lower_bound <= other.objective
            assert float(one.objective) * (1 - one.gap) <= float(other.objective)
    assert float(partitioned.objective) == pytest.approx(float(reference.objective), rel=0.004)
    # The readable program is exact: its bound is the best there is, the other's is below.
    assert reference.gap_solver <= 1e-6
    assert float(partitioned.lower_bound) <= float(reference.lower_bound) * (1 + 1e-9)
    assert float(partitioned.lower_bound) >= float(reference.lower_bound) * (1 - GAP)


def test_the_partition_repeats(tmp_path: Path) -> None:
    one, two = (planned(tmp_path / str(run), 2, "partition") for run in range(2))
    assert plan_document(one) == plan_document(two)


@pytest.mark.parametrize("seed", range(30))
def test_its_bound_holds_whatever_the_cells(seed: int) -> None:
    """Also for the small problems, and with cells that are as coarse as can be."""
    problem = random_problem(seed)
    best = solve_reference(problem).objective
    found = partition_hours(problem, gap=0.0)
    assert found.bound <= best + 1e-9 * (1 + abs(best))
    assert found.labels.shape == (problem.hours,)
    assert found.program.problem.weight.sum() == pytest.approx(problem.weight.sum())


def long_problem() -> Problem:
    """200 hours of two pools, a money plan for both and a reservation for one."""
    rng, hours = np.random.default_rng(14), 200
    demand = rng.uniform(0.0, 10.0, (2, hours)).tolist()
    columns = [{"cost": 0.9 * hours, "whole": 0.0, "step": 0.001}, {"cost": 1.3 * hours}]
    return simple(demand, [2.0, 3.0], [(0, 0, 1.2), (0, 1, 1.8), (1, 0, 1.0)], columns)


def test_finer_cells_bound_better(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = long_problem()
    relaxed = ArrayProgram(problem).relax(whole_box(problem))
    bounds, cells = [], []
    for rounds in (1, 3, 14):
        monkeypatch.setattr(partition, "ROUNDS", rounds)
        found = partition_hours(problem, gap=1e-4)
        bounds.append(found.bound)
        cells.append(found.program.problem.hours)
        # It is the certificate of the exact hours, with the prices that are kept.
        assert found.bound == pytest.approx(lower_bound(problem, found.prices))
        assert found.rounds <= rounds
    assert cells[0] < cells[1] <= cells[2] <= problem.hours
    assert bounds[0] < bounds[1] <= bounds[2] <= solve_reference(problem).objective
    assert bounds[2] >= relaxed.objective * (1 - 1e-3)


def test_cells_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "MOST_CELLS", 12)
    found = partition_hours(long_problem(), gap=0.0)
    assert found.program.problem.hours <= 12


def test_what_burns_nothing_overruns_nothing() -> None:
    """Azure: a negotiated price of zero is covered at a draw of zero."""
    problem = simple(
        [[1.0, 3.0], [2.0, 1.0]],
        [np.inf, 2.0],  # so that the first must be covered
        [(0, 0, 0.0), (0, 1, 1.0)],
        [{"cost": 3.0, "whole": 0.0, "step": 0.001}],
    )
    found = partition_hours(problem, gap=0.0)
    assert found.bound == pytest.approx(solve_reference(problem).objective)
    assert found.bound == pytest.approx(1 * 3.0 + 2.0)  # one unit always, one more on demand
