# SPDX-License-Identifier: Apache-2.0
"""What a plan counts on behind the horizon: shorter terms that it would buy again there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing.cost import amortised_cost
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.planning.replayed import amounts_of
from optimizer.program.problem import Flags, Floats, Problem
from optimizer.program.purchases import planned
from optimizer.program.search import on_step
from optimizer.tables import format_hour

_SHOWN = 3
_PLACES = Decimal("1e-12")


def renewal_rows(plan: Plan) -> list[dict[str, Any]]:
    """Each renewal with its amount, the hour it begins, and what one term of it costs.

    Nothing of it is bought now, nor in the horizon's bill.  The dearest comes first.
    """
    rows = []
    for part in plan.parts:
        amounts = part.answer.quantity[len(part.columns) :]
        for index, column in enumerate(part.renewals):
            if column.decided is not None or column.futures is not None:
                continue  # of some futures only: the ladder tells what is bought later
            start, _ = column.term(plan.case.settings.as_of)
            for name, quantity in amounts_of([column], amounts[index : index + 1]).items():
                offer = plan.catalogue.offers[name]
                term = planned(offer, quantity, 0)
                rows.append(
                    {
                        "offer": name,
                        "measure": offer.measure,
                        "quantity": float(quantity),
                        "start": format_hour(start),
                        "term_hours": offer.term_hours,
                        "cost": amortised_cost(term, term.start, term.end).quantize(_PLACES),
                    }
                )
    return sorted(rows, key=lambda row: (-row["cost"], row["offer"], row["start"]))


def fewer_renewed(part: Part, index: int, more: Floats, amount: float) -> Floats | None:
    """Amounts in which ``amount`` more of a column takes the place of renewals.

    Of those that serve some of the same usage in the same hours, the earliest first, and of
    these the most alike; ``None`` where there are none.
    """
    problem, later = part.problem, []
    mine, there = _reach(problem, index)
    for renewal in problem.renewals:
        theirs, then = _reach(problem, int(renewal))
        shared = mine.keys() & theirs.keys()
        if renewal != index and more[renewal] > 0 and shared and (there & then).any():
            # Renewed units that one unit of the column stands for, on what both serve.
            units = min(mine[pool] / theirs[pool] for pool in shared)
            alike = len(shared) / len(mine.keys() | theirs.keys())
            start, _ = part.every_column[int(renewal)].term(0)
            later.append((start, -alike, int(renewal), units))
    if not later:
        return None
    amounts, rest = more.copy(), amount
    for _, _, renewal, units in sorted(later):
        taken = min(float(amounts[renewal]), rest * units)
        amounts[renewal] -= taken
        rest -= taken / units
    return on_step(problem, amounts)


def _reach(problem: Problem, column: int) -> tuple[dict[int, float], Flags]:
    """Units of each pool that one unit of a column serves, and the periods it is in force."""
    reach: dict[int, float] = {}
    there = np.zeros(problem.periods, dtype=bool)
    for member in np.flatnonzero(problem.member_column == column):
        source = problem.member_source[member]
        there |= problem.in_force[member]
        for pair in np.flatnonzero(problem.pair_source == source):
            units = float(problem.member_ratio[member] / problem.pair_draw[pair])
            reach[int(problem.pair_pool[pair])] = units
    return reach, there


def tail_lines(plan: Plan, document: dict[str, Any]) -> list[str]:
    """How terms that outlast the horizon are weighed, and what is counted on meanwhile."""
    if not plan.tail_hours:
        return []
    text = (
        "Terms that outlast the horizon are weighed over their whole length: the "
        f"{plan.tail_hours} hours behind it repeat the horizon's usage, and shorter terms may be "
        "bought again there."
    )
    rows = document.get("renewals", [])
    if rows:
        told = [
            (
                f"{row['quantity']:g} x"
                if row["measure"] == "units"
                else f"${row['quantity']:,.3f}/h of"
            )
            + f" {row['offer']} from {row['start'][:10]}"
            for row in rows[:_SHOWN]
        ]
        more = f" and {len(rows) - _SHOWN} more (renewals)" if len(rows) > _SHOWN else ""
        text += f" The plan counts on renewing {', '.join(told)}{more}."
    return [text]
