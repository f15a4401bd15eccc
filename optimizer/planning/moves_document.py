# SPDX-License-Identifier: Apache-2.0
"""What the plan document says of work that moves: `substitutions` and `jobs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.planning.part import Part, PartMoves
from optimizer.planning.plan import Plan
from optimizer.program.moves import Moves
from optimizer.program.moves_bound import MovePrices, marginal_prices
from optimizer.program.moving_build import EPOCH_HOURS
from optimizer.tables import format_hour

KINDS = ("commitment", "block", "spot")
TINY = 1e-9


def moves_of_plan(plan: Plan) -> dict[str, Any]:
    """Keys of the plan document for work that may move; none where none may."""
    moved = [part.moved.movable for part in plan.parts if part.moved is not None]
    keys: dict[str, Any] = {}
    if any(one.works for one in moved):
        keys["substitutions"] = substitution_rows(plan)
    if any(one.jobs for one in moved):
        keys["jobs"] = job_rows(plan)
    return keys | ({"move_cost": plan.move_cost} if keys else {})


def substitution_rows(plan: Plan) -> list[dict[str, Any]]:
    """Shares of usage that run elsewhere, with what moving costs and what it avoids."""
    return [
        row
        for part in plan.parts
        if part.moved is not None
        for row in _substitutions(plan, part, part.moved)
    ]


def job_rows(plan: Plan) -> list[dict[str, Any]]:
    """When each job runs, on how many units, on what, and at which cost."""
    rows = [
        row
        for part in plan.parts
        if part.moved is not None
        for row in _jobs(plan, part, part.moved)
    ]
    return sorted(rows, key=lambda row: (row["start"], row["job"]))


def move_lines(document: dict[str, Any]) -> list[str]:
    """A sentence for each move and job of a plan document."""
    lines = []
    for row in document.get("substitutions", []):
        of = f" of workload {row['workload']}" if row["workload"] else ""
        lines.append(
            f"Move {row['share']:.0%} of {row['from_meter']}{of} to {row['to_meter']} from "
            f"{row['start'][:10]} to {row['end'][:10]}: it costs ${row['move_cost']:,.0f} to "
            f"move, and at the plan's prices saves ${row['saving']:,.0f} after that."
        )
    for row in document.get("jobs", []):
        on = ", ".join(
            f"{units:,.0f} on {kind.replace('_', ' ')}"
            for kind, units in row["on"].items()
            if units
        )
        lines.append(
            f"Run job {row['job']} from {row['start'][:16]} to {row['finish'][:16]} "
            f"({on} unit-hours); {row['slack_hours']} hours are left to its deadline."
        )
    return lines


class _HorizonPrices:
    """Prices of the plan for work over the hours of the horizon, in dollars."""

    def __init__(self, part: Part, moved: PartMoves) -> None:
        plain = replace(part.problem, weight=np.ones(part.problem.hours))
        answer = part.answer
        prices = MovePrices(plain, marginal_prices(plain, answer.prices, answer.quantity))
        position = part.window.position
        self.firm, self.spot = prices.firm[:, position], prices.spot[:, position]
        self.pool = dict(zip(_places(moved.window), _places(moved.pools), strict=True))

    def work(self, line: int, units: np.ndarray, tolerant: np.ndarray) -> np.ndarray:
        """(T,) dollars of usage at the prices of a line's pool."""
        pool = self.pool[line]
        return np.asarray((units - tolerant) * self.firm[pool] + tolerant * self.spot[pool])


def _places(moves: Moves) -> Iterator[int]:
    """Every line, or pool, that is named, in one order."""
    for work in moves.works:
        yield work.pool
        for option in work.options:
            yield option.pool
    for job in moves.jobs:
        yield job.pool


def _substitutions(plan: Plan, part: Part, moved: PartMoves) -> Iterator[dict[str, Any]]:
    prices, moves = _HorizonPrices(part, moved), moved.horizon
    as_of, hours = plan.case.settings.as_of, len(moves.epoch)
    usage = part.component.demand.usage
    for number, work in enumerate(moved.movable.works):
        shares = moved.placement.shares[number]
        arrays = moves.works[number]
        stays = prices.work(work.line, arrays.units, arrays.tolerant)
        for index, target in enumerate(work.targets):
            option = arrays.options[index]
            goes = target.ratio * prices.work(target.line, arrays.units, arrays.tolerant)
            for first, last in _runs(shares[:, index]):
                share = float(shares[first, index])
                inside = (moves.epoch >= first) & (moves.epoch < last) & (option.open > 0)
                before = float(shares[first - 1, index]) if first else 0.0
                switching = max(0.0, share - before) * float(option.switch[first])
                units = share * float(arrays.units[inside].sum())
                egress = option.egress * units
                avoided = share * float((stays - goes)[inside].sum())
                begin = max(first * EPOCH_HOURS, target.opens)
                yield {
                    "from_meter": usage.meter[work.line],
                    "to_meter": usage.meter[target.line],
                    "account": usage.account[work.line] or None,
                    "workload": work.workload or None,
                    "start": format_hour(as_of + begin),
                    "end": format_hour(as_of + min(last * EPOCH_HOURS, hours)),
                    "share": share,
                    "units": units,
                    "units_there": target.ratio * units,
                    "switching": exact(switching),
                    "egress": exact(egress),
                    "move_cost": exact(switching + egress),
                    "saving": exact(avoided - egress - switching),
                }


def _runs(shares: np.ndarray) -> Iterator[tuple[int, int]]:
    """Epochs [first, last) over which a share above zero stays the same."""
    first = 0
    for epoch in range(1, len(shares) + 1):
        if epoch == len(shares) or abs(shares[epoch] - shares[first]) > TINY:
            if shares[first] > TINY:
                yield first, epoch
            first = epoch


def _jobs(plan: Plan, part: Part, moved: PartMoves) -> Iterator[dict[str, Any]]:
    prices, as_of = _HorizonPrices(part, moved), plan.case.settings.as_of
    usage = part.component.demand.usage
    for number, planned in enumerate(moved.movable.jobs):
        job, run = moved.horizon.jobs[number], moved.placement.runs[number]
        on = np.flatnonzero(run > 0)
        finish = as_of + int(job.hours[on[-1]]) + 1
        units = np.zeros(len(moved.horizon.epoch))
        units[job.hours] = run
        tolerant = units if job.preemptible else 0 * units
        kinds = plan.segments.units[int(part.component.lines[planned.line])]
        served = {kind: float(kinds[kind].sum()) for kind in KINDS}
        left = units.sum() - sum(served.values())
        served["on_demand"] = 0.0 if left <= TINY * units.sum() else float(left)
        yield {
            "job": planned.name,
            "meter": usage.meter[planned.line],
            "start": format_hour(as_of + int(job.hours[on[0]])),
            "finish": format_hour(finish),
            "segments": [
                {
                    "start": format_hour(as_of + int(job.hours[first])),
                    "end": format_hour(as_of + int(job.hours[last - 1]) + 1),
                    "units": float(run[first]),
                }
                for first, last in _runs(run)
            ],
            "unit_hours": float(run.sum()),
            "on": served,
            "slack_hours": planned.deadline - finish,
            "delay_cost": exact(job.delayed(run)),
            "cost": exact(float(prices.work(planned.line, units, tolerant).sum())),
        }
