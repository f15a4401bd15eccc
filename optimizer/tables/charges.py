# SPDX-License-Identifier: Apache-2.0
"""What the provider charged for the usage of a case, added up exactly."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optimizer.tables.reader import Store


@dataclass(frozen=True)
class Charge:
    """Charges of one meter, account and zone, of one kind.

    Parameters
    ----------
    category
        ``charge_category`` of the rows; ``""`` for usage.
    late
        Whether the rows were invoiced in another month than that of their hour.
    billed, effective
        Sums in the currency of the case; ``None`` where no row states the amount.
    rows, unbilled
        How many rows there are, and how many of them state no ``billed_cost``.
    """

    meter: str
    account: str
    zone: str
    category: str
    late: bool
    billed: Decimal | None
    effective: Decimal | None
    rows: int
    unbilled: int


def charges(store: Store) -> list[Charge]:
    """Add up ``billed_cost`` and ``effective_cost`` of the usage rows, in decimals."""
    month = "strftime(make_timestamp(CAST(hour AS BIGINT) * 3600000000), '%Y-%m')"
    category = "CASE WHEN lower(charge_category) = 'usage' THEN '' ELSE charge_category END"
    found = store.rows(
        f"SELECT meter, coalesce(account, ''), coalesce(zone, ''), coalesce({category}, ''),"
        f" coalesce(invoice_month <> {month}, false),"
        " CAST(sum(CAST(billed_cost AS DECIMAL(38, 12))) AS VARCHAR),"
        " CAST(sum(CAST(effective_cost AS DECIMAL(38, 12))) AS VARCHAR),"
        " count(*), count(*) - count(billed_cost)"
        " FROM usage GROUP BY ALL ORDER BY 1, 2, 3, 4, 5"
    )
    return [
        Charge(
            meter=row[0],
            account=row[1],
            zone=row[2],
            category=row[3],
            late=bool(row[4]),
            billed=None if row[5] is None else Decimal(row[5]),
            effective=None if row[6] is None else Decimal(row[6]),
            rows=int(row[7]),
            unbilled=int(row[8]),
        )
        for row in found
    ]
