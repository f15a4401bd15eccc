# SPDX-License-Identifier: Apache-2.0
"""What may be bought: offers and bundles as columns of the program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, Offer, amortised_cost, hourly_costs
from optimizer.billing.release import hours_in_force
from optimizer.errors import DataError
from optimizer.tables import Case, Settings, format_hour

YEAR = 8760


@dataclass(frozen=True)
class Column:
    """One purchase decision: an offer alone (ratio 1), or the offers of a bundle together.

    ``renewed`` are the hours ``[start, end)`` of what is not bought now: a renewal behind the
    horizon, or a later purchase, which is ``decided`` in its first hour.  ``futures`` are
    those in which it is bought, of an information node; ``None`` are all there are.
    """

    name: str
    members: tuple[tuple[Offer, Decimal], ...]
    renewed: tuple[int, int] | None = None
    decided: int | None = None
    futures: tuple[int, ...] | None = None

    @property
    def step(self) -> Decimal:
        """The smallest amount of the column that keeps every member on its own step.

        The least common multiple of the members' steps, in units of the column.
        """
        steps = [Fraction(offer.amount_step) / Fraction(ratio) for offer, ratio in self.members]
        top = math.lcm(*(step.numerator for step in steps))
        return Decimal(top) / Decimal(math.gcd(*(step.denominator for step in steps)))

    @property
    def minimum(self) -> Decimal:
        """The least that may be bought, if anything is."""
        amounts = [offer.minimum / ratio for offer, ratio in self.members if offer.minimum]
        return max(amounts, default=Decimal(0))

    @property
    def maximum(self) -> Decimal | None:
        """The most that may be bought; ``None`` without a limit."""
        amounts = [
            offer.maximum / ratio for offer, ratio in self.members if offer.maximum is not None
        ]
        return min(amounts, default=None)

    @property
    def integer(self) -> bool:
        """Whether the amount is a count; money is continuous and rounded afterwards."""
        return any(offer.measure == "units" for offer, _ in self.members)

    def term(self, as_of: int) -> tuple[int, int]:
        """Hours ``[start, end)`` in which the column is in force."""
        return self.renewed or term_of(self.members[0][0], as_of)

    def holding(self, offer: Offer, quantity: Decimal, as_of: int) -> Holding:
        """The holding that ``quantity`` of a member makes."""
        made = planned(offer, quantity, as_of)
        if self.renewed is None:
            return made
        start, end = self.renewed
        if self.decided is not None:
            name = f"later {offer.name} from {format_hour(start)}"
            return replace(made, name=name, start=start, end=end, state="later")
        return replace(made, name=f"renewal {offer.name}", start=start, end=end, state="renewed")


def discount(hours: np.ndarray, rate: Decimal) -> np.ndarray:
    """γ = (1 + i)^(−t / 8760) for hours t from now."""
    return np.power(1.0 + float(rate), -np.asarray(hours, dtype=np.float64) / YEAR)


def open_columns(
    case: Case, catalogue: Catalogue, hour: int | None = None
) -> tuple[list[Column], dict[str, str]]:
    """The columns that may be bought in an hour, by default ``as_of``, and why others may not.

    Returns
    -------
    Columns ordered by name, and the reason by offer for the offers that are not open.

    Raises
    ------
    DataError
        For a bundle whose members cannot be bought together (different terms).
    """
    settings = case.settings
    closed: dict[str, str] = {}
    bundles: dict[str, list[Offer]] = {}
    for name in sorted(catalogue.offers):
        offer = catalogue.offers[name]
        reason = _closed(offer, settings, settings.as_of if hour is None else hour)
        if reason:
            closed[name] = reason
        else:
            bundles.setdefault(f"bundle {offer.bundle}" if offer.bundle else name, []).append(offer)
    columns = []
    for name, members in sorted(bundles.items()):
        whole = [offer for offer in catalogue.offers.values() if offer.bundle == members[0].bundle]
        if members[0].bundle and len(members) != len(whole):
            for offer in members:
                closed[offer.name] = "another offer of its bundle is not open"
            continue
        if len({(offer.term_hours, offer.starts) for offer in members}) > 1:
            raise DataError(
                f"the offers of {name} have different terms or starts",
                mend="give all offers of a bundle one term_hours and one starts",
                file=case.file("offers"),
                row=members[0].row,
                column="bundle",
            )
        columns.append(Column(name, tuple((offer, offer.bundle_ratio) for offer in members)))
    return columns, closed


def advised_amounts(
    columns: Sequence[Column], advice: Mapping[str, Decimal]
) -> NDArray[np.float64]:
    """Amounts by offer as amounts of columns bought now; of bundles and renewals none."""
    return np.array(
        [
            float(advice.get(column.members[0][0].name, 0))
            if len(column.members) == 1 and column.renewed is None
            else 0.0
            for column in columns
        ]
    )


def kinds_of(columns: Sequence[Column]) -> dict[str, NDArray[np.int64]]:
    """Columns by kind of offer: law, term in hours and payment of the first member."""
    kinds: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        offer = column.members[0][0]
        name = " ".join(p for p in (offer.law, f"{offer.term_hours}h", offer.payment) if p)
        kinds.setdefault(name, []).append(index)
    return {name: np.array(index, dtype=np.int64) for name, index in kinds.items()}


def term_of(offer: Offer, as_of: int) -> tuple[int, int]:
    """Hours ``[start, end)`` in which the offer is in force when it is bought at as_of."""
    start = as_of if offer.starts is None else offer.starts
    return start, start + hours_in_force(offer)


def planned(offer: Offer, quantity: Decimal, as_of: int) -> Holding:
    """The holding that buying ``quantity`` of the offer at ``as_of`` makes."""
    start, end = term_of(offer, as_of)
    return Holding(
        name=f"plan {offer.name}",
        offer=offer,
        quantity=quantity,
        start=start,
        end=end,
        account=offer.account,
        scope=offer.scope,
        state="planned",
    )


def source_name(holding: Holding) -> str:
    """The source that a holding adds to: its offer, owner and scope; a renewal's start too."""
    since = f"renewed {format_hour(holding.start)}" if holding.state == "renewed" else ""
    parts = (holding.offer.name, holding.account, holding.scope, since)
    return "/".join(part for part in parts if part)


def column_cost(column: Column, settings: Settings) -> float:
    """F: dollars for one unit of the column.

    ``after_horizon = tail``: γ·upfront + Σ over the whole term of γ·(hourly + monthly).
    ``prorata``: the amortised cost inside the horizon, as providers reckon.
    What is given back is paid until then, and what of the upfront payment comes back and what
    is lost of the rest, in its last hour.
    A renewal: Σ over its hours of γ·(:func:`hourly_rate`).
    """
    as_of = settings.as_of
    if column.renewed is not None:  # of a later purchase, too: a term begun then costs as much
        start, end = column.renewed
        gamma = discount(np.arange(start - as_of, end - as_of), settings.discount_rate)
        return hourly_rate(column, settings) * float(gamma.sum())
    total = 0.0
    for offer, ratio in column.members:
        start, end = term_of(offer, as_of)
        if settings.after_horizon == "prorata":
            until = min(end, as_of + settings.horizon_hours)
            flow = hourly_costs(offer, start, end, start, max(start, until))
        else:
            flow = hourly_costs(offer, start, end, start, end) - float(
                offer.upfront / Decimal(offer.term_hours)
            )
            total += float(ratio * offer.upfront) * float(
                discount(np.array([start - as_of]), settings.discount_rate)[0]
            )
            if offer.released is not None:  # it was paid, and its loss is of what was not
                left = Decimal(offer.term_hours - offer.released) / Decimal(offer.term_hours)
                flow[-1] -= float(offer.upfront * left)
        gamma = discount(
            np.arange(start - as_of, start - as_of + len(flow)), settings.discount_rate
        )
        total += float(ratio) * float(flow @ gamma)
    return total


def column_costs(columns: Sequence[Column], settings: Settings) -> NDArray[np.float64]:
    """F of each column, (K,): as :func:`column_cost`, with one rate for all of an offer."""
    rates: dict[tuple[tuple[Offer, Decimal], ...], float] = {}
    costs = []
    for column in columns:
        if column.renewed is None:
            costs.append(column_cost(column, settings))
            continue
        if column.members not in rates:
            rates[column.members] = hourly_rate(column, settings)
        start, end = (hour - settings.as_of for hour in column.renewed)
        gamma = discount(np.arange(start, end), settings.discount_rate)
        costs.append(rates[column.members] * float(gamma.sum()))
    return np.array(costs)


def hourly_rate(column: Column, settings: Settings) -> float:
    """Dollars per unit and hour that are worth as much as the payments of a whole term.

    F ÷ Σγ over the term.  A term that begins in hour T costs γ(T)·F, which is this rate in
    each of its hours: so whole terms, one after the other, cost it wherever they begin.
    """
    now = replace(column, renewed=None)
    start, end = now.term(settings.as_of)
    if settings.after_horizon == "prorata":
        end = min(end, settings.as_of + settings.horizon_hours)
    gamma = discount(np.arange(end - start), settings.discount_rate).sum()
    begin = discount(np.array([start - settings.as_of]), settings.discount_rate)[0]
    return column_cost(now, settings) / float(gamma * begin)


def whole_term_cost(column: Column) -> Decimal:
    """Undiscounted dollars of one unit of the column over its whole term."""
    return sum(
        (
            ratio * amortised_cost(holding, holding.start, holding.end)
            for offer, ratio in column.members
            for holding in (planned(offer, Decimal(1), 0),)
        ),
        Decimal(0),
    )


def _closed(offer: Offer, settings: Settings, now: int) -> str:
    """Why an offer cannot be bought in an hour; empty if it can."""
    if offer.available_from is not None and now < offer.available_from:
        return "its purchase window has not opened yet"
    if offer.available_until is not None and now >= offer.available_until:
        return "its purchase window is closed"
    if offer.starts is not None and offer.starts < now:
        return "its fixed start has passed"
    if offer.starts is not None and offer.starts >= settings.as_of + settings.horizon_hours:
        return "it starts after the horizon"
    return ""
