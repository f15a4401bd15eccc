# SPDX-License-Identifier: Apache-2.0
"""Renewals: shorter terms that are bought again behind the horizon.

A long term is worth what it avoids over all of it.  Behind the horizon that is buying the
shorter ones again, at any level of usage, and not on-demand, which would make long terms win
falsely.  So what expires before the window ends may be bought again there: further columns,
in force from one hour on until the window's end and paid by the hour
(``docs/program.md``, "Cash and tail").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, Offer
from optimizer.billing.laws import law_of
from optimizer.program.purchases import Column, hourly_rate
from optimizer.tables import Settings, UsageLines, format_hour

# Share of the tail below which two starts are one: each of them divides the hours further.
LEAST_APART = 0.05


def renewals(
    settings: Settings,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
    *,
    until: int = 0,
    expiring: Sequence[Column] = (),
) -> tuple[Column, ...]:
    """The columns behind the horizon: what is bought again, and from which hour on.

    Bought again is what has no fixed start and expires before the last purchase of today
    does; of usage that can be had neither on demand nor so, also the longest terms.  An
    offer that another one undercuts on all that it covers is left out.  Renewals begin at
    the horizon and whenever something expires that they could stand in for: until then
    they would be paid beside it (as they are where that is less than ``LEAST_APART`` of the
    tail, so that many small commitments do not make many starts).

    Parameters
    ----------
    until
        An hour up to which the tail reaches beyond what is bought now.
    expiring
        Further columns whose ends are starts: later purchases.

    Returns
    -------
    Columns in the order of ``columns``, those of one offer by their start; none where no
    term outlasts the horizon.
    """
    end = settings.as_of + settings.horizon_hours
    ends = [column.term(settings.as_of)[1] for column in columns]
    last = max(ends, default=end)
    if settings.after_horizon == "prorata" or max(last, until) <= end:
        return ()
    lasting = [column for column in columns if _starts_when_bought(column)]
    # Where the tail is that of later purchases alone, all that is bought now ends within it.
    last = last if last > end else until
    shorter = [column for column in lasting if column.term(settings.as_of)[1] < last]
    reached = {meter for column in shorter for meter in _meters(catalogue, column)}
    stranded = {
        meter
        for line, meter in enumerate(usage.meter)
        if catalogue.meters[meter].on_demand is None
        and usage.unmet_penalty[line] is None
        and meter not in reached
    }
    chosen = [c for c in lasting if c in shorter or _meters(catalogue, c) & stranded]
    chosen = without_undercut(settings, catalogue, chosen)
    last = max(last, until)
    expiries = [
        (column.term(settings.as_of)[1], _meters(catalogue, column))
        for column in (*columns, *expiring)
    ]
    expiries += [(h.end, set(catalogue.draws[h.offer.name])) for h in holdings]
    found = []
    for column in chosen:
        meters = _meters(catalogue, column)
        changes = {hour for hour, theirs in expiries if end < hour < last and theirs & meters}
        found += [
            replace(
                column,
                name=f"{column.name} renewed from {format_hour(start)}",
                renewed=(start, last),
            )
            for start in _apart(end, sorted(changes), LEAST_APART * (last - end))
        ]
    return tuple(found)


def last_resort_prices(
    settings: Settings, catalogue: Catalogue, usage: UsageLines, columns: Sequence[Column]
) -> NDArray[np.float64]:
    """Dollars per unit of usage of each line that nothing covers behind the horizon.

    For usage without on-demand price: the least rate·draw of any offer ÷ the share of hours
    in which usage is at its peak.  At that price a renewal pays at every level, so that it
    is charged only where none can be had, and no case is infeasible by its tail.  Nothing
    where no offer is sold any more: about that usage nothing could be decided.

    Returns
    -------
    Array of shape (L,).
    """
    rates: dict[str, float] = {}
    for column in columns:
        if column.renewed is not None or not _starts_when_bought(column):
            continue
        for offer, _ in column.members:
            rate = hourly_rate(replace(column, members=((offer, Decimal(1)),)), settings)
            for meter, draw in catalogue.draws[offer.name].items():
                rates[meter] = min(rates.get(meter, np.inf), rate * float(draw))
    total: dict[str, NDArray[np.float64]] = {}
    for index, meter in enumerate(usage.meter):
        total[meter] = total.get(meter, 0.0) + usage.quantity[index]
    return np.array([rates.get(meter, 0.0) / _share_at_peak(total[meter]) for meter in usage.meter])


def _apart(first: int, hours: Sequence[int], least: float) -> list[int]:
    """``first``, and those of the later hours that are so far behind the last one taken."""
    starts = [first]
    for hour in hours:
        if hour - starts[-1] >= least:
            starts.append(hour)
    return starts


def _share_at_peak(demand: NDArray[np.float64]) -> float:
    """Share of the hours in which demand is at its peak, but for rounding."""
    return float((demand >= demand.max(initial=0.0) * (1 - 1e-9)).mean())


def _starts_when_bought(column: Column) -> bool:
    """A capacity block is a window in time, which does not come again.

    Nor does what is given back: of it the whole term is renewed.
    """
    return all(offer.starts is None and offer.released is None for offer, _ in column.members)


def _meters(catalogue: Catalogue, column: Column) -> set[str]:
    return {meter for offer, _ in column.members for meter in catalogue.draws[offer.name]}


def without_undercut(
    settings: Settings,
    catalogue: Catalogue,
    columns: Sequence[Column],
    *,
    same_term: bool = False,
) -> list[Column]:
    """The columns but those that another one replaces at no higher cost, whatever is used.

    With ``same_term`` only one of the same length replaces another.
    """
    prices = [_priced(settings, catalogue, column) for column in columns]

    def undercuts(one: int, other: int) -> bool:
        terms = {columns[one].members[0][0].term_hours, columns[other].members[0][0].term_hours}
        if same_term and len(terms) > 1:
            return False
        return _can_replace(columns[one], columns[other]) and all(
            prices[one].get(key, np.inf) <= price for key, price in prices[other].items()
        )

    every = range(len(columns))
    # Of two that are alike the first stays.
    return [
        columns[index]
        for index in every
        if not any(
            undercuts(other, index) and (other < index or not undercuts(index, other))
            for other in every
            if other != index
        )
    ]


def _priced(
    settings: Settings, catalogue: Catalogue, column: Column
) -> dict[tuple[int, str], float]:
    """Dollars per hour for a unit of each meter, by the place of the member that covers it."""
    rate = hourly_rate(column, settings)
    return {
        (place, meter): rate * float(draw / ratio)
        for place, (offer, ratio) in enumerate(column.members)
        for meter, draw in catalogue.draws[offer.name].items()
    }


def _can_replace(one: Column, other: Column) -> bool:
    """Whether ``one`` may be bought in the amounts of ``other``, and reaches as far."""

    def alike(mine: Offer, theirs: Offer) -> bool:
        zoned = mine.zone if law_of(mine.law).needs_zone else ""
        return (mine.account, mine.scope, mine.measure) == (
            theirs.account,
            theirs.scope,
            theirs.measure,
        ) and zoned in ("", theirs.zone)

    return (
        len(one.members) == len(other.members)
        and (one.step, one.minimum, one.maximum) == (other.step, other.minimum, other.maximum)
        and all(
            alike(mine, theirs) and mine_ratio == their_ratio
            for (mine, mine_ratio), (theirs, their_ratio) in zip(
                one.members, other.members, strict=True
            )
        )
    )
