# SPDX-License-Identifier: Apache-2.0
"""From list price to effective cost, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.billing.attribution import Benefit
from optimizer.planning.spend.shared import Grid
from optimizer.planning.spend.spend import Basis

if TYPE_CHECKING:
    from optimizer.planning.spend.spend import Spend
    from optimizer.planning.spend.windows import Window


@dataclass(frozen=True)
class Steps:
    """``list_price − contract − sustained_use − spot − commitments`` is the cost of usage.

    ``contract`` is what negotiated prices save over list, ``sustained_use`` what sustained
    use discounts, ``spot`` what spot and ``commitments`` what the used part of commitments
    saves over on-demand prices (below zero where they cost more).  What is unused or shared
    comes on top.
    """

    list_price: Decimal
    contract: Decimal
    sustained_use: Decimal
    spot: Decimal
    commitments: Decimal

    @property
    def cost(self) -> Decimal:
        """On-demand, spot and used commitment cost."""
        return self.list_price - self.contract - self.sustained_use - self.spot - self.commitments

    def as_dict(self) -> dict[str, Any]:
        """The steps in the shape of the document."""
        return {
            "list_price": self.list_price,
            "contract": self.contract,
            "sustained_use": self.sustained_use,
            "spot": self.spot,
            "commitments": self.commitments,
        }


def steps_of(spend: Spend, window: Window, basis: Basis, grid: Grid) -> list[Steps | None]:
    """Steps of each group; ``None`` where some of its meters has no list or on-demand price."""
    value = spend.worth(window, basis)
    costs = spend.costs(window, basis)
    own = spend.costs(window, Basis(Benefit.used, basis.by_request))
    sustained = value.uncovered_at - own.on_demand
    spot = value.spot_at - costs.spot
    cost = costs.on_demand + costs.spot + costs.commitments
    commitments = value.contract - sustained - spot - cost
    columns = (value.listed, value.listed - value.contract, sustained, spot, commitments)
    sums = [grid.sums(column).decimals() for column in columns]
    unpriced = value.unpriced & (costs.quantity > 0)
    unknown = np.bincount(grid.group, weights=unpriced[grid.series], minlength=grid.count)
    return [
        None if missing else Steps(*row)
        for missing, row in zip(unknown > 0, zip(*sums, strict=True), strict=True)
    ]
