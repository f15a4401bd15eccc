# SPDX-License-Identifier: Apache-2.0
"""Engine and naive models side by side in one run; ``make bench`` writes docs/benchmarks.md.

What is asserted are proofs, not times: a machine may be busy.
"""

from __future__ import annotations

import math
from typing import Any

from .instances import YEAR
from .naive import MODELS
from .report import machine, memory, seconds, share, write_table, write_text
from .runner import ENGINE_NAME, GAP, run, run_thrice

# Pools, scenarios, and the free-choice gap that the size is asked for.
SIZES = [
    (10, 1, 1e-3),
    (50, 1, 1e-3),
    (50, 20, 1e-3),
    (200, 1, 1e-3),
    (500, 1, 3e-3),
    (2000, 1, 5e-3),
]
NAIVE = [(10, 336), (10, 2190), (10, YEAR)]  # pools, hours
GROWTH = {
    "hours": [(10, 2190, 1), (10, 4380, 1), (10, YEAR, 1)],
    "pools": [(10, 2190, 1), (20, 2190, 1), (40, 2190, 1)],
    "scenarios": [(10, 2190, 1), (10, 2190, 2), (10, 2190, 4)],
}
ROUNDING = 1e-9


def proven(figures: dict[str, Any]) -> None:
    """The bound is above neither the bill nor the free-choice cost of the same amounts."""
    assert 0 < figures["bound"] <= figures["bill"] * (1 + ROUNDING)
    if not math.isnan(figures["free"]):
        assert figures["bound"] <= figures["free"] * (1 + ROUNDING)
        assert figures["free"] <= figures["bill"] * (1 + ROUNDING)


def gap(figures: dict[str, Any], cost: str) -> str:
    value = figures[cost]
    return "" if math.isnan(value) else share((value - figures["bound"]) / value)


def measured(
    pools: int, hours: int, scenarios: int, failed: list[tuple[int, int]], asked: float = GAP
) -> dict:
    """One size of the engine; not tried if a smaller one took too long."""
    if any(pools >= p and hours * scenarios >= n for p, n in failed):
        return {"status": "not tried: a smaller size took too long", "peak": math.nan}
    figures = run_thrice(ENGINE_NAME, pools, hours, scenarios, gap=asked)
    if "bound" in figures:
        proven(figures)
    else:
        failed.append((pools, hours * scenarios))
    return figures


def test_sizes(capsys) -> None:
    rows, failed = [], []
    for pools, scenarios, asked in SIZES:
        figures = measured(pools, YEAR, scenarios, failed, asked)
        size = [f"{pools} x {scenarios}", share(asked)]
        if "bound" not in figures:
            rows.append([*size, figures["status"], "", "", "", memory(figures), "", ""])
            continue
        rows.append(
            [
                *size,
                f"{seconds(figures['solve'])} (of {figures['runs']})",
                seconds(figures["cpu"]),
                gap(figures, "free"),
                gap(figures, "bill"),
                memory(figures),
                f"{figures['solve'] / figures['pass']:.0f}",
                f"{figures['replay'] / figures['pass']:.1f}",
            ]
        )
    header = ["pools x scenarios", "asked", "time", "processor time", "free-choice gap"]
    header += ["gap of the bill", "peak memory", "solve / pass", "replay / pass"]
    with capsys.disabled():
        write_text("machine", machine())
        write_table("sizes", header, rows)
    assert "%" in rows[0][5]  # the smallest size ends in time on any machine


def test_naive_models(capsys) -> None:
    """Every model's cost is above the engine's bound, and the engine's above every bound."""
    rows = []
    for pools, hours in NAIVE:
        engine = run_thrice(ENGINE_NAME, pools, hours)
        size = f"{pools} x {hours}"
        cells = ["", seconds(engine["solve"]), "1", gap(engine, "bill"), memory(engine)]
        rows.append([size, "engine, billed under the law", *cells])
        for model in MODELS:
            figures = run(model, pools, hours)
            if math.isnan(figures.get("solve", math.nan)):
                rows.append([size, model, figures["status"], "", "", "", memory(figures)])
                continue
            assert figures["objective"] >= engine["bound"] * (1 - 1e-6), model
            left = ""
            if not math.isnan(figures["bound"]):
                assert figures["bound"] <= engine["bill"] * (1 + 1e-6), model
                left = share(1 - figures["bound"] / figures["objective"])
            whole = figures["build"] + figures["solve"]
            ratio = f"{whole / engine['solve']:.1f}"
            times = [seconds(figures["build"]), seconds(figures["solve"])]
            rows.append([size, model, *times, ratio, left, memory(figures)])
    header = ["pools x hours", "model", "build", "solve", "time / engine", "gap", "peak memory"]
    with capsys.disabled():
        write_table("models", header, rows)


def test_growth(capsys) -> None:
    rows = []
    for what, steps in GROWTH.items():
        failed: list[tuple[int, int]] = []
        found = [measured(*step, failed) for step in steps]
        first, billed = (found[0].get(name, math.nan) for name in ("cpu", "replay"))
        for (pools, hours, scenarios), figures in zip(steps, found, strict=True):
            size = [what, f"{pools} x {hours} x {scenarios}"]
            if "bound" not in figures:
                rows.append([*size, figures["status"], "", "", "", memory(figures)])
                continue
            rows.append(
                [
                    *size,
                    f"{seconds(figures['solve'])} (of {figures['runs']})",
                    f"{figures['cpu'] / first:.2f}",
                    f"{figures['replay'] / billed:.2f}",
                    gap(figures, "bill"),
                    memory(figures),
                ]
            )
    header = ["grows", "pools x hours x scenarios", "time", "ratio of CPU time", "of a replay"]
    with capsys.disabled():
        write_table("growth", [*header, "gap of the bill", "peak memory"], rows)
