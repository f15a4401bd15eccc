# SPDX-License-Identifier: Apache-2.0
"""The bill of every future: a plan's purchases, now and later in it, replayed by the law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Bill, Catalogue, Holding
from optimizer.billing.bill import PLACES, HoldingBill, LineBill
from optimizer.demand import Scenarios
from optimizer.planning.moving import Segments
from optimizer.planning.part import Part
from optimizer.planning.replayed import amounts_of, baseline_bill, replay_plan
from optimizer.program.problem import Floats
from optimizer.tables import Case


@dataclass(frozen=True)
class Future:
    """One future under a plan.

    Attributes
    ----------
    baseline, bill
        With what is held and today's use of spot (``None`` where that cannot serve it); with
        the plan and what it buys later in this future.
    unmet
        Dollars of penalties.
    spot, unserved
        (L, T) units.
    covers
        Offer name → meter → units that purchases of now cover.
    later
        What is bought later in it.
    """

    name: str
    odds: float
    baseline: Bill | None
    bill: Bill
    unmet: Decimal
    spot: Floats
    unserved: Floats
    covers: dict[str, dict[str, Decimal]]
    later: tuple[Holding, ...]

    @property
    def total(self) -> Decimal:
        """The bill and the penalties."""
        return self.bill.total + self.unmet


def replay_futures(
    case: Case,
    catalogue: Catalogue,
    scenarios: Scenarios,
    holdings: Sequence[Holding],
    parts: Sequence[Part],
    bought: dict[str, Decimal],
) -> tuple[Future, ...]:
    """Replay every future over every hour of its horizon, in exact decimals."""
    found = []
    for number, name in enumerate(scenarios.names):
        usage = scenarios.demand(number).usage
        factor = price_factor_of(scenarios, number)
        spot, unserved = (np.zeros_like(usage.quantity) for _ in range(2))
        for part in parts:
            if part.stack is None:
                continue
            at = part.stack.position[number]
            spot[part.component.lines] = part.answer.outcome.spot[:, at]
            unserved[part.component.lines] = part.answer.outcome.unmet[:, at]
        later = later_holdings(case, parts, number)
        bill, covers, unmet, _ = replay_plan(
            case,
            catalogue,
            replace(usage, spot=spot, spot_taken=np.zeros_like(spot)),
            [*holdings, *later],
            bought,
            spot,
            unserved,
            Segments((), spot),
            factor,
        )
        found.append(
            Future(
                name=name,
                odds=float(scenarios.odds[number]),
                baseline=baseline_bill(case, catalogue, usage, holdings, factor),
                bill=bill,
                unmet=unmet,
                spot=spot,
                unserved=unserved,
                covers=covers,
                later=later,
            )
        )
    return tuple(found)


def price_factor_of(scenarios: Scenarios, number: int) -> Floats | None:
    """(L, T) on-demand prices of a future over those of the case; ``None`` if they are these."""
    if not scenarios.price_factor:
        return None
    usage = scenarios.base.usage
    none = np.ones(usage.quantity.shape[1])
    known = scenarios.price_factor
    return np.array([known[m][number] if m in known else none for m in usage.meter])


def later_holdings(case: Case, parts: Sequence[Part], number: int) -> tuple[Holding, ...]:
    """What a plan buys later in one future, within the horizon."""
    end = case.settings.as_of + case.settings.horizon_hours
    found = []
    for part in parts:
        amounts = part.answer.quantity[len(part.columns) :]
        for column, amount in zip(part.renewals, amounts, strict=True):
            mine = column.futures is None or number in column.futures
            if column.decided is None or column.decided >= end or not mine or not amount:
                continue
            exactly = amounts_of([column], np.array([amount]))
            for offer, _ in column.members:
                if offer.name in exactly:
                    held = column.holding(offer, exactly[offer.name], case.settings.as_of)
                    # Its whole term is owed, whatever of it the window looks at.
                    found.append(replace(held, end=held.start + offer.term_hours))
    return tuple(sorted(found, key=lambda holding: holding.name))


def expected_bill(bills: Sequence[Bill], odds: Sequence[Decimal]) -> Bill:
    """The mean of the bills of all futures: each of its amounts is the mean of theirs."""
    first = bills[0]

    def mean(values: Sequence[Decimal]) -> Decimal:
        return sum((p * v for p, v in zip(odds, values, strict=True)), Decimal(0)).quantize(PLACES)

    lines = []
    for index, line in enumerate(first.lines):
        same = [bill.lines[index] for bill in bills]
        laws = sorted({law for each in same for law in each.laws})
        by_law = [dict(each.covered_by) for each in same]
        lines.append(
            LineBill(
                meter=line.meter,
                account=line.account,
                zone=line.zone,
                quantity=mean([each.quantity for each in same]),
                covered=mean([each.covered for each in same]),
                spot_quantity=mean([each.spot_quantity for each in same]),
                on_demand_quantity=mean([each.on_demand_quantity for each in same]),
                on_demand=mean([each.on_demand for each in same]),
                spot=mean([each.spot for each in same]),
                daily=line.daily,
                covered_by=tuple(
                    (law, mean([row.get(law, Decimal(0)) for row in by_law])) for law in laws
                ),
            )
        )
    named: dict[str, HoldingBill] = {}
    for bill in bills:
        for row in bill.holdings:
            named.setdefault(row.commitment, row)
    by_name = [{row.commitment: row for row in bill.holdings} for bill in bills]
    holdings = []
    for name, row in named.items():
        known = [rows.get(name) for rows in by_name]

        def of(field: str, rows: Sequence[HoldingBill | None] = known) -> Decimal:
            return mean([Decimal(0) if r is None else getattr(r, field) for r in rows])

        holdings.append(
            HoldingBill(
                commitment=name,
                law=row.law,
                provider=row.provider,
                used=of("used"),
                unused=of("unused"),
                cost=of("cost"),
                unused_cost=of("unused_cost"),
                remaining=of("remaining"),
            )
        )
    weights = [float(p) for p in odds]
    return replace(
        first,
        lines=tuple(lines),
        holdings=tuple(holdings),
        on_demand_by_hour=_mean([bill.on_demand_by_hour for bill in bills], weights),
        spot_by_hour=_mean([bill.spot_by_hour for bill in bills], weights),
        commitment_by_hour=_mean([bill.commitment_by_hour for bill in bills], weights),
    )


def exact_odds(odds: Floats) -> list[Decimal]:
    """Odds as decimals that add up to 1."""
    rounded = [Decimal(repr(float(p))).quantize(PLACES) for p in odds]
    rounded[-1] = 1 - sum(rounded[:-1], Decimal(0))
    return rounded


def _mean(rows: Sequence[Floats], weights: Sequence[float]) -> Floats:
    return np.asarray(np.average(np.stack(rows), axis=0, weights=weights))
