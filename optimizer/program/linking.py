# SPDX-License-Identifier: Apache-2.0
"""Rows that link the hours of the horizon: cash, shares and agreements, in dollars.

Each function makes one row of ``docs/program.md``; all are written as
Σ p·Q + Σₜ h·(a·u + b·r + c·y) − z ≤ most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optimizer.billing import Catalogue, Holding, Meter, Offer, amortised_cost, hourly_costs
from optimizer.billing.cost import fixed_rate
from optimizer.program.caselimits import Agreement, CaseLimits, Span, provider_of
from optimizer.program.problem import Flags, Floats, Ints, Links
from optimizer.program.purchases import Column, discount
from optimizer.tables import Settings

_MONTH = Decimal(730)


@dataclass(frozen=True)
class Ground:
    """What the rows are made from: the case, and the problem's axes.

    ``meters`` is the meter of each pool, ``offers`` the offer of each source, ``price`` the
    (P,) on-demand dollars in the horizon, ``demand`` (P,) units over the whole horizon.
    """

    settings: Settings
    limits: CaseLimits
    catalogue: Catalogue
    columns: Sequence[Column]
    meters: Sequence[Meter]
    offers: Sequence[Offer]
    pair_source: Ints
    pair_pool: Ints
    pair_draw: Floats
    price: Floats
    demand: Floats
    horizon: Flags
    inside: dict[Span, Flags]

    @property
    def hours(self) -> Span:
        """The horizon, ``[as_of, end)``."""
        return self.settings.as_of, self.settings.as_of + self.settings.horizon_hours


@dataclass(frozen=True)
class LinkRow:
    """One row, with its coefficients: by column, by pool (on demand, spot) and by pair.

    ``demand`` is what of ``most`` each unit of a pool's demand makes.
    """

    name: str
    most: float
    excess_price: float
    purchase: Floats
    on_demand: Floats
    spot: Floats
    covered: Floats
    window: Flags
    demand: Floats


def build_links(ground: Ground) -> Links:
    """All linking rows that the case asks for."""
    rows = [
        row
        for row in (cash_row(ground), spot_share_row(ground), unused_row(ground))
        if row is not None
    ]
    rows += [shortfall_row(ground, agreement) for agreement in ground.limits.agreements]
    width = {
        "purchase": len(ground.columns),
        "on_demand": len(ground.meters),
        "spot": len(ground.meters),
        "covered": len(ground.pair_pool),
        "window": len(ground.horizon),
        "demand": len(ground.meters),
    }
    tables = {
        part: np.array([getattr(row, part) for row in rows]).reshape(len(rows), size)
        for part, size in width.items()
    }
    return Links(
        names=tuple(row.name for row in rows),
        most=np.array([row.most for row in rows]),
        excess_price=np.array([row.excess_price for row in rows]),
        **tables | {"window": tables["window"].astype(bool)},
    )


def cash_row(ground: Ground) -> LinkRow | None:
    """purchase.cash: Σ upfront·Q ≤ ``limits.upfront_cash``, of what is bought now.

    Renewals are paid from later cash; they lie behind the horizon, so that no other row
    concerns them either.
    """
    cash = ground.limits.settings.upfront_cash
    asked = [
        float(sum(offer.upfront * ratio for offer, ratio in column.members))
        if column.renewed is None
        else 0.0
        for column in ground.columns
    ]
    if cash is None or not any(asked):
        return None
    return _row(ground, "purchase.cash", float(cash), purchase=np.array(asked))


def spot_share_row(ground: Ground) -> LinkRow | None:
    """coverage.spot_share: Σ h·e·r ≤ share·Σ h·e·d over the horizon, e as :func:`worth`."""
    share = ground.limits.settings.spot_share
    if share is None or share >= 1:
        return None
    price = np.array([worth(meter) for meter in ground.meters])
    most = share * float(price @ ground.demand)
    return _row(ground, "coverage.spot_share", most, spot=price, demand=share * price)


def unused_row(ground: Ground) -> LinkRow | None:
    """coverage.unused: Σ h·f(A − Σ a·y) ≤ share·Σ h·f·A over the horizon, held ones included.

    f is the amortised price of an hour, :func:`rate_of`.
    """
    share = ground.limits.settings.max_unused_share
    if share is None or share >= 1:
        return None
    bought = [
        sum(
            float(ratio) * rate_of(offer) * _overlap(column.term(ground.hours[0]), ground.hours)
            for offer, ratio in column.members
        )
        for column in ground.columns
    ]
    held = sum(
        rate_of(h.offer) * float(h.quantity) * _overlap((h.start, h.end), ground.hours)
        for h in ground.limits.holdings
    )
    rates = np.array([rate_of(offer) for offer in ground.offers])
    return _row(
        ground,
        "coverage.unused",
        -(1.0 - share) * held,
        purchase=(1.0 - share) * np.array(bought),
        covered=-rates[ground.pair_source] * ground.pair_draw,
    )


def shortfall_row(ground: Ground, agreement: Agreement) -> LinkRow:
    """agreement.shortfall: target − counted·spend ≤ z, which costs its share of each dollar.

    Spend of the provider: on demand, on spot, and amortised commitments, held ones
    included, within the agreement's part of the horizon.  z is paid at the end of it, and
    discounted from there, so that a purchase never pays by its shortfall alone.
    """
    low, high = agreement.span
    counted = float(agreement.counted_share)
    bought = np.zeros(len(ground.columns))
    for index, column in enumerate(ground.columns):
        for offer, ratio in column.members:
            if provider_of(ground.catalogue, offer) == agreement.provider:
                start, end = column.term(ground.hours[0])
                bought[index] += float(ratio) * hourly_costs(offer, start, end, low, high).sum()
    own = np.array([meter.provider == agreement.provider for meter in ground.meters])
    spot = np.array([float(meter.spot or 0) for meter in ground.meters])
    price = np.where(np.isfinite(ground.price), ground.price, 0.0)
    held = held_spend(ground.catalogue, ground.limits.holdings, agreement)
    gamma = float(discount(np.array([high - ground.hours[0]]), ground.settings.discount_rate)[0])
    return _row(
        ground,
        f"agreement.shortfall[{agreement.name}]",
        counted * float(held) - float(agreement.target),
        excess_price=float(agreement.shortfall_share) * gamma,
        purchase=-counted * bought,
        on_demand=-counted * np.where(own, price, 0.0),
        spot=-counted * np.where(own, spot, 0.0),
        window=ground.inside[agreement.span],
    )


def held_spend(catalogue: Catalogue, holdings: Sequence[Holding], agreement: Agreement) -> Decimal:
    """Amortised dollars of the provider's holdings within the agreement's hours."""
    return sum(
        (
            amortised_cost(holding, *agreement.span)
            for holding in holdings
            if provider_of(catalogue, holding.offer) == agreement.provider
        ),
        Decimal(0),
    )


def rate_of(offer: Offer) -> float:
    """f: amortised dollars of a unit and hour; a monthly payment counts for 730 hours."""
    return float(fixed_rate(offer) + offer.monthly / _MONTH)


def worth(meter: Meter) -> float:
    """What a unit is weighed with in shares: on demand, else its list or spot price."""
    known = [p for p in (meter.on_demand, meter.list_price, meter.spot) if p is not None]
    return float(known[0]) if known else 0.0


def _overlap(term: Span, window: Span) -> int:
    return max(0, min(term[1], window[1]) - max(term[0], window[0]))


def _row(
    ground: Ground,
    name: str,
    most: float,
    *,
    excess_price: float = np.inf,
    purchase: Floats | None = None,
    on_demand: Floats | None = None,
    spot: Floats | None = None,
    covered: Floats | None = None,
    window: Flags | None = None,
    demand: Floats | None = None,
) -> LinkRow:
    def part(values: Floats | None, size: int) -> Floats:
        return np.zeros(size) if values is None else values

    return LinkRow(
        name=name,
        most=most,
        excess_price=excess_price,
        purchase=part(purchase, len(ground.columns)),
        on_demand=part(on_demand, len(ground.meters)),
        spot=part(spot, len(ground.meters)),
        covered=part(covered, len(ground.pair_pool)),
        window=ground.horizon if window is None else window,
        demand=part(demand, len(ground.meters)),
    )
