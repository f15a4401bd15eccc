# SPDX-License-Identifier: Apache-2.0
"""What an anomaly did to the bill: its hours replayed as they were and as was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from optimizer.billing import Bill, Catalogue, Holding, make_bill
from optimizer.errors import MissingPrice
from optimizer.planning.realised import usage_between
from optimizer.tables import Case, UsageLines

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Billing:
    """A case's usage with what is held."""

    case: Case
    catalogue: Catalogue
    holdings: Sequence[Holding]
    usage: UsageLines

    def bill(self, start: int, end: int) -> Bill:
        """The bill of the hours ``[start, end)``.

        Raises
        ------
        MissingPrice
            If usage needs a price that the case does not have.
        """
        return make_bill(self.case, self.catalogue, self.part(start, end), self.holdings)

    def part(self, start: int, end: int) -> UsageLines:
        """The usage of some hours, as far as there is any."""
        first = self.usage.first_hour
        low = max(start, first)
        last = first + self.usage.quantity.shape[1]
        return usage_between(self.usage, low, max(low, min(end, last)))

    def effect(self, start: int, end: int, excess: Floats) -> Decimal | None:
        """The bill of some hours less that without the excess of each line, (L,) units.

        What was too much is taken from each hour in proportion, what was too little is added
        evenly; ``None`` where a price is missing.
        """
        usage = self.part(start, end)
        hours = usage.quantity.shape[1]
        if not hours:
            return None
        ran = usage.quantity.sum(axis=1)
        share = np.divide(np.maximum(excess, 0.0), ran, out=np.zeros(len(ran)), where=ran > 0)
        kept = 1.0 - np.minimum(share, 1.0)[:, None]
        expected = replace(
            usage,
            quantity=usage.quantity * kept + np.maximum(-excess, 0.0)[:, None] / hours,
            spot=usage.spot * kept,
            spot_taken=usage.spot_taken * kept,
            tolerant=usage.tolerant * kept,
        )
        try:
            actual = make_bill(self.case, self.catalogue, usage, self.holdings).total
            return actual - make_bill(self.case, self.catalogue, expected, self.holdings).total
        except MissingPrice:
            return None
