# SPDX-License-Identifier: Apache-2.0
"""Infeasible cases: the smallest set of limits to relax, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.billing.bill import exact
from optimizer.errors import Infeasible
from optimizer.planning.part import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.tables import Case


@dataclass(frozen=True)
class Relaxation:
    """A limit, by how much to relax it, and what that would cost over the term.

    ``cost`` is ``None`` where the case has no price for it.
    """

    limit: str
    amount: Decimal
    cost: Decimal | None

    def as_dict(self) -> dict[str, Any]:
        """The relaxation in the shape of the contract."""
        return {"limit": self.limit, "amount": float(self.amount), "cost": self.cost}


class InfeasibleCase(Infeasible):
    """A case without a plan, with the limits to relax."""

    def __init__(self, case: Case, relaxations: Sequence[Relaxation]) -> None:
        self.case = case
        self.relaxations = tuple(relaxations)
        first = relaxations[0]
        more = f", and {len(relaxations) - 1} more" if len(relaxations) > 1 else ""
        super().__init__(
            "no plan serves the horizon's usage, and that is proven. To mend it: raise "
            f"{first.limit} by {first.amount.normalize():f}{more}"
        )


def relaxations_of(part: Part) -> list[Relaxation]:
    """One relaxation for each meter that stays short although everything is bought.

    The cheapest offer that covers the meter and has a maximum is raised; where there is
    none, on-demand capacity is what is missing.
    """
    problem, found = part.problem, []
    short: dict[str, float] = {}
    for line, meter in enumerate(part.window.lines.meter):
        missing = np.where(
            np.isinf(part.window.price[line]), part.answer.outcome.uncovered[line], 0.0
        ).max(initial=0.0)
        if missing > 0:
            short[meter] = short.get(meter, 0.0) + float(missing)
    for meter, units in sorted(short.items()):
        choices = []
        for index, column in enumerate(part.columns):
            for offer, ratio in column.members:
                draw = part.law.catalogue.draws[offer.name].get(meter)
                if draw is not None and offer.maximum is not None:
                    step = float(problem.step[index])
                    amount = np.ceil(units * float(draw / ratio) / step - 1e-9) * step
                    choices.append((float(problem.cost[index]) * amount, offer.name, amount))
        if choices:
            cost, offer_name, amount = min(choices)
            found.append(
                Relaxation(f"the maximum of offer {offer_name}", exact(amount), exact(cost))
            )
        else:
            found.append(Relaxation(f"on-demand capacity of meter {meter}", exact(units), None))
    return found
