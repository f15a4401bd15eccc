# SPDX-License-Identifier: Apache-2.0
"""Attribution: the dollars of a replayed bill on the rows of usage that caused them, exactly."""

from optimizer.billing.attribution.costed import (
    CostedHours,
    WindowTotals,
    cost_hours,
    window_totals,
)
from optimizer.billing.attribution.exact import Amounts, decimal_of, pico_of, split
from optimizer.billing.attribution.series import Benefit, SeriesCosts, Worth, attribute, worth

__all__ = [
    "Amounts",
    "Benefit",
    "CostedHours",
    "SeriesCosts",
    "WindowTotals",
    "Worth",
    "attribute",
    "cost_hours",
    "decimal_of",
    "pico_of",
    "split",
    "window_totals",
    "worth",
]
