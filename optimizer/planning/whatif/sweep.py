# SPDX-License-Identifier: Apache-2.0
"""A sweep: one edit with several values gives a curve.

The values are shared out to the workers of any ``concurrent.futures.Executor``: each takes
neighbours, so that a plan starts where the one before it ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from optimizer.planning.document import head, plan_id
from optimizer.planning.make import make_plan
from optimizer.planning.plan import Plan
from optimizer.planning.relax import InfeasibleCase
from optimizer.planning.whatif.answer import plan_summary
from optimizer.planning.whatif.apply import apply_edits
from optimizer.planning.whatif.edits import EditError
from optimizer.planning.whatif.grammar import parse_edits
from optimizer.program.watch import Watch
from optimizer.tables import Case, Settings, decimal_string, read_case

MOST_POINTS = 200
_RANGE = re.compile(r"(.*?)([+-]|x)?(\d+(?:\.\d+)?)(%?)\.\.([+-]|x)?(\d+(?:\.\d+)?)(%?):(\d+)")
_PLACES = Decimal("1e-6")
_SHOWN = (
    *("plan", "status", "baseline", "total", "savings", "objective", "lower_bound", "gap"),
    *("expected", "p10", "p50", "p90", "cvar"),
)


def parse_sweep(sweep: str) -> list[str]:
    """The edits of a sweep, as ``demand=-50%..+100%:7`` has seven.

    Raises
    ------
    EditError
        If it is no range, or one of its edits is refused.
    """
    match = _RANGE.fullmatch(sweep.strip())
    if match is None:
        raise EditError(
            sweep,
            "it is no sweep: EDIT with FROM..TO:COUNT for its value",
            mend="write it as demand=-50%..+100%:7",
        )
    words, mark, low, unit, other_mark, high, other_unit, count = match.groups()
    number = int(count) if len(count) < 6 else MOST_POINTS + 1
    signed, times = unit == "%" or mark in ("+", "-"), mark == "x"
    if unit != other_unit or times != (other_mark == "x") or not 2 <= number <= MOST_POINTS:
        raise EditError(
            sweep,
            f"both ends must be of one kind, and 2 to {MOST_POINTS} points between them",
            mend="write it as demand=-50%..+100%:7",
        )
    try:
        first, last = (
            Decimal(value) * (-1 if sign == "-" else 1)
            for sign, value in ((mark, low), (other_mark, high))
        )
    except InvalidOperation:
        raise EditError(sweep, "its ends are no numbers", mend="write fewer digits") from None
    edits = []
    for index in range(number):
        value = (first + (last - first) * index / (number - 1)).quantize(_PLACES).normalize()
        text = decimal_string(abs(value))
        sign = ("-" if value < 0 else "+") if signed else "x" if times else ""
        edits.append(f"{words}{sign}{text}{unit}")
    for edit in edits:
        parse_edits([edit])
    return edits


def sweep_document(
    folder: Path,
    steps: Sequence[str],
    beside: Sequence[str | Mapping[str, Any]],
    executor: Executor | None,
    progress: Callable[[str], None] = lambda _: None,
    *,
    workers: int = 1,
    settings: Settings | None = None,
    watch: Watch | None = None,
    base: Plan | None = None,
) -> dict[str, Any]:
    """Plan a case with each edit of a sweep, and the same edits ``beside`` it.

    Parameters
    ----------
    executor
        Runs the points; ``None``: they are planned here, one after the other.
    workers
        How many of the executor's workers to share the points out to.
    settings
        In the place of the case's own.
    watch, base
        Where points are planned here: told of each, and the plan that the first starts from.
    """
    case = _opened(str(folder), settings)
    for step in steps:
        parse_edits([*beside, step])
    apply_edits(case, parse_edits([*beside, steps[0]]))  # refused before the work
    points: list[dict[str, Any]] = []
    if executor is None:
        for number, step in enumerate(steps, start=1):
            if watch is not None and watch.cancelled():
                break
            progress(f"point {number} of {len(steps)}: {step}")
            base, point = _planned(case, step, beside, base, watch)
            points.append(point)
    else:
        size = -(-len(steps) // max(1, workers))
        shares = [list(steps[at : at + size]) for at in range(0, len(steps), size)]
        waiting = [
            executor.submit(plan_points, str(folder), share, list(beside), settings)
            for share in shares
        ]
        for share, future in zip(shares, waiting, strict=True):
            points += future.result()
            progress(f"{len(points)} of {len(steps)} points, the last {share[-1]}")
    return {
        **head(case),
        "base": {"plan": plan_id(case), "snapshot": case.snapshot},
        "edits": [edit if isinstance(edit, str) else dict(edit) for edit in beside],
        "sweep": f"{steps[0]} to {steps[-1]}",
        "points": points,
    }


def plan_points(
    folder: str,
    steps: Sequence[str],
    beside: Sequence[str | Mapping[str, Any]],
    settings: Settings | None = None,
) -> list[dict[str, Any]]:
    """The points of one worker, each planned from where the last one ended."""
    case = _opened(folder, settings)
    base: Plan | None = None
    points = []
    for step in steps:
        base, point = _planned(case, step, beside, base, None)
        points.append(point)
    return points


def _opened(folder: str, settings: Settings | None) -> Case:
    case = read_case(folder)
    return case if settings is None else replace(case, settings=settings)


def _planned(
    case: Case,
    step: str,
    beside: Sequence[str | Mapping[str, Any]],
    base: Plan | None,
    watch: Watch | None,
) -> tuple[Plan | None, dict[str, Any]]:
    """One point, and the plan that the next one starts from."""
    edited = apply_edits(case, parse_edits([*beside, step])).case
    try:
        plan = make_plan(edited, watch=watch, base=base)
    except InfeasibleCase as error:
        return base, {"edit": step, "status": "infeasible", "explanation": [str(error)]}
    return plan, _point(step, plan_summary(plan))


def _point(step: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a curve shows of a plan."""
    return {
        "edit": step,
        **{key: document[key] for key in _SHOWN if key in document},
        **{key: document["bill"][key] for key in ("on_demand", "spot", "commitment_cost")},
        "upfront_cash": document["kpis"]["upfront_cash"],
        "coverage": document["kpis"]["plan"]["coverage"],
        "purchases": [
            {key: row[key] for key in ("offer", "quantity", "cost", "upfront")}
            for row in document["purchases"]
        ],
    }
