# SPDX-License-Identifier: Apache-2.0
"""Who caused the bill: every dollar of some hours on the rows of usage, by a stated rule.

Usage of a line and hour shares that hour's cost by quantity: what did not run on spot shares
on-demand and commitment cost, what was charged as spot shares the spot cost.

``used``
    Commitment cost goes to the usage that the law covered.
``even``
    Within each pool (see `CostedHours`) and hour, on-demand and commitment cost are spread
    over eligible usage in proportion to its worth at on-demand prices, so that who happened
    to be covered does not matter.  Lines without an on-demand price keep what they used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.attribution.costed import ALONE, CostedHours, window_totals
from optimizer.billing.attribution.exact import Amounts, pico_of, split
from optimizer.billing.bill import PLACES, exact
from optimizer.tables import UsageCells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY = 24
_CHUNK = 1 << 20


class Benefit(StrEnum):
    """Whose commitment benefit it is."""

    used = "used"
    even = "even"


@dataclass(frozen=True)
class SeriesCosts:
    """Cost of the hours ``[first, last)`` by series; S series, C holdings.

    Attributes
    ----------
    on_demand, spot, commitments
        Of each series; commitments without what is unused.
    unused
        Of each holding.
    quantity
        (S,) units of the meter in these hours.
    """

    first: int
    last: int
    on_demand: Amounts
    spot: Amounts
    commitments: Amounts
    unused: Amounts
    quantity: Floats

    @property
    def total(self) -> int:
        """The bill of these hours, in trillionths."""
        parts = (self.on_demand, self.spot, self.commitments, self.unused)
        return sum(part.total() for part in parts)


def attribute(
    costed: CostedHours, cells: UsageCells, first: int, last: int, benefit: Benefit
) -> SeriesCosts:
    """Attribute the bill of the hours ``[first, last)``, which lie within those of the replay.

    Returns
    -------
    Amounts that add up to `window_totals` to the last place.
    """
    cut = slice(first - costed.first_hour, last - costed.first_hour)
    totals = window_totals(costed, first, last)
    prices = np.nan_to_num(costed.prices())
    on_demand = costed.paid[:, cut] * prices[:, None]
    used = costed.used[:, cut]
    pooled = None
    if benefit is Benefit.even:
        on_demand, used, pooled = _evened(costed, cut, on_demand, used)
    line_od = _by_line(costed, totals.on_demand, on_demand, pooled)
    line_used = _used_by_line(costed, totals.used, used)
    free = costed.lines.quantity[:, cut] - costed.lines.spot[:, cut]
    per_unit = [_per_unit(dollars, free) for dollars in (on_demand, used)]
    weights = _weights(cells, cut, per_unit)
    line = cells.line.astype(np.int64)
    return SeriesCosts(
        first=first,
        last=last,
        on_demand=split(line_od, line, weights.on_demand),
        spot=split(totals.spot, line, _charged(costed, cells, weights)),
        commitments=split(line_used, line, weights.used),
        unused=Amounts.of(totals.unused),
        quantity=weights.quantity,
    )


def _evened(
    costed: CostedHours, cut: slice, on_demand: Floats, used: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """On-demand and commitment dollars (L, T), spread over each pool's eligible usage.

    With worth E of a line's eligible usage at on-demand prices, its cost is
    ``E · Σ cost / Σ E`` over the pool in that hour.
    """
    lines = costed.lines
    prices = costed.prices()
    pooled = (costed.line_pool != ALONE) & ~np.isnan(prices)
    on_demand, used = on_demand.copy(), used.copy()
    for pool in range(costed.pools):
        members = np.flatnonzero(pooled & (costed.line_pool == pool))
        if not len(members):
            continue
        there = costed.eligible[members, cut]
        worth = (lines.quantity[members, cut] - lines.spot[members, cut]) * prices[members, None]
        worth = np.where(there, np.maximum(worth, 0.0), 0.0)
        whole = worth.sum(axis=0)
        share = np.divide(worth, whole, out=np.zeros_like(worth), where=whole > 0)
        there = there & (whole > 0)
        for dollars in (on_demand, used):
            common = np.where(there, dollars[members], 0.0).sum(axis=0)
            dollars[members] = np.where(there, share * common, dollars[members])
    return on_demand, used, pooled


def _by_line(
    costed: CostedHours, totals: list[int], dollars: Floats, pooled: NDArray[np.bool_] | None
) -> list[int]:
    """On-demand cost of each line; where pools are evened, a pool's by the lines' weights."""
    if pooled is None:
        return totals
    group = np.where(pooled, costed.line_pool, costed.pools + np.arange(len(totals)))
    sums = [0] * (costed.pools + len(totals))
    for line, total in enumerate(totals):
        sums[int(group[line])] += total
    return split(sums, group, dollars.sum(axis=1)).picos()


def _used_by_line(costed: CostedHours, used: list[int], dollars: Floats) -> list[int]:
    """Commitment cost used by each line: a pool's by the lines' dollars."""
    sums = [0] * (costed.pools + 1)
    for holding, cost in enumerate(used):
        sums[int(costed.holding_pool[holding])] += cost  # ALONE is the last one, and has none
    if not len(dollars):
        return []
    group = np.where(costed.line_pool == ALONE, costed.pools, costed.line_pool)
    return split(sums, group, dollars.sum(axis=1)).picos()


def _per_unit(dollars: Floats, units: Floats) -> Floats:
    """(L, T) dollars per unit that did not run on spot."""
    return np.divide(dollars, units, out=np.zeros_like(dollars), where=units > 0)


@dataclass(frozen=True)
class _Weights:
    """(S,) dollars before rounding; charged spot units and all units."""

    on_demand: Floats
    used: Floats
    spot: Floats
    spot_taken: Floats
    quantity: Floats


def _weights(cells: UsageCells, cut: slice, per_unit: list[Floats]) -> _Weights:
    """Add up the rows of a window by series; a day's row counts by its hours within it."""
    sums = [np.zeros(cells.count) for _ in range(5)]
    length = cut.stop - cut.start
    # Of another type than the hours', the value would have all of them converted.
    kind = cells.hour.dtype.type
    low = np.searchsorted(cells.hour, kind(cut.start - _DAY + 1))
    high = np.searchsorted(cells.hour, kind(cut.stop))
    running = None
    for begin in range(int(low), int(high), _CHUNK):
        rows = slice(begin, min(begin + _CHUNK, int(high)))
        at = cells.hour[rows].astype(np.int64) - cut.start
        hourly = ~cells.of_day[rows]
        inside = hourly & (at >= 0)
        chosen = np.flatnonzero(inside) + begin
        hour = at[inside]
        line = cells.line[cells.series[chosen]]
        dollars = [unit[line, hour] for unit in per_unit]
        _add(sums, cells, chosen, dollars, np.ones(len(chosen)))
        if hourly.all():
            continue
        if running is None:
            running = [_running(unit) for unit in per_unit]
        chosen = np.flatnonzero(~hourly) + begin
        start = np.maximum(at[~hourly], 0)
        end = np.minimum(at[~hourly] + _DAY, length)
        share = np.maximum(end - start, 0) / _DAY
        end = np.maximum(end, start)
        line = cells.line[cells.series[chosen]]
        hours = np.maximum(end - start, 1)
        dollars = [(total[line, end] - total[line, start]) / hours for total in running]
        _add(sums, cells, chosen, dollars, share)
    return _Weights(*sums)


def _add(
    sums: list[Floats], cells: UsageCells, chosen: Ints, dollars: list[Floats], share: Floats
) -> None:
    """Add rows, of each the share that lies within the window, at their dollars per unit."""
    series = cells.series[chosen]
    quantity = cells.quantity[chosen] * share
    spot = cells.spot[chosen] * share
    free = np.maximum(quantity - spot, 0.0)
    taken = cells.spot_taken[chosen] * share
    for place, values in enumerate((free * dollars[0], free * dollars[1], spot, taken, quantity)):
        sums[place] += np.bincount(series, weights=values, minlength=cells.count)


def _running(values: Floats) -> Floats:
    """(L, T + 1) sums of the hours before each."""
    total = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def _charged(costed: CostedHours, cells: UsageCells, weights: _Weights) -> Floats:
    """(S,) spot units that are charged: AWS does not charge what it takes back at once."""
    refunds = np.array([provider == "aws" for provider in costed.lines.provider], np.bool_)
    free = refunds[cells.line] if len(refunds) else np.zeros(cells.count, np.bool_)
    return np.maximum(weights.spot - np.where(free, weights.spot_taken, 0.0), 0.0)


@dataclass(frozen=True)
class Worth:
    """What the usage of each series is worth at prices, by line exactly; ``None``: no price.

    ``listed`` and ``contract`` are all units at the list and the on-demand price, ``spot_at``
    and ``uncovered_at`` the units on spot and those on demand at the on-demand price.
    """

    listed: Amounts
    contract: Amounts
    spot_at: Amounts
    uncovered_at: Amounts
    unpriced: NDArray[np.bool_]


def worth(costed: CostedHours, cells: UsageCells, costs: SeriesCosts) -> Worth:
    """Value the usage of attributed hours at list and on-demand prices, for a waterfall.

    ``unpriced`` (S,) marks series of meters without one of the two prices.
    """
    cut = slice(costs.first - costed.first_hour, costs.last - costed.first_hour)
    lines = costed.lines
    units = (lines.quantity, lines.quantity, lines.spot, costed.uncovered)
    totals: list[list[int]] = [[], [], [], []]
    unpriced = np.zeros(len(lines.meter), np.bool_)
    for index, name in enumerate(lines.meter):
        meter = costed.catalogue.meters[name]
        unpriced[index] = meter.on_demand is None or meter.list_price is None
        prices = (meter.list_price, *[meter.on_demand] * 3)
        for place, (array, price) in enumerate(zip(units, prices, strict=True)):
            amount = exact(array[index, cut].sum()) * (price or 0)
            totals[place].append(pico_of(amount.quantize(PLACES)))
    free = lines.quantity[:, cut] - lines.spot[:, cut]
    weights = _weights(cells, cut, [_per_unit(costed.uncovered[:, cut], free)] * 2)
    line = cells.line.astype(np.int64)
    by = (weights.quantity, weights.quantity, weights.spot, weights.on_demand)
    listed, contract, spot_at, uncovered_at = (
        split(total, line, weight) for total, weight in zip(totals, by, strict=True)
    )
    return Worth(listed, contract, spot_at, uncovered_at, unpriced[cells.line])
