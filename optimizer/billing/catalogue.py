# SPDX-License-Identifier: Apache-2.0
"""Meters, offers and holdings of a case, as the laws of billing read them.

Money is :class:`~decimal.Decimal` here.  A price that the case does not supply is
``None`` and raises where it is needed, and only there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from optimizer.billing.laws import LAWS, law_of
from optimizer.errors import DataError, MissingPrice
from optimizer.tables import Case

# What these bill is capacity itself, whatever the column says: AWS zonal reservations
# reserve instances in their zone, and capacity blocks are nothing else.
CAPACITY_LAWS = frozenset({"aws.reserved.zonal", "capacity.block"})


@dataclass(frozen=True)
class Meter:
    """One row of ``meters``; prices are per unit of the meter.

    ``size`` is 1 where the case states none.  ``idle_reservation`` marks the unused part of
    on-demand capacity reservations; ``sustained_use`` is the greatest sustained use discount
    of a month, as a share.  ``availability`` is the share of its asked-for on-demand units that
    can be had; the limits are units at once, ``inf`` without one.
    """

    name: str
    provider: str
    zone: str
    on_demand: Decimal | None
    list_price: Decimal | None
    spot: Decimal | None
    spot_interruption: float
    size: float
    has_size: bool
    idle_reservation: bool
    sustained_use: float
    availability: float
    on_demand_limit: float
    spot_limit: float
    row: int
    file: str

    def need_on_demand(self, reason: str) -> Decimal:
        """Return the on-demand price, or raise :class:`MissingPrice` with the reason."""
        if self.on_demand is None:
            raise MissingPrice(
                f"meter {self.name!r} has no on-demand price, and {reason}",
                mend="fill on_demand for this meter, or hold commitments that cover all its usage",
                file=self.file,
                row=self.row,
                column="on_demand",
            )
        return self.on_demand

    def need_spot(self) -> Decimal:
        """Return the spot price, or raise :class:`MissingPrice`."""
        if self.spot is None:
            raise MissingPrice(
                f"meter {self.name!r} has no spot price, and some of its usage ran on spot",
                mend="fill spot for this meter, or clear spot_share of its usage",
                file=self.file,
                row=self.row,
                column="spot",
            )
        return self.spot


@dataclass(frozen=True)
class Offer:
    """One row of ``offers``; amounts are per unit, or per 1.00 of hourly money.

    ``released`` is the age in hours at which a plan gives it back, ``None`` if it is kept
    (:mod:`~optimizer.billing.release`); the term stays that of the offer.
    """

    name: str
    provider_offer_id: str
    law: str
    measure: str
    term_hours: int
    payment: str
    upfront: Decimal
    hourly: Decimal
    monthly: Decimal
    premium: Decimal
    minimum: Decimal | None
    maximum: Decimal | None
    step: Decimal | None
    available_from: int | None
    available_until: int | None
    starts: int | None
    account: str
    scope: str
    zone: str
    group: str
    bundle: str
    bundle_ratio: Decimal
    guarantees_capacity: bool
    buyback_share: Decimal
    buyback_after: int
    row: int
    released: int | None = None

    @property
    def amount_step(self) -> Decimal:
        """The step of a purchase: 1 unit, or $0.001 per hour of money, unless given."""
        if self.step is not None:
            return self.step
        return Decimal(1) if self.measure == "units" else Decimal("0.001")


@dataclass(frozen=True)
class Holding:
    """An amount of an offer in force over the hours ``[start, end)``: held, queued or planned.

    ``quantity`` is in units, or in dollars per hour for a money offer.
    """

    name: str
    offer: Offer
    quantity: Decimal
    start: int
    end: int
    account: str
    scope: str
    state: str = "active"


@dataclass(frozen=True)
class Catalogue:
    """What can be billed and what can be bought, by name.

    ``draws[offer][meter]`` is how much of the offer one unit of the meter uses. ``orders`` are
    those that :func:`~optimizer.billing.replay.orders_of` made last; nobody changes the rest.
    """

    meters: dict[str, Meter]
    offers: dict[str, Offer]
    draws: dict[str, dict[str, Decimal]]
    orders: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def coverable(self) -> frozenset[str]:
        """The meters that some offer covers."""
        return frozenset(meter for row in self.draws.values() for meter in row)


def read_catalogue(case: Case) -> Catalogue:
    """Build the catalogue of a case.

    Raises
    ------
    DataError
        For an offer whose law is not known.
    """
    meters = {row["meter"]: _meter(row, case.file("meters")) for row in rows(case, "meters")}
    offers = {row["offer"]: _offer(row, case.file("offers")) for row in rows(case, "offers")}
    draws: dict[str, dict[str, Decimal]] = {name: {} for name in offers}
    for row in rows(case, "covers"):
        draws[row["offer"]][row["meter"]] = row["draw"]
    return Catalogue(meters, offers, draws)


def read_holdings(case: Case, catalogue: Catalogue) -> list[Holding]:
    """The rows of ``commitments``, ordered by name, so that row order changes nothing."""
    held = [
        Holding(
            name=row["commitment"],
            offer=catalogue.offers[row["offer"]],
            quantity=row["quantity"],
            start=row["start"],
            end=row["end"],
            account=row["account"] or catalogue.offers[row["offer"]].account,
            scope=row["scope"] or catalogue.offers[row["offer"]].scope,
            state=row["state"] or "active",
        )
        for row in rows(case, "commitments")
    ]
    return sorted(held, key=lambda holding: holding.name)


def rows(case: Case, table: str) -> Iterable[dict[str, Any]]:
    """The rows of a table as dictionaries, with the data row's number under ``row``."""
    frame = case.table(table)
    names = list(frame.columns)
    # Not itertuples, which cuts the frame into its columns first: tables are wide and short.
    for number, values in zip(frame.index, frame.to_numpy(dtype=object).tolist(), strict=True):
        yield {**dict(zip(names, values, strict=True)), "row": int(number)}


def _meter(row: dict[str, Any], file: str) -> Meter:
    interruption = row["spot_interruption"]
    size = row["size"]
    return Meter(
        name=row["meter"],
        provider=row["provider"],
        zone=row["zone"],
        on_demand=row["on_demand"],
        list_price=row["list_price"] if row["list_price"] is not None else row["on_demand"],
        spot=row["spot"],
        spot_interruption=0.0 if math.isnan(interruption) else float(interruption),
        size=1.0 if math.isnan(size) else float(size),
        has_size=not math.isnan(size),
        idle_reservation=row["capacity_reservation_status"] == "unused",
        availability=1.0 if math.isnan(row["availability"]) else float(row["availability"]),
        on_demand_limit=_or_inf(row["on_demand_limit"]),
        spot_limit=_or_inf(row["spot_limit"]),
        sustained_use=0.0 if math.isnan(row["sustained_use"]) else float(row["sustained_use"]),
        row=row["row"],
        file=file,
    )


def _share(value: float) -> Decimal:
    return Decimal(0) if math.isnan(value) else Decimal(repr(float(value)))


def _or_inf(value: float) -> float:
    return math.inf if math.isnan(value) else float(value)


def _offer(row: dict[str, Any], file: str) -> Offer:
    try:
        law_of(row["law"])
    except KeyError:
        raise DataError(
            f"unknown law {row['law']!r}",
            mend=f"use one of {', '.join(sorted(LAWS))}",
            file=file,
            row=row["row"],
            column="law",
        ) from None
    zero = Decimal(0)
    return Offer(
        name=row["offer"],
        provider_offer_id=row["provider_offer_id"],
        law=row["law"],
        measure=row["measure"],
        term_hours=row["term_hours"],
        payment=row["payment"],
        upfront=zero if row["upfront"] is None else row["upfront"],
        hourly=zero if row["hourly"] is None else row["hourly"],
        monthly=zero if row["monthly"] is None else row["monthly"],
        premium=zero if row["premium"] is None else row["premium"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        step=row["step"],
        available_from=row["available_from"],
        available_until=row["available_until"],
        starts=row["starts"],
        account=row["account"],
        scope=row["scope"] or "shared",
        zone=row["zone"],
        group=row["group"],
        bundle=row["bundle"],
        bundle_ratio=Decimal(1) if row["bundle_ratio"] is None else row["bundle_ratio"],
        guarantees_capacity=bool(row["guarantees_capacity"]) or row["law"] in CAPACITY_LAWS,
        buyback_share=_share(row["buyback_share"]),
        buyback_after=0 if row["buyback_after"] is None else int(row["buyback_after"]),
        row=row["row"],
    )
