# SPDX-License-Identifier: Apache-2.0
"""The law of Google Cloud: resource-based, then flexible committed use discounts.

Order within an hour (Google Cloud "VM instance pricing"): resource-based commitments on
the resources that they name, then flexible commitments on what is left, then on demand.
Discounts never stack, and Spot usage gets neither.
"""

from __future__ import annotations

from optimizer.billing.laws import Law, Pair, Rank, register


def _resource(pair: Pair) -> Rank:
    return (0, -pair.scope_depth, pair.reach)


def _flexible(pair: Pair) -> Rank:
    return (1, -pair.scope_depth, -pair.saving, pair.draw)


register(
    Law("gcp.resource", _resource, "units", "gcp"),
    Law("gcp.flexible", _flexible, "money", "gcp", by_saving=True),
    Law("gcp.flexible.legacy", _flexible, "money", "gcp", by_saving=True),
)
