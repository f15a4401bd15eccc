# SPDX-License-Identifier: Apache-2.0
"""What happens if the demand is wrong: the same purchases, replayed with other demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import make_bill
from optimizer.errors import MissingPrice
from optimizer.planning.plan import Plan
from optimizer.program.purchases import planned

FACTORS = (Decimal("0.5"), Decimal("0.8"), Decimal(1), Decimal("1.2"))


@dataclass(frozen=True)
class Sensitivity:
    """Bills over the horizon when all usage is ``demand`` times what the plan assumed."""

    demand: Decimal
    baseline: Decimal
    total: Decimal

    def as_dict(self) -> dict[str, Any]:
        """As a row of the plan document."""
        return {
            "demand": float(self.demand),
            "baseline": self.baseline,
            "total": self.total,
            "savings": self.baseline - self.total,
        }


def sensitivity(plan: Plan) -> list[Sensitivity]:
    """Replay the plan's purchases with demand scaled, and with what is held alone.

    Both bills follow the law; usage runs on spot in the plan's shares.  Empty where a
    price is missing that one of the bills needs.
    """
    settings = plan.case.settings
    bought = [
        planned(plan.catalogue.offers[name], amount, settings.as_of)
        for name, amount in plan.bought.items()
    ]
    rows = []
    usage, planned_usage = plan.today.usage, plan.demand.usage
    for factor in FACTORS:
        scale = float(factor)
        today = replace(
            usage,
            quantity=usage.quantity * scale,
            spot=usage.spot * scale,
            spot_taken=usage.spot_taken * scale,
        )
        served = np.maximum(planned_usage.quantity - plan.unserved, 0.0) * scale
        ahead = replace(
            planned_usage,
            quantity=served,
            spot=plan.spot * scale,
            spot_taken=np.zeros_like(usage.spot_taken),
        )
        try:
            rows.append(
                Sensitivity(
                    factor,
                    make_bill(plan.case, plan.catalogue, today, plan.holdings).total,
                    make_bill(plan.case, plan.catalogue, ahead, [*plan.holdings, *bought]).total,
                )
            )
        except MissingPrice:
            return []
    return rows
