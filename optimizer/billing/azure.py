# SPDX-License-Identifier: Apache-2.0
"""The law of Azure: reservations, then savings plans, then pay as you go.

Order within an hour (Microsoft Learn, "Benefit application order", 2026-07):

1. reservations, the narrowest scope first (resource group, subscription, management
   group, shared); with instance size flexibility the documentation says only "first
   come, first served", so that we take the smallest size first to be reproducible;
2. savings plans: the narrower scope first, three-year plans before one-year plans, and
   within a plan the product with the greatest discount first.
"""

from __future__ import annotations

from optimizer.billing.laws import Law, Pair, Rank, register


def _reservation(pair: Pair) -> Rank:
    return (0, -pair.scope_depth, pair.size)


def _savings(pair: Pair) -> Rank:
    return (1, -pair.scope_depth, -pair.term_hours, -pair.saving, pair.draw)


register(
    Law("azure.reservation", _reservation, "units", "azure"),
    Law("azure.savings", _savings, "money", "azure", by_saving=True),
)
