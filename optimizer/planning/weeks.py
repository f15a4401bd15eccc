# SPDX-License-Identifier: Apache-2.0
"""A bill by week."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Bill
from optimizer.billing.bill import exact

WEEK = 168
# Hour 0 is a Thursday: weeks begin on the Monday three days before it.
_MONDAY = -72


def weekly_bills(bill: Bill, until: int | None = None) -> list[dict[str, Any]]:
    """The bill of each whole week, from Monday 00:00 UTC, before the hour ``until``.

    Returns
    -------
    list of dict
        ``week``, its first day; ``hours``, 168; ``on_demand``, ``spot``, ``commitment_cost``
        and ``total`` in dollars. Weeks of which the bill has only a part are left out.
    """
    last = bill.first_hour + bill.hours
    last = last if until is None else min(last, until)
    rows: list[dict[str, Any]] = []
    start = bill.first_hour + (_MONDAY - bill.first_hour) % WEEK
    while start + WEEK <= last:
        at = slice(start - bill.first_hour, start - bill.first_hour + WEEK)
        parts = {
            name: exact(float(np.sum(values[at])))
            for name, values in (
                ("on_demand", bill.on_demand_by_hour),
                ("spot", bill.spot_by_hour),
                ("commitment_cost", bill.commitment_by_hour),
            )
        }
        day = datetime.fromtimestamp(start * 3600, UTC).date()
        total = sum(parts.values(), Decimal(0))
        rows.append({"week": day.isoformat(), "hours": WEEK, **parts, "total": total})
        start += WEEK
    return rows
