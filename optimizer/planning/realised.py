# SPDX-License-Identifier: Apache-2.0
"""What a purchase saved: the bill of what ran, replayed with it and without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from optimizer.billing import make_bill, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.billing.release import base_name
from optimizer.tables import Case, UsageLines, decimal_string, format_hour

_ROUNDING = Decimal("1.001")


@dataclass(frozen=True)
class Realised:
    """The bill of the hours ``[start, start + hours)`` with some commitments, and without."""

    start: int
    hours: int
    with_it: Decimal
    without_it: Decimal

    @property
    def saving(self) -> Decimal:
        """Dollars that the commitments saved in those hours; below 0 if they cost more."""
        return self.without_it - self.with_it

    def as_dict(self) -> dict[str, Any]:
        """For JSON: money as decimal strings."""
        return {
            "start": format_hour(self.start),
            "hours": self.hours,
            "bill": decimal_string(self.with_it),
            "bill_without": decimal_string(self.without_it),
            "saving": decimal_string(self.saving),
        }


def realised_saving(
    case: Case, commitments: Collection[str], window: tuple[int, int] | None = None
) -> Realised | None:
    """Replay the history since the first of some commitments began, with and without them.

    The hours are those from that moment to ``as_of``, or to the last hour of usage before it;
    costs are amortised, so that an upfront payment counts for the hours that have passed.
    ``None`` where the case has no such commitment, or no usage since. Of a ``window``
    ``[start, end)`` only its own hours count.

    Raises
    ------
    MissingPrice
        If usage needs an on-demand price that the case does not have.
    """
    if not case.has("commitments") or not case.has("usage"):
        return None
    catalogue = open_catalogue(case)
    holdings = list(read_holdings(case, catalogue))
    chosen = [holding for holding in holdings if holding.name in commitments]
    if not chosen:
        return None
    usage = case.usage_lines()
    start = max(min(holding.start for holding in chosen), usage.first_hour)
    end = min(case.settings.as_of, usage.first_hour + usage.quantity.shape[1])
    if window is not None:
        start, end = max(start, window[0]), min(end, window[1])
    if end <= start:
        return None
    since = usage_between(usage, start, end)
    rest = [holding for holding in holdings if holding.name not in commitments]
    return Realised(
        start,
        end - start,
        make_bill(case, catalogue, since, holdings).total,
        make_bill(case, catalogue, since, rest).total,
    )


@dataclass(frozen=True)
class Held:
    """A commitment that may be the purchase of some advice."""

    name: str
    offer: str
    quantity: Decimal
    start: int
    end: int


def matched(offer: str, wanted: Decimal, held: Iterable[Held]) -> list[Held]:
    """Return the commitments that are the purchase of an amount of an offer.

    Of one that the plan will give back, they are of the offer itself.
    They are given without those that were held before, and together, in the order of their
    start, they do not exceed what was advised by more than rounding; a single one that does
    exceed it is the purchase none the less.
    """
    found: list[Held] = []
    amount = Decimal(0)
    for each in sorted(held, key=lambda c: (c.start, c.name)):
        if each.offer not in (offer, base_name(offer)):
            continue
        if found and amount + each.quantity > wanted * _ROUNDING:
            continue
        found.append(each)
        amount += each.quantity
    return found


def usage_between(usage: UsageLines, start: int, end: int) -> UsageLines:
    """The usage of the hours ``[start, end)``, which it has."""
    part = slice(start - usage.first_hour, end - usage.first_hour)
    return replace(
        usage,
        first_hour=start,
        quantity=usage.quantity[:, part],
        spot=usage.spot[:, part],
        spot_taken=usage.spot_taken[:, part],
        tolerant=usage.tolerant[:, part],
        present=usage.present[:, part],
    )
