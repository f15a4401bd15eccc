# SPDX-License-Identifier: Apache-2.0
"""Linked hours are made better a stretch at a time: never dearer, and within every row."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.program.linear import solve_linear, violation
from optimizer.program.route_hour import EVERYWHERE, BlockProgram
from optimizer.program.route_polish import STRETCH, polish

HOURS = 3 * STRETCH + 2


def fleet(seed: int, *, price: float = 1.9, most_api: float | None = None) -> BlockProgram:
    """Machines of two sizes that start, beside an API; and what waits from hour to hour.

    ``price`` is the API's, ``most_api`` bounds what it answers in all hours together: a row
    of every stretch.
    """
    rng = np.random.default_rng(seed)
    program = BlockProgram()
    demand = 6 + 4 * np.sin(np.arange(HOURS) / 4) + rng.uniform(0, 2, HOURS)
    total: dict[int, float] = {}
    before: tuple[int, int, int] | None = None
    for hour in range(HOURS):
        program.block = hour
        small = program.column(f"small[{hour}]", cost=1.0, upper=20.0, whole=True)
        large = program.column(f"large[{hour}]", cost=3.2, upper=6.0, whole=True)
        api = program.column(f"api[{hour}]", cost=price)
        late = program.column(f"late[{hour}]", upper=0.0 if hour == HOURS - 1 else 3.0)
        starts = [program.column(f"start[{size},{hour}]", cost=0.7) for size in "sl"]
        served = {small: 1.0, large: 4.0, api: 1.0, late: 1.0}
        if before is not None:
            served[before[2]] = -1.0
            for start, now, then in zip(starts, (small, large), before, strict=False):
                program.row(f"start[{hour},{now}]", {start: 1.0, now: -1.0, then: 1.0}, low=0.0)
        program.row(f"meet[{hour}]", served, low=float(demand[hour]))
        before = (small, large, late)
        total[api] = 1.0
    if most_api is not None:
        program.row("api", total, high=most_api)
    program.block = EVERYWHERE
    return program


def by_hand(program: BlockProgram) -> np.ndarray:
    """All on small machines that start anew in every hour: within the rows, and dear."""
    values = np.zeros(len(program.names))
    running = 0.0
    for hour in range(HOURS):
        row = program.row_names.index(f"meet[{hour}]")
        running_now = float(np.ceil(program.low[row]))
        values[program.names.index(f"small[{hour}]")] = running_now
        values[program.names.index(f"start[s,{hour}]")] = max(0.0, running_now - running)
        running = running_now
    return values


@pytest.mark.parametrize("most_api", [None, 4.0])
@pytest.mark.parametrize("seed", range(2))
def test_is_near_the_optimum_of_all_hours(seed: int, most_api: float | None) -> None:
    program = fleet(seed, most_api=most_api)
    start = by_hand(program)
    assert violation(program, start)[0] < 1e-9
    found = polish(program, start, gap=1e-6)
    assert violation(program, found)[0] < 1e-6
    least = solve_linear(program, gap=1e-2, nodes=50).bound
    cost = float(np.dot(program.cost, found))
    assert least - 1e-6 <= cost <= 1.25 * least
    assert cost < 0.95 * float(np.dot(program.cost, start))


def test_it_ends_where_no_stretch_can_be_bettered() -> None:
    program = fleet(0)
    once = by_hand(program)
    for _ in range(6):
        once, before = polish(program, once, gap=1e-6), once
    assert np.dot(program.cost, once) <= np.dot(program.cost, before) + 1e-9
    assert np.dot(program.cost, once) == pytest.approx(np.dot(program.cost, before), rel=2e-3)


def test_a_row_of_all_hours_is_used_by_no_two_stretches_at_once() -> None:
    """Stretches are solved side by side: each keeps to what it used of the row before."""
    program = fleet(1, price=0.1, most_api=4.0)
    start = by_hand(program)
    found = polish(program, start, gap=1e-6)
    assert violation(program, found)[0] < 1e-6
    assert np.dot(program.cost, found) < np.dot(program.cost, start)


@pytest.mark.parametrize("seed", range(2))
def test_nor_is_a_row_of_two_hours_far_apart(seed: int) -> None:
    """The API is next to nothing in two hours, whose stretches are solved at the same time."""
    program = fleet(seed)
    cheap = {program.names.index(f"api[{hour}]"): 1.0 for hour in (2, 2 + 2 * STRETCH)}
    for column in cheap:
        program.cost[column] = 0.1
    program.row("two", cheap, high=1.0)
    found = polish(program, by_hand(program), gap=1e-6)
    assert violation(program, found)[0] < 1e-6
