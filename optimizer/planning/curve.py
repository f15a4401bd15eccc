# SPDX-License-Identifier: Apache-2.0
"""Savings against risk over the commitment level: the plan's purchases scaled, and replayed.

Each level is the same purchases times a factor. Its bill is replayed at the demand of the plan
and at a fifth less and more, so that a reader sees what a smaller or larger commitment would
save and what it would lose if demand goes another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Holding, make_bill
from optimizer.billing.bill import PLACES
from optimizer.billing.cost import amortised_cost
from optimizer.errors import MissingPrice
from optimizer.planning.given import provider_advice
from optimizer.planning.plan import Plan
from optimizer.planning.ranges import unreplayed
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.purchases import planned
from optimizer.tables import UsageLines

DEMAND = (Decimal("0.8"), Decimal(1), Decimal("1.2"))
LEVELS = tuple(Decimal(step) / 10 for step in range(16))


def commitment_curve(plan: Plan) -> dict[str, Any] | None:
    """The key ``commitment_curve`` of the plan document.

    Usage runs on spot in the plan's shares at every level, and beside the providers' advice
    too, so that levels differ by their commitments alone; level 0 is what the plan's use of spot
    saves, or costs, without its purchases.

    Returns
    -------
    dict or None
        ``demand``, the factors of demand; ``levels``, rows with ``level`` (1 is the plan),
        ``commitment`` (dollars an hour of new commitments, amortised over the horizon), and at
        each factor of demand ``savings`` (dollars of the horizon, over what is held),
        ``utilization`` and ``coverage`` (shares, of all that is held and bought); and
        ``advice``, such a row for the providers' advice where the case has any, without
        ``level``. ``None`` where nothing is bought, or the purchases cannot be replayed alone.
    """
    if not plan.bought or plan.baseline is None:
        return None
    if isinstance(plan, UncertainPlan) or unreplayed(plan):
        return None
    usages = [_usages(plan, factor) for factor in DEMAND]
    try:
        held = [
            make_bill(plan.case, plan.catalogue, today, plan.holdings).total for today, _ in usages
        ]
        ahead = [usage for _, usage in usages]
        rows = [
            {"level": level, **_row(plan, ahead, held, _scaled(plan.bought, level))}
            for level in LEVELS
        ]
        advice = provider_advice(plan.case)
        beside = _row(plan, ahead, held, advice) if advice else None
    except MissingPrice:
        return None
    document: dict[str, Any] = {
        "demand": [float(factor) for factor in DEMAND],
        "levels": [row | {"level": float(row["level"])} for row in rows],
    }
    return document if beside is None else document | {"advice": beside}


def _usages(plan: Plan, factor: Decimal) -> tuple[UsageLines, UsageLines]:
    """Today's usage and the plan's, all of it times a factor."""
    scale = float(factor)
    today, ahead = plan.today.usage, plan.demand.usage
    return (
        replace(
            today,
            quantity=today.quantity * scale,
            spot=today.spot * scale,
            spot_taken=today.spot_taken * scale,
        ),
        replace(
            ahead,
            quantity=ahead.quantity * scale,
            spot=plan.spot * scale,
            spot_taken=np.zeros_like(plan.spot),
        ),
    )


def _scaled(bought: Mapping[str, Decimal], level: Decimal) -> dict[str, Decimal]:
    return {offer: amount * level for offer, amount in bought.items() if level}


def _row(
    plan: Plan,
    usages: Sequence[UsageLines],
    held: Sequence[Decimal],
    amounts: Mapping[str, Decimal],
) -> dict[str, Any]:
    as_of = plan.case.settings.as_of
    end = as_of + plan.case.settings.horizon_hours
    more: list[Holding] = [
        planned(plan.catalogue.offers[offer], amount, as_of)
        for offer, amount in sorted(amounts.items())
        if amount
    ]
    whole = [*plan.holdings, *more]
    cost = sum((amortised_cost(each, as_of, end) for each in more), Decimal(0))
    bills = [make_bill(plan.case, plan.catalogue, usage, whole) for usage in usages]
    return {
        "commitment": (cost / (end - as_of)).quantize(PLACES),
        "savings": [before - bill.total for before, bill in zip(held, bills, strict=True)],
        "utilization": [bill.utilization for bill in bills],
        "coverage": [bill.coverage for bill in bills],
    }
