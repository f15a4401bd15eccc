# SPDX-License-Identifier: Apache-2.0
"""The renewal price: what an uncovered unit costs behind the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue
from optimizer.billing.cost import fixed_rate
from optimizer.program.purchases import Column
from optimizer.tables import UsageLines

_MONTH = Decimal(730)


def renewal_prices(
    catalogue: Catalogue, usage: UsageLines, columns: Sequence[Column], *, of_any: bool = False
) -> NDArray[np.float64]:
    """Dollars per unit of usage of each line, bought again at the best shorter term.

    For a meter, *shorter* are the offers whose term is below the longest that covers it.
    Such an offer, sized alone where a unit is used in at least rate·draw / on-demand of
    the hours (the newsvendor's level), costs rate·draw ÷ its expected use at that level.
    The price is the least of these; ``inf`` where no shorter offer pays.  With ``of_any``
    the longest offers count too: for usage that cannot be had otherwise.

    Returns
    -------
    Array of shape (L,).
    """
    terms: dict[str, list[tuple[int, float]]] = {}
    for column in columns:
        for offer, _ in column.members:
            if offer.starts is not None:
                continue  # a capacity block is a window in time, not a renewal
            rate = fixed_rate(offer) + offer.monthly / _MONTH
            for meter, draw in catalogue.draws[offer.name].items():
                terms.setdefault(meter, []).append((offer.term_hours, float(rate * draw)))
    total: dict[str, NDArray[np.float64]] = {}
    for index, meter in enumerate(usage.meter):
        total[meter] = total.get(meter, 0.0) + usage.quantity[index]
    prices = {
        meter: _price(demand, catalogue.meters[meter].on_demand, terms.get(meter, []), of_any)
        for meter, demand in total.items()
    }
    return np.array([prices[meter] for meter in usage.meter])


def _price(
    demand: NDArray[np.float64],
    on_demand: Decimal | None,
    offers: list[tuple[int, float]],
    of_any: bool,
) -> float:
    longest = max((term for term, _ in offers), default=0)
    shorter = [rate for term, rate in offers if term < longest or of_any]
    if not shorter or not demand.any():
        return np.inf
    rate = min(shorter)
    share = rate / float(on_demand) if on_demand else 0.0
    if share >= 1.0:
        return np.inf
    ordered = np.sort(demand)
    # The level that is reached in at least this share of the hours.
    level = ordered[min(len(ordered) - 1, int(np.floor(len(ordered) * (1.0 - share))))]
    if level <= 0:
        return np.inf
    return rate / float(np.minimum(demand, level).mean() / level)
