# SPDX-License-Identifier: Apache-2.0
"""Hours of demand as charts need them: by group of meters, beside what commitments can cover.

Everything is in dollars per hour at on-demand prices, so that instances, tokens and commitments
of money can be drawn on one axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.billing import Catalogue, Holding, billing_lines, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.billing.lines import SharingModes
from optimizer.billing.replay import capacity_of, replay
from optimizer.demand import demand_of_horizon, movable_demand
from optimizer.demand.horizon import has_routing
from optimizer.planning.documents import purchases_of
from optimizer.planning.moving import today_usage
from optimizer.planning.replayed import planned_holdings
from optimizer.program.problem import Floats
from optimizer.tables import Case, UsageLines


@dataclass(frozen=True)
class Capacity:
    """What a holding can cover in an hour of its term ``[start, end)``, at on-demand prices.

    ``rate`` is its quantity times the on-demand dollars that a unit of it covered where the
    replay used it; where it was never used, those of the best meter that it covers.
    """

    name: str
    start: int
    end: int
    rate: float
    bought: bool


@dataclass(frozen=True)
class Hourly:
    """Demand of G groups of meters over the hours ``[first_hour, first_hour + T)``.

    Attributes
    ----------
    groups
        Provider and family of the meters, such as ``aws p5``; ``provider`` of each.
    demand
        Shape (G, T): all usage at on-demand prices, dollars.
    eligible
        Shape (G, T): the part that is not on spot, of meters that some offer covers.
    covered
        Shape (G, T): the part of ``eligible`` that commitments cover.
    capacities
        Of the holdings, in their order.
    unpriced
        Meters in use without an on-demand price: they are in none of the arrays.
    """

    first_hour: int
    groups: tuple[str, ...]
    provider: tuple[str, ...]
    demand: Floats
    eligible: Floats
    covered: Floats
    capacities: tuple[Capacity, ...]
    unpriced: tuple[str, ...]

    @property
    def hours(self) -> int:
        """T."""
        return int(self.demand.shape[1])


def history_hours(case: Case) -> Hourly:
    """The usage that was, before ``as_of``, and what the commitments held covered of it.

    Raises
    ------
    DataError
        If a table is missing or refused.
    """
    case.require("meters", "usage")
    catalogue = open_catalogue(case)
    usage = case.usage_lines()
    count = max(0, min(usage.quantity.shape[1], case.settings.as_of - usage.first_hour))
    arrays = {
        name: getattr(usage, name)[:, :count]
        for name in ("quantity", "spot", "spot_taken", "tolerant", "present")
    }
    past = replace(usage, **arrays)
    return _hours(case, catalogue, past, read_holdings(case, catalogue))


def horizon_hours(case: Case, plan: Mapping[str, Any]) -> Hourly:
    """The demand of the horizon, and what is held and what a plan's document buys cover of it.

    Spot runs the share of each line that the document says. Work that may move stays where it
    is; what is routed anew is not in it.

    Raises
    ------
    DataError
        If a table is missing or refused, or a purchase is none of the case's offers.
    """
    catalogue = open_catalogue(case)
    demand = demand_of_horizon(case)
    usage = demand.usage if has_routing(case) else today_usage(
        case.settings, movable_demand(case, demand)
    )  # fmt: skip
    shares = {
        (row["meter"], row.get("account") or "", row.get("zone") or ""): float(row["share"])
        for row in plan.get("spot", [])
    }
    lines = zip(usage.meter, usage.account, usage.zone, strict=True)
    share = np.array([shares.get(line, 0.0) for line in lines])
    ahead = replace(
        usage,
        spot=usage.quantity * share[:, None] if share.any() else np.zeros(usage.quantity.shape),
        spot_taken=np.zeros(usage.quantity.shape),
    )
    amounts = {
        offer: amount
        for offer, amount in purchases_of(plan).items()
        if offer in catalogue.offers and amount
    }
    bought = planned_holdings(case, catalogue, amounts)
    return _hours(case, catalogue, ahead, [*read_holdings(case, catalogue), *bought])


def _hours(
    case: Case, catalogue: Catalogue, usage: UsageLines, holdings: Sequence[Holding]
) -> Hourly:
    names = _groups(case)
    lines = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    outcome = replay(
        catalogue,
        lines,
        holdings,
        capacity_of(holdings, hours),
        SharingModes.of(case.settings, hours),
    )
    used = [n for n, meter in enumerate(lines.meter) if usage.quantity[n].any()]
    prices = {
        meter: float(price)
        for meter in set(lines.meter)
        if (price := catalogue.meters[meter].on_demand) is not None
    }
    groups = sorted({names[lines.meter[n]] for n in used if lines.meter[n] in prices})
    at = {group: index for index, group in enumerate(groups)}
    demand, eligible, covered = (np.zeros((len(groups), len(hours))) for _ in range(3))
    for n in used:
        meter = lines.meter[n]
        if meter not in prices:
            continue
        group, unit = at[names[meter]], prices[meter]
        demand[group] += lines.quantity[n] * unit
        if meter in catalogue.coverable:
            asked = lines.quantity[n] - lines.spot[n]
            eligible[group] += asked * unit
            covered[group] += np.maximum(asked - outcome.uncovered[n], 0.0) * unit
    return Hourly(
        first_hour=usage.first_hour,
        groups=tuple(" ".join(filter(None, group)) for group in groups),
        provider=tuple(provider for provider, _ in groups),
        demand=demand,
        eligible=eligible,
        covered=covered,
        capacities=tuple(_capacities(catalogue, holdings, lines.meter, outcome, prices)),
        unpriced=tuple(sorted({lines.meter[n] for n in used} - set(prices))),
    )


def _groups(case: Case) -> dict[str, tuple[str, str]]:
    """Meter → its provider and family, or what stands in the family's place."""
    frame = case.table("meters")
    columns = (frame[name] for name in ("provider", "family", "product", "meter"))
    return {
        str(meter): (str(provider), str(family or product or meter))
        for provider, family, product, meter in zip(*columns, strict=True)
    }


def _capacities(
    catalogue: Catalogue,
    holdings: Sequence[Holding],
    meters: Sequence[str],
    outcome: Any,
    prices: Mapping[str, float],
) -> list[Capacity]:
    worth = np.zeros(len(holdings))
    for (index, line), units in outcome.covered.items():
        worth[index] += units * prices.get(meters[line], 0.0)
    rows = []
    for index, holding in enumerate(holdings):
        used = float(outcome.used[index].sum())
        if used > 0 and worth[index] > 0:
            unit = worth[index] / used
        else:
            draws = catalogue.draws[holding.offer.name]
            unit = max(
                (prices[m] / float(draw) for m, draw in draws.items() if m in prices and draw),
                default=0.0,
            )
        rows.append(
            Capacity(
                name=holding.offer.name if holding.state == "planned" else holding.name,
                start=holding.start,
                end=holding.end,
                rate=float(holding.quantity) * unit,
                bought=holding.state == "planned",
            )
        )
    return rows
