# SPDX-License-Identifier: Apache-2.0
"""The peers' integer program at its sizes, against ours on the same input, in one run."""

from __future__ import annotations

import math
import time

import pytest
from ortools.linear_solver import pywraplp  # noqa: F401 (before PuLP: see naive.py)
from pulp import HiGHS

from optimizer.program.arrays import ArrayProgram
from optimizer.program.certificate import whole_box
from optimizer.program.reference import solve_reference
from optimizer.program.status import Status

from .awsome import as_problem, draw_case, merge_equal_hours, solve_theirs
from .naive import Clock
from .report import seconds, write_table

# Hours, types, duration of every commitment, and whether a unit costs the plan a dollar.
SIZES = [
    (24, 2, 4, True),
    (24, 2, 24, False),
    (168, 2, 168, False),
    (336, 1, 336, False),
    (744, 1, 744, False),
    # A term may begin in every hour: as many purchases as hours.
    (336, 1, 24, False),
    (744, 1, 24, False),
    (744, 1, 168, False),
]
LIMIT = 15.0  # seconds of SCIP for one program of theirs
MOST_COLUMNS = 200  # of the readable program, which takes 13–18 s to write a thousand


def test_peers(capsys, monkeypatch) -> None:
    rows = []
    for hours, types, duration, unit in SIZES:
        case = draw_case(hours, types, duration, seed=hours + types, unit=unit)
        start = time.perf_counter()
        whole = solve_theirs(case, seconds=LIMIT)
        first = time.perf_counter()
        parts = solve_theirs(case, whole_coverage=False, seconds=LIMIT)
        second = time.perf_counter()
        problem = merge_equal_hours(as_problem(case))
        third = time.perf_counter()
        answer = ArrayProgram(problem).solve(whole_box(problem), gap=0.0, nodes=10_000)
        ours = time.perf_counter() - third
        assert answer.status is Status.OPTIMAL
        assert answer.bound == pytest.approx(answer.objective, rel=1e-6)
        readable = "not written"
        if len(problem.columns) <= MOST_COLUMNS:
            with monkeypatch.context() as patched:
                patched.setattr(HiGHS, "callSolver", HiGHS.callSolver)  # so that it is put back
                clock = Clock(HiGHS, "callSolver")
                start = time.perf_counter()
                written = solve_reference(problem)
                took = time.perf_counter() - start
            assert written.objective == pytest.approx(answer.objective, rel=1e-6)
            readable = f"{seconds(took)}, HiGHS {seconds(clock.seconds)}"
        if not math.isnan(parts):
            assert answer.objective == pytest.approx(parts, rel=1e-6)
        if not math.isnan(whole):
            assert answer.objective <= whole * (1 + 1e-6)
        rows.append(
            [
                f"{hours} x {types}, terms of {duration} h",
                _told(whole, first - start),
                _told(parts, second - first),
                _told(answer.objective, ours),
                readable,
                f"{'over ' if math.isnan(parts) else ''}{(second - first) / ours:.2g}",
            ]
        )
    header = ["hours x types", "theirs, whole instances", "theirs, by parts", "ours, arrays"]
    with capsys.disabled():
        write_table("peers", [*header, "ours, readable (PuLP)", "theirs by parts / ours"], rows)


def _told(cost: float, took: float) -> str:
    return f"over {LIMIT:.0f} s" if math.isnan(cost) else f"{cost:.2f} $ in {seconds(took)}"
