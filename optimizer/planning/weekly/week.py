# SPDX-License-Identifier: Apache-2.0
"""The week's bill and key figures, how fresh its data are, and the same of the week before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.billing import Bill, Catalogue, Holding, make_bill, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.demand.horizon import no_usage
from optimizer.errors import MissingPrice
from optimizer.planning.weekly.changes import Changes, explain_change
from optimizer.planning.weekly.window import Weeks, hours_of, seen
from optimizer.tables import Case, UsageLines


@dataclass(frozen=True)
class Week:
    """The replay of some hours with what was held in them.

    ``bill`` is ``None`` where it cannot be priced, and ``problem`` says why; ``missing`` counts
    the hours for which no line has a row.
    """

    start: int
    end: int
    bill: Bill | None
    problem: str
    missing: int

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return self.end - self.start

    @property
    def empty(self) -> bool:
        """Whether there is no usage at all."""
        return self.missing == self.hours


@dataclass(frozen=True)
class Freshness:
    """How far the data reach; hours. ``last`` is the last hour of usage before ``as_of``."""

    as_of: int
    last: int | None

    @property
    def age(self) -> int | None:
        """Hours without usage between the end of the last one and ``as_of``."""
        return None if self.last is None else self.as_of - self.last - 1


@dataclass(frozen=True)
class Weekly:
    """What the last week cost, the week before it, and why they differ.

    ``changes`` is ``None`` where one of them has no data or no price.
    """

    weeks: Weeks
    week: Week
    before: Week
    freshness: Freshness
    changes: Changes | None
    catalogue: Catalogue
    holdings: tuple[Holding, ...]

    @property
    def remaining(self) -> Decimal:
        """Amortised cost, after the week, of what is held or queued."""
        return _remaining(self.week)

    @property
    def remaining_before(self) -> Decimal:
        """The same after the week before, without what began in the week."""
        return _remaining(self.before)


def weekly(case: Case, earlier: Case | None = None) -> Weekly:
    """Replay the last complete week before ``as_of`` and the one before it.

    Parameters
    ----------
    earlier
        The case as it was a week before, whose prices are those of the week before; without
        it no change of prices is known.

    Raises
    ------
    DataError
        If a table is refused.
    """
    catalogue = open_catalogue(case)
    held = tuple(read_holdings(case, catalogue))
    weeks = Weeks.until(case.settings.as_of)
    usage = case.usage_lines() if case.has("usage") else no_usage(weeks.before)
    old = catalogue if earlier is None else _with_prices_of(catalogue, earlier)
    # What began in the week was not held in the week before: it owed nothing of it then.
    known = tuple(h for h in held if not weeks.start <= h.start < weeks.end)
    now = _week(case, catalogue, usage, held, (weeks.start, weeks.end))
    was = _week(case, old, usage, known, (weeks.before, weeks.start))
    changes = None
    if now.bill is not None and was.bill is not None and not now.empty and not was.empty:
        changes = explain_change(
            case, weeks, was.bill, now.bill, old=old, holdings=held, priced=earlier is not None
        )
    return Weekly(weeks, now, was, _freshness(case, usage), changes, catalogue, held)


def _week(
    case: Case,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    hours: tuple[int, int],
) -> Week:
    part = hours_of(usage, *hours)
    missing = int((~seen(part)).sum()) if len(part.meter) else hours[1] - hours[0]
    try:
        return Week(*hours, make_bill(case, catalogue, part, holdings), "", missing)
    except MissingPrice as error:
        return Week(*hours, None, str(error), missing)


def _freshness(case: Case, usage: UsageLines) -> Freshness:
    as_of = case.settings.as_of
    count = min(max(as_of - usage.first_hour, 0), usage.quantity.shape[1])
    rows = np.flatnonzero(usage.present[:, :count].any(axis=0))
    return Freshness(as_of, usage.first_hour + int(rows[-1]) if len(rows) else None)


def _remaining(week: Week) -> Decimal:
    if week.bill is None:
        return Decimal(0)
    return sum((holding.remaining for holding in week.bill.holdings), Decimal(0))


def _with_prices_of(catalogue: Catalogue, earlier: Case) -> Catalogue:
    """The catalogue with on-demand, list and spot prices of an earlier case where it has them."""
    old = open_catalogue(earlier).meters
    meters = {
        name: replace(
            meter,
            on_demand=old[name].on_demand,
            list_price=old[name].list_price,
            spot=old[name].spot,
        )
        if name in old
        else meter
        for name, meter in catalogue.meters.items()
    }
    return replace(catalogue, meters=meters)
