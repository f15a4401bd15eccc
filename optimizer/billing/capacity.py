# SPDX-License-Identifier: Apache-2.0
"""Prepaid capacity: capacity blocks and provisioned throughput.

These are paid for whether used or not, lie outside every discount (AWS: "Savings Plans
and Reserved Instance discounts do not apply to Capacity Blocks") and therefore cover
their meters before any discount does.
"""

from __future__ import annotations

from optimizer.billing.laws import Law, Pair, Rank, register


def _prepaid(pair: Pair) -> Rank:
    return (-1, pair.reach)


register(Law("capacity.block", _prepaid, "units"), Law("throughput.units", _prepaid, "units"))
