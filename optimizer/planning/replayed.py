# SPDX-License-Identifier: Apache-2.0
"""A plan's purchases replayed over every hour of the horizon, in exact decimals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimizer.billing import (
    Bill,
    Catalogue,
    Holding,
    billing_lines,
    make_bill,
)
from optimizer.billing.bill import exact, price_replay
from optimizer.billing.lines import SharingModes
from optimizer.billing.replay import capacity_of, replay
from optimizer.errors import MissingPrice
from optimizer.planning.moving import (
    Segments,
)
from optimizer.program.problem import Floats
from optimizer.program.purchases import Column, planned
from optimizer.tables import Case, UsageLines

_WHOLE = Decimal(1)


def amounts_of(columns: Sequence[Column], quantity: Floats) -> dict[str, Decimal]:
    """Amounts of columns as exact amounts of offers, each a whole number of its steps."""
    bought = {}
    for column, amount in zip(columns, quantity, strict=True):
        for offer, ratio in column.members:
            steps = (Decimal(repr(float(amount))) * ratio / offer.amount_step).quantize(_WHOLE)
            if steps:
                bought[offer.name] = (steps * offer.amount_step).normalize()
    return bought


def planned_holdings(case: Case, catalogue: Catalogue, bought: dict[str, Decimal]) -> list[Holding]:
    """What is bought, as holdings in the order of their names."""
    as_of = case.settings.as_of
    return [planned(catalogue.offers[name], bought[name], as_of) for name in sorted(bought)]


def baseline_bill(
    case: Case,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    price_factor: Floats | None = None,
) -> Bill | None:
    """The horizon's bill with what is held; ``None`` if it needs a price there is none of."""
    try:
        return make_bill(case, catalogue, usage, holdings, price_factor)
    except MissingPrice:
        return None


def replay_plan(
    case: Case,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    bought: dict[str, Decimal],
    spot: Floats,
    unserved: Floats,
    segments: Segments,
    price_factor: Floats | None = None,
) -> tuple[Bill, dict[str, dict[str, Decimal]], Decimal, Floats]:
    """Replay the plan over every hour of the horizon, in exact decimals.

    What is left unserved does not run: its penalty is returned, and the bill does not
    contain it.  The same goes for what rounding leaves where that costs less than to run
    on demand.  Also returned are the (L, T) units on demand.  ``price_factor`` (L, T) are
    on-demand prices over those of the case.
    """
    whole = [*holdings, *planned_holdings(case, catalogue, bought)]
    base = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    sharing = SharingModes.of(case.settings, hours)
    quantity = np.maximum(usage.quantity - unserved, 0.0)
    lines = replace(base, quantity=quantity, spot=spot, spot_free=np.zeros_like(spot))
    capacity = capacity_of(whole, hours)
    outcome = replay(catalogue, lines, whole, capacity, sharing, trace=segments.trace(whole))
    unmet = Decimal(0)
    left = outcome.uncovered.copy()
    quantity = quantity.copy()
    for index, penalty in enumerate(usage.unmet_penalty):
        if penalty is not None:
            unmet += exact(unserved[index].sum()) * penalty
        price = catalogue.meters[usage.meter[index]].on_demand
        if penalty is not None and (price is None or penalty < price):
            unmet += exact(left[index].sum()) * penalty
            quantity[index] -= left[index]
            left[index] = 0.0
    served = replace(usage, quantity=quantity, spot=spot)
    bill = price_replay(
        catalogue,
        served,
        replace(lines, quantity=quantity),
        whole,
        replace(outcome, uncovered=left),
        price_factor,
    )
    sums: dict[str, dict[str, float]] = {name: {} for name in bought}
    for (index, line), units in outcome.covered.items():
        if whole[index].state == "planned" and units:
            by_meter = sums[whole[index].offer.name]
            by_meter[lines.meter[line]] = by_meter.get(lines.meter[line], 0.0) + units
    covers = {
        name: {meter: exact(units) for meter, units in sorted(by_meter.items())}
        for name, by_meter in sums.items()
    }
    return bill, covers, unmet, left
