# SPDX-License-Identifier: Apache-2.0
"""The replayed bill hour by hour: what every line cost on demand, on spot and by commitments.

An hour of a holding costs its amortised amount.  The part of it that the law spent on usage
belongs to the lines it covered, ``units × draw × (cost of the hour / capacity of the hour)``;
the rest is unused.  On-demand and spot cost are those of the bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.attribution.exact import pico_of
from optimizer.billing.bill import (
    PLACES,
    Bill,
    exact,
    price_replay,
    sustained_by_account,
    unused_part,
)
from optimizer.billing.catalogue import Catalogue, Holding, read_holdings
from optimizer.billing.cost import amortised_cost, hourly_costs
from optimizer.billing.fit import open_catalogue
from optimizer.billing.lines import BillingLines, SharingModes, billing_lines, row_sums
from optimizer.billing.order import OrderedPair
from optimizer.billing.replay import capacity_of, orders_of, replay
from optimizer.tables import Case

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

ALONE = -1  # of no pool


@dataclass(frozen=True)
class CostedHours:
    """A replay with the dollars of each hour; L lines, C holdings, N hours.

    Attributes
    ----------
    bill
        The bill of all hours.
    uncovered, paid
        (L, N) units on demand; the same after sustained use discounts, in units charged.
    used
        (L, N) dollars of commitments that the line's usage used.
    unused
        (C, N) dollars of each holding that no usage used.
    eligible
        (L, N) whether some holding in force could cover the line, by law, scope and sharing.
    line_pool, holding_pool
        Lines and holdings that are linked by such pairs, directly or through others, are one
        pool; ``ALONE`` where there is no pair.
    """

    first_hour: int
    hours: int
    catalogue: Catalogue
    lines: BillingLines
    holdings: tuple[Holding, ...]
    bill: Bill
    uncovered: Floats
    paid: Floats
    used: Floats
    unused: Floats
    eligible: Flags
    line_pool: Ints
    holding_pool: Ints

    @property
    def pools(self) -> int:
        """How many pools there are."""
        return int(max(self.line_pool.max(initial=ALONE), self.holding_pool.max(initial=ALONE))) + 1

    def prices(self) -> Floats:
        """(L,) on-demand prices; nan where a meter cannot be had on demand."""
        found = [self.catalogue.meters[name].on_demand for name in self.lines.meter]
        return np.array([np.nan if price is None else float(price) for price in found])

    def price_or_zero(self, line: int) -> Decimal:
        """The on-demand price of a line, which a line without one never pays."""
        return self.catalogue.meters[self.lines.meter[line]].on_demand or Decimal(0)


def cost_hours(case: Case) -> CostedHours:
    """Replay all usage hours of a case and price every hour.

    Raises
    ------
    DataError
        As :func:`optimizer.billing.bill_case`.
    """
    case.require("meters", "usage")
    catalogue = open_catalogue(case)
    usage = case.usage_lines()
    holdings = read_holdings(case, catalogue)
    lines = billing_lines(usage, catalogue)
    first, count = usage.first_hour, usage.quantity.shape[1]
    hours = first + np.arange(count)
    sharing = SharingModes.of(case.settings, hours)
    orders = orders_of(catalogue, lines, holdings, sharing)
    draws = {(pair.holding, pair.line): pair.draw for pairs in orders for pair in pairs}
    # Dollars of each hour per unit of the holding's measure.
    rates = [
        hourly_costs(holding.offer, holding.start, holding.end, first, first + count)
        for holding in holdings
    ]
    used = np.zeros((len(lines.meter), count))

    def trace(holding: int, line: int, units: Floats) -> None:
        used[line] += units * (draws[holding, line] * rates[holding])

    outcome = replay(
        catalogue,
        lines,
        holdings,
        capacity_of(holdings, hours),
        sharing,
        orders=orders,
        trace=trace,
    )
    unused = np.maximum(outcome.capacity - outcome.used, 0.0)
    for index, rate in enumerate(rates):
        unused[index] *= rate
    paid = outcome.uncovered
    sustained = sustained_by_account(catalogue, lines, outcome, first)
    if sustained:
        paid = paid.copy()
        for index, name in enumerate(lines.meter):
            if catalogue.meters[name].sustained_use:
                paid[index] *= sustained[name, lines.account[index]]
    eligible = np.zeros(used.shape, dtype=np.bool_)
    for (inside, _), pairs in zip(sharing.groups, orders, strict=True):
        _mark(eligible, holdings, pairs, inside, first)
    line_pool, holding_pool = _pools(len(lines.meter), len(holdings), draws)
    return CostedHours(
        first_hour=first,
        hours=count,
        catalogue=catalogue,
        lines=lines,
        holdings=tuple(holdings),
        bill=price_replay(catalogue, usage, lines, holdings, outcome),
        uncovered=outcome.uncovered,
        paid=paid,
        used=used,
        unused=unused,
        eligible=eligible,
        line_pool=line_pool,
        holding_pool=holding_pool,
    )


@dataclass(frozen=True)
class WindowTotals:
    """What the hours ``[first, last)`` of a replay cost, in trillionths; each adds up exactly.

    Attributes
    ----------
    on_demand, spot
        Of each line.
    used, unused
        Of each holding; together its amortised cost.
    """

    on_demand: list[int]
    spot: list[int]
    used: list[int]
    unused: list[int]

    @property
    def total(self) -> int:
        """All of it: the bill of the window."""
        return sum(self.on_demand) + sum(self.spot) + sum(self.used) + sum(self.unused)


def window_totals(costed: CostedHours, first: int, last: int) -> WindowTotals:
    """Price the hours ``[first, last)`` as the bill prices all hours.

    Quantities are summed over the window and turned into decimals of twelve places once,
    as in :func:`optimizer.billing.bill.price_replay`; sustained use discounts are those of
    the whole months that the replay saw.
    """
    lines, catalogue = costed.lines, costed.catalogue
    cut = slice(first - costed.first_hour, last - costed.first_hour)
    on_demand, spot = [], []
    on_spot = lines.spot[:, cut]
    charges = row_sums(on_spot - lines.spot_free[:, cut] if on_spot.any() else on_spot)
    for index, paid in enumerate(row_sums(costed.paid[:, cut])):
        name, units, charged = lines.meter[index], exact(paid), exact(charges[index])
        on_demand.append(pico_of((units * costed.price_or_zero(index)).quantize(PLACES)))
        price = catalogue.meters[name].need_spot() if charged else Decimal(0)
        spot.append(pico_of((charged * price).quantize(PLACES)))
    used, unused = [], []
    for index, holding in enumerate(costed.holdings):
        cost = amortised_cost(holding, first, last).quantize(PLACES)
        left = cost
        if costed.holding_pool[index] != ALONE:
            left = unused_part(cost, _dollars(costed, index, cut), costed.unused[index, cut])
        used.append(pico_of(cost - left))
        unused.append(pico_of(left))
    return WindowTotals(on_demand, spot, used, unused)


def _dollars(costed: CostedHours, index: int, cut: slice) -> Floats:
    """What a holding costs in each hour of a window."""
    holding = costed.holdings[index]
    first = costed.first_hour
    return float(holding.quantity) * hourly_costs(
        holding.offer, holding.start, holding.end, first + cut.start, first + cut.stop
    )


def _mark(
    eligible: Flags,
    holdings: Sequence[Holding],
    pairs: Sequence[OrderedPair],
    index: Ints,
    first: int,
) -> None:
    """Mark the hours ``index`` of lines that a holding in force could cover."""
    for pair in pairs:
        holding = holdings[pair.holding]
        if holding.quantity:
            low, high = np.searchsorted(index, (holding.start - first, holding.end - first))
            eligible[pair.line, index[low:high]] = True


def _pools(lines: int, holdings: int, pairs: dict[tuple[int, int], float]) -> tuple[Ints, Ints]:
    """Connected components of lines and holdings, numbered by their first line."""
    parent = list(range(lines + holdings))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for holding, line in pairs:
        one, other = sorted((root(line), root(lines + holding)))
        parent[other] = one
    linked = {node for holding, line in pairs for node in (line, lines + holding)}
    number: dict[int, int] = {}
    pool = np.full(lines + holdings, ALONE, dtype=np.int64)
    for node in sorted(linked):
        pool[node] = number.setdefault(root(node), len(number))
    return pool[:lines], pool[lines:]
