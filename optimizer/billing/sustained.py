# SPDX-License-Identifier: Apache-2.0
"""Sustained use discounts of Google Cloud: on-demand usage that lasts gets cheaper.

Each quarter of a month that a unit runs is charged at a lower rate; with the published
maximum discount s the rates fall in equal steps of 2s/3: 100, 80, 60 and 40 % for s = 30 %
(Google Cloud, "Sustained use discounts").  Units that run at different times are put
together as if they were one ("inferred instances"), so that a month's hours count from
the busiest down: the r-th busiest hour of a month belongs to the quarter r / hours.
It is reckoned for each project (a line's account) and meter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.tables import month_hours, month_of

_QUARTERS = 4


def rates_of(maximum: float) -> NDArray[np.float64]:
    """Rates of the four quarters of a month as shares of the price; they average 1 − s."""
    return 1.0 - maximum * np.arange(_QUARTERS) * 2.0 / (_QUARTERS - 1)


def sustained_rates(
    units: NDArray[np.float64], first_hour: int, maximum: float
) -> NDArray[np.float64]:
    """Share of the price that each hour's units pay, for a line's on-demand units (T,).

    A month that the window covers in part counts the hours that it sees, against the
    length of the whole month.
    """
    rates = np.ones(len(units))
    steps = rates_of(maximum)
    begin = first_hour
    end = first_hour + len(units)
    while begin < end:
        month_start, month_end = month_hours(*month_of(begin))
        until = min(end, month_end)
        inside = slice(begin - first_hour, until - first_hour)
        order = np.argsort(-units[inside], kind="stable")
        rank = np.empty(len(order))
        rank[order] = np.arange(len(order))
        quarter = np.minimum(
            _QUARTERS - 1, (rank * _QUARTERS // (month_end - month_start)).astype(np.int64)
        )
        rates[inside] = steps[quarter]
        begin = until
    return rates
