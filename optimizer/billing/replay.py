# SPDX-License-Identifier: Apache-2.0
"""Replay: hours of usage against holdings, in the order of the providers' laws.

The inner loop runs over pairs, not over hours: each pair is applied to all hours at once
with NumPy, which is what makes a year × 200 meters a matter of seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.catalogue import Catalogue, Holding
from optimizer.billing.lines import Array, BillingLines, SharingModes
from optimizer.billing.order import OrderedPair, ordered_pairs

# Share of a line's usage in an hour below which what is uncovered is a rounding error.
DUST = 1e-10
# Orders that a catalogue remembers: the same holdings are replayed over other hours.
_ORDERS = 8
# Called for every pair with holding, line and the units covered in each hour.
Trace = Callable[[int, int, Array], None]


@dataclass(frozen=True)
class Replay:
    """The outcome: arrays over L lines or C holdings and N hours.

    Attributes
    ----------
    uncovered
        Units per line that no holding covers and that do not run on spot.
    capacity, used
        Of each holding, in its measure (units, or dollars) per hour.
    covered
        Units over all hours by (holding, line), for the pairs that met.
    """

    uncovered: Array
    capacity: Array
    used: Array
    covered: dict[tuple[int, int], float]


def capacity_of(holdings: Sequence[Holding], hours: NDArray[np.int64]) -> Array:
    """Capacity of each holding in each hour, in its measure; shape (C, N)."""
    capacity = np.zeros((len(holdings), len(hours)))
    for index, holding in enumerate(holdings):
        inside = (hours >= holding.start) & (hours < holding.end)
        capacity[index, inside] = float(holding.quantity)
    return capacity


def orders_of(
    catalogue: Catalogue, lines: BillingLines, holdings: Sequence[Holding], sharing: SharingModes
) -> list[tuple[OrderedPair, ...]]:
    """The law's order of pairs in each group of hours that share one sharing mode.

    It depends on neither hours nor amounts, so that the catalogue remembers the last ones.
    """
    places = lines.meter, lines.provider, lines.account, lines.zone, lines.idle
    # As much of a holding as an order looks at.
    held = tuple((each.name, each.offer, each.end, each.account, each.scope) for each in holdings)
    orders = []
    for _, modes in sharing.groups:
        key = places, held, tuple(sorted(modes.items()))
        order = catalogue.orders.get(key)
        if order is None:
            order = tuple(ordered_pairs(catalogue, lines, holdings, modes))
            # A copy: threads share a catalogue, and a dictionary that grows cannot be walked.
            for old in list(catalogue.orders)[: 1 - _ORDERS]:
                catalogue.orders.pop(old, None)
            catalogue.orders[key] = order
        orders.append(order)
    return orders


def replay(
    catalogue: Catalogue,
    lines: BillingLines,
    holdings: Sequence[Holding],
    capacity: Array,
    sharing: SharingModes,
    *,
    orders: Sequence[Sequence[OrderedPair]] | None = None,
    trace: Trace | None = None,
) -> Replay:
    """Apply the holdings to the lines, pair by pair, in the order of the law.

    Parameters
    ----------
    capacity
        Shape (C, N): what each holding may spend in each hour.
    orders
        The pairs of each sharing group from :func:`orders_of`, to save their sorting when
        the same holdings are replayed many times.
    trace
        Called for every pair with the units that it covers in each hour.

    Raises
    ------
    MissingPrice
        If a law needs an on-demand price that the case does not supply.
    """
    uncovered = lines.quantity - lines.spot
    free = capacity.copy()
    covered: dict[tuple[int, int], float] = {}
    if orders is None:
        orders = orders_of(catalogue, lines, holdings, sharing)
    for (index, _), pairs in zip(sharing.groups, orders, strict=True):
        whole = len(index) == uncovered.shape[1]
        rest = uncovered if whole else uncovered[:, index]
        left = free if whole else free[:, index]
        spans = [_span(row) for row in left]
        for pair in pairs:
            low, high = spans[pair.holding]
            if high <= low:
                continue
            need = rest[pair.line, low:high]
            have = left[pair.holding, low:high]
            # Azure: what a negotiated price of zero covers burns nothing.
            take = np.minimum(need, have / pair.draw) if pair.draw else need.copy()
            need -= take
            have -= take * pair.draw
            np.maximum(have, 0.0, out=have)  # rounding may leave −1e-17 behind
            units = float(take.sum())
            if units:
                met = pair.holding, pair.line
                covered[met] = covered.get(met, 0.0) + units
            if trace is not None:
                row = np.zeros(uncovered.shape[1])
                row[index[low:high]] = take
                trace(pair.holding, pair.line, row)
        if not whole:
            uncovered[:, index] = rest
            free[:, index] = left
    # What is short by the rounding of floats alone is covered: it must not ask for a price.
    for rest, asked in zip(uncovered, lines.quantity, strict=True):  # rows stay in the cache
        rest[rest <= DUST * asked] = 0.0
    return Replay(uncovered, capacity, capacity - free, covered)


def _span(row: NDArray[Any]) -> tuple[int, int]:
    """First and one past the last hour in which a holding has anything to give."""
    there = np.flatnonzero(row)
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
