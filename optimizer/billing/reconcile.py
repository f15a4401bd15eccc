# SPDX-License-Identifier: Apache-2.0
"""Reconciliation: the replay against what the provider billed, with a reason for each gap."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.billing.bill import Bill
from optimizer.tables import Case, Charge

CENT = Decimal("0.01")

Place = tuple[str, str, str]


@dataclass(frozen=True)
class Difference:
    """Replayed and billed cost of one meter, account and zone; dollars.

    ``law`` names what paid for the usage in the replay: the laws of the commitments that
    covered some of it, ``on demand`` and ``spot``; or the category of a charge that is no
    usage.  ``reason`` is empty where the two agree to less than half a cent.
    """

    provider: str
    account: str
    meter: str
    law: str
    replayed: Decimal
    billed: Decimal | None
    reason: str

    @property
    def difference(self) -> Decimal:
        """Billed − replayed."""
        return (self.billed or Decimal(0)) - self.replayed

    @property
    def explained(self) -> bool:
        """Whether the two agree, or the reason is known."""
        return self.reason != "unexplained"

    def as_dict(self) -> dict[str, Any]:
        """The row in the shape of the document."""
        return {
            "provider": self.provider,
            "account": self.account or None,
            "meter": self.meter,
            "law": self.law,
            "replayed": self.replayed,
            "billed": self.billed,
            "difference": self.difference,
            "reason": self.reason or None,
        }


def reconcile(case: Case, bill: Bill) -> list[Difference]:
    """Compare the bill's usage with ``billed_cost``, place by place.

    A row of usage that a commitment covers is billed nothing (FOCUS BilledCost), what
    nothing covers its price, and spot its own; what commitments cost is billed as
    purchases, which a case holds in ``commitments`` and not in ``usage``.
    """
    catalogue = bill.catalogue
    by_place: dict[Place, list[Charge]] = {}
    for charge in case.charges():
        zone = charge.zone or catalogue.meters[charge.meter].zone
        by_place.setdefault((charge.meter, charge.account, zone), []).append(charge)
    replayed: dict[Place, Decimal] = {}
    laws: dict[Place, set[str]] = {}
    daily: set[Place] = set()
    for line in bill.lines:
        place = line.meter, line.account, line.zone
        replayed[place] = replayed.get(place, Decimal(0)) + line.on_demand + line.spot
        paid = laws.setdefault(place, set())
        paid |= set(line.laws)
        if line.on_demand_quantity:
            paid.add("on demand")
        if line.spot_quantity:
            paid.add("spot")
        if line.daily:
            daily.add(place)
    rows = []
    for place, found in sorted(by_place.items()):
        provider = catalogue.meters[place[0]].provider
        usage = [charge for charge in found if not charge.category]
        for charge in found:
            if charge.category and charge.billed is not None:
                reason = charge.category.lower() if abs(charge.billed) >= CENT / 2 else ""
                rows.append(
                    Difference(
                        provider=provider,
                        account=place[1],
                        meter=place[0],
                        law=charge.category.lower(),
                        replayed=Decimal(0),
                        billed=charge.billed,
                        reason=reason,
                    )
                )
        if usage:
            rows.append(_usage_row(provider, place, usage, replayed, laws, place in daily))
    return rows


def _usage_row(
    provider: str,
    place: Place,
    usage: list[Charge],
    replayed: dict[Place, Decimal],
    laws: dict[Place, set[str]],
    daily: bool,
) -> Difference:
    stated = [charge.billed for charge in usage if charge.billed is not None]
    billed = sum(stated, Decimal(0)) if stated else None
    ours = replayed.get(place, Decimal(0))
    gap = (billed or Decimal(0)) - ours
    late = sum((c.billed or Decimal(0) for c in usage if c.late), Decimal(0))
    reason = ""
    if billed is None:
        reason = "no billed_cost is given"
    elif abs(gap) >= CENT / 2:
        missing = sum(charge.unbilled for charge in usage)
        if missing:
            reason = f"{missing} rows state no billed_cost"
        elif daily and laws.get(place):
            reason = "daily grain: the hours within a day are spread evenly"
        elif late and abs(gap - late) < CENT / 2:
            reason = "late row: invoiced in another month"
        else:
            reason = "unexplained"
    law = " + ".join(sorted(laws.get(place, set()))) or "none"
    return Difference(provider, place[1], place[0], law, ours, billed, reason)


def reconciliation(rows: list[Difference]) -> dict[str, Any]:
    """The document's part: rows, their sums, and what stays unexplained."""

    def total(chosen: list[Difference]) -> Decimal:
        return sum((row.difference for row in chosen), Decimal(0))

    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for row in rows:
        groups.setdefault((row.provider, row.account, row.law), []).append(row)
    return {
        "replayed": sum((row.replayed for row in rows), Decimal(0)),
        "billed": sum((row.billed or Decimal(0) for row in rows), Decimal(0)),
        "residual": total(rows),
        "unexplained": total([row for row in rows if not row.explained]),
        "by_law": [
            {
                "provider": key[0],
                "account": key[1] or None,
                "law": key[2],
                "difference": total(group),
                "reasons": sorted({row.reason for row in group if row.reason}),
            }
            for key, group in sorted(groups.items())
        ],
        "rows": [row.as_dict() for row in rows],
    }
