# SPDX-License-Identifier: Apache-2.0
"""What a commitment costs: amortised, hour by hour.

Cost of an hour = quantity × (upfront / term_hours + hourly + premium) plus a monthly payment
spread evenly over the hours of its month.  A month of a commitment runs from its start to the
same day of the next month; a shorter month moves the day for good (Microsoft Learn: a
reservation bought on 30 December has the months 30 Dec – 29 Jan, 30 Jan – 27 Feb,
28 Feb – 27 Mar).

What is given back before its term ends is paid until then, and in its last hour also what
does not come back of the remaining cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.catalogue import Holding, Offer

_MONTH_HOURS = 730
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fixed_rate(offer: Offer) -> Decimal:
    """Dollars per unit and hour without monthly payments.

    upfront / term_hours + hourly + premium: an insurance is paid in every hour, used or not.
    """
    return offer.upfront / Decimal(offer.term_hours) + offer.hourly + offer.premium


def payment_months(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the half-open months ``[from, until)``, in hours, of a term ``[start, end)``.

    A term has as many payments as it has months of 730 hours; the last month ends with it.
    """
    month_start = start
    for _ in range(round((end - start) / _MONTH_HOURS) - 1):
        month_end = _next_month(month_start)
        if month_end >= end:
            break
        yield month_start, month_end
        month_start = month_end
    if month_start < end:
        yield month_start, end


def amortised_cost(holding: Holding, first: int, last: int) -> Decimal:
    """Amortised cost of a holding over the hours ``[first, last)``, clipped to its term.

    Of one that is given back, its last hour holds :func:`release_loss`.
    """
    begin, until = max(first, holding.start), min(last, holding.end)
    if until <= begin:
        return Decimal(0)
    cost = fixed_rate(holding.offer) * (until - begin)
    if holding.offer.released is not None and until == holding.end:
        cost += release_loss(holding.offer, holding.start)
    if holding.offer.monthly:
        whole = _whole_term(holding.offer, holding.start, holding.end)
        for month_start, month_end in payment_months(*whole):
            hours = min(until, month_end) - max(begin, month_start)
            if hours > 0:
                cost += holding.offer.monthly * hours / Decimal(month_end - month_start)
    return cost * holding.quantity


def remaining_cost(offer: Offer, start: int) -> Decimal:
    """Amortised dollars per unit from the release of an offer to the end of its term.

    Without the premium: an insurance ends with what it insures.  0 of what is kept.
    """
    if offer.released is None:
        return Decimal(0)
    release, end = start + offer.released, start + offer.term_hours
    cost = (fixed_rate(offer) - offer.premium) * (end - release)
    if offer.monthly:
        for month_start, month_end in payment_months(start, end):
            hours = month_end - max(release, month_start)
            if hours > 0:
                cost += offer.monthly * hours / Decimal(month_end - month_start)
    return cost


def release_loss(offer: Offer, start: int) -> Decimal:
    """Dollars per unit that are lost at the release: (1 − ``buyback_share``) of what remains."""
    return (1 - offer.buyback_share) * remaining_cost(offer, start)


def _whole_term(offer: Offer, start: int, end: int) -> tuple[int, int]:
    """The term that payments are of: what is given back had a longer one."""
    return (start, end) if offer.released is None else (start, start + offer.term_hours)


def hourly_costs(offer: Offer, start: int, end: int, first: int, last: int) -> NDArray[np.float64]:
    """Dollars per unit in each hour of ``[first, last)``; zero outside ``[start, end)``.

    Returns
    -------
    Array of shape ``(last - first,)``.
    """
    costs = np.zeros(max(0, last - first))
    begin, until = max(first, start), min(last, end)
    if until <= begin:
        return costs
    costs[begin - first : until - first] = float(fixed_rate(offer))
    if offer.released is not None and until == end:
        costs[end - 1 - first] += float(release_loss(offer, start))
    if offer.monthly:
        for month_start, month_end in payment_months(*_whole_term(offer, start, end)):
            low, high = max(begin, month_start), min(until, month_end)
            if high > low:
                costs[low - first : high - first] += float(offer.monthly) / (
                    month_end - month_start
                )
    return costs


def _next_month(hour: int) -> int:
    moment = _EPOCH + timedelta(hours=hour)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    for day in range(moment.day, moment.day - 4, -1):
        try:
            later = moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
        return (later - _EPOCH) // timedelta(hours=1)
    msg = f"no month follows hour {hour}"
    raise AssertionError(msg)
