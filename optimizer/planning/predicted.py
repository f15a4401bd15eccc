# SPDX-License-Identifier: Apache-2.0
"""What a plan predicts of one of its purchases, from the plan's document alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PLANNED = "plan "  # before the offer's name among the commitments of the plan's bill


@dataclass(frozen=True)
class Predicted:
    """What a purchase replaces within the horizon, and what it costs there.

    Attributes
    ----------
    hours
        The hours of the horizon.
    avoided
        On-demand cost of the usage that it covers, in the document's currency.
    cost
        Its amortised cost.
    """

    hours: int
    avoided: Decimal
    cost: Decimal

    @property
    def saving(self) -> Decimal:
        """Below 0 where it only pays behind the horizon."""
        return self.avoided - self.cost

    def over(self, hours: int) -> Decimal:
        """The same rate of saving over so many hours: for a comparison with what was measured."""
        return self.saving * hours / self.hours


def predicted_saving(document: Mapping[str, Any], offer: str) -> Predicted | None:
    """Return what a purchase saves within the horizon; ``None`` where it covers nothing.

    ``break_even / term`` is the share of its amount that has to be used for it to cost what on
    demand would cost, so that what it avoids is ``cost × used share × term / break_even``.
    """
    bought = next((row for row in document.get("purchases", ()) if row["offer"] == offer), None)
    name = f"{PLANNED}{offer}"
    billed = document.get("bill", {}).get("commitments", ())
    drawn = next((row for row in billed if row["commitment"] == name), None)
    if bought is None or drawn is None or not bought["break_even_hours"]:
        return None
    whole = Decimal(str(drawn["used"])) + Decimal(str(drawn["unused"]))
    if not whole:
        return None
    cost = Decimal(str(drawn["cost"]))
    used = Decimal(str(drawn["used"])) / whole
    pays_at = Decimal(str(bought["break_even_hours"])) / bought["term_hours"]
    avoided = (cost * used / pays_at).quantize(Decimal("1e-6"))
    return Predicted(int(document["horizon_hours"]), avoided, cost)
