# SPDX-License-Identifier: Apache-2.0
"""Enterprise agreements under a plan: the spend that counts, and what a shortfall costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Bill, Catalogue, Holding, SharingModes, billing_lines, replay
from optimizer.billing.bill import PLACES, exact
from optimizer.billing.replay import capacity_of
from optimizer.program.caselimits import Agreement, CaseLimits
from optimizer.program.linking import held_spend
from optimizer.program.problem import Floats
from optimizer.tables import Case, UsageLines, format_hour


@dataclass(frozen=True)
class Shortfall:
    """One agreement in its hours of the horizon: dollars that count, and that are missing."""

    agreement: Agreement
    spend: Decimal

    @property
    def missing(self) -> Decimal:
        """Target less counted spend, if that is short of it."""
        counted = self.spend * self.agreement.counted_share
        return max(Decimal(0), self.agreement.target - counted).quantize(PLACES)

    @property
    def cost(self) -> Decimal:
        """What must be paid for it."""
        return (self.missing * self.agreement.shortfall_share).quantize(PLACES)

    def as_dict(self) -> dict[str, Any]:
        """As a row of the plan document."""
        return {
            "agreement": self.agreement.name,
            "provider": self.agreement.provider,
            "start": format_hour(self.agreement.span[0]),
            "end": format_hour(self.agreement.span[1]),
            "target": self.agreement.target,
            "spend": self.spend,
            "counted": self.spend * self.agreement.counted_share,
            "shortfall": self.missing,
            "cost": self.cost,
        }


def shortfalls(
    agreements: Sequence[Agreement],
    catalogue: Catalogue,
    bill: Bill,
    holdings: Sequence[Holding],
    on_demand: Floats,
    spot: Floats,
) -> tuple[Shortfall, ...]:
    """The agreements under a bill whose lines ran so many units (L, T) on demand and on spot.

    Where an agreement covers a part of the horizon, a line's on-demand cost counts in
    proportion to its units within it.
    """
    return tuple(
        Shortfall(
            agreement,
            _usage_spend(agreement, catalogue, bill, on_demand, spot)
            + held_spend(catalogue, holdings, agreement).quantize(PLACES),
        )
        for agreement in agreements
    )


def _usage_spend(
    agreement: Agreement, catalogue: Catalogue, bill: Bill, on_demand: Floats, spot: Floats
) -> Decimal:
    low, high = (hour - bill.first_hour for hour in agreement.span)
    spend = Decimal(0)
    for index, line in enumerate(bill.lines):
        if catalogue.meters[line.meter].provider != agreement.provider:
            continue
        for cost, units in ((line.on_demand, on_demand[index]), (line.spot, spot[index])):
            whole = exact(float(np.sum(units)))
            inside = whole if high - low == bill.hours else exact(float(units[low:high].sum()))
            if cost and whole:
                spend += (cost * inside / whole).quantize(PLACES)
    return spend


def todays_shortfalls(
    case: Case,
    limits: CaseLimits,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    baseline: Bill | None,
) -> tuple[Shortfall, ...]:
    """The agreements under the bill with what is held."""
    if baseline is None or not limits.agreements:
        return ()
    lines = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    sharing = SharingModes.of(case.settings, hours)
    left = replay(catalogue, lines, holdings, capacity_of(holdings, hours), sharing).uncovered
    charged = lines.spot - lines.spot_free
    return shortfalls(limits.agreements, catalogue, baseline, holdings, left, charged)
