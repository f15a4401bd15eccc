# SPDX-License-Identifier: Apache-2.0
"""Bills of many usages of the same lines, hour by hour: the order of the law is found once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Catalogue, Holding, billing_lines
from optimizer.billing.bill import sustained_by_account
from optimizer.billing.cost import hourly_costs
from optimizer.billing.lines import BillingLines, SharingModes
from optimizer.billing.replay import Replay, capacity_of, orders_of, replay
from optimizer.tables import Settings, UsageLines

Floats = NDArray[np.float64]


def hourly_bills(
    settings: Settings,
    catalogue: Catalogue,
    holdings: Sequence[Holding],
    usages: Sequence[UsageLines],
) -> Floats:
    """(S, N) dollars of each hour of S usages of the same lines and hours, amortised.

    Each row is the sum by hour of :func:`optimizer.billing.make_bill`.

    Raises
    ------
    MissingPrice
        If usage needs a price that the case does not have.
    """
    first, count = usages[0].first_hour, usages[0].quantity.shape[1]
    hours = first + np.arange(count)
    sharing = SharingModes.of(settings, hours)
    orders = orders_of(catalogue, billing_lines(usages[0], catalogue), holdings, sharing)
    capacity = capacity_of(holdings, hours)
    held = np.zeros(count)
    for holding in holdings:
        held += float(holding.quantity) * hourly_costs(
            holding.offer, holding.start, holding.end, first, first + count
        )
    found = np.zeros((len(usages), count))
    for row, usage in zip(found, usages, strict=True):
        lines = billing_lines(usage, catalogue)
        outcome = replay(catalogue, lines, holdings, capacity, sharing, orders=orders)
        row[:] = held + _priced(catalogue, lines, outcome, first)
    return found


def _priced(catalogue: Catalogue, lines: BillingLines, outcome: Replay, first: int) -> Floats:
    """(N,) dollars of what runs on demand and on spot."""
    paid, charged = outcome.uncovered, lines.spot - lines.spot_free
    on_demand, spot = np.zeros(len(lines.meter)), np.zeros(len(lines.meter))
    for line in np.flatnonzero(paid.any(axis=1)):
        meter = catalogue.meters[lines.meter[line]]
        on_demand[line] = float(meter.need_on_demand("some of its usage is covered by nothing"))
    for line in np.flatnonzero(charged.any(axis=1)):
        spot[line] = float(catalogue.meters[lines.meter[line]].need_spot())
    sustained = sustained_by_account(catalogue, lines, outcome, first)
    if sustained:
        paid = paid.copy()
        for index, name in enumerate(lines.meter):
            if catalogue.meters[name].sustained_use:
                paid[index] *= sustained[name, lines.account[index]]
    return np.asarray(on_demand @ paid + spot @ charged)
