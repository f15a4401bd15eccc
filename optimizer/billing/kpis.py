# SPDX-License-Identifier: Apache-2.0
"""Key figures of a bill, each with its formula, and the waterfall of each provider."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.billing.bill import PLACES, Bill

ZERO = Decimal(0)

FORMULAE = {
    "effective_savings_rate_on_demand": "1 - total / (all usage at the on-demand price)",
    "effective_savings_rate_list_price": "1 - total / (all usage at the list price)",
    "coverage": (
        "covered usage at on-demand / (covered usage at on-demand + on-demand cost), over meters "
        "that some offer covers"
    ),
    "utilization": "used / (used + unused), weighted by the cost of each commitment",
    "waste": "cost of the unused part of the commitments",
    "remaining_commitment": (
        "amortised cost of what is held or queued, after the last hour of the bill"
    ),
    "break_even": "commitment cost / covered usage at on-demand if all of it were used",
}


def key_figures(bill: Bill) -> list[dict[str, Any]]:
    """The key figures: name, value, and the formula that makes it."""
    values: dict[str, Any] = {
        "effective_savings_rate_on_demand": bill.savings_rate("on_demand"),
        "effective_savings_rate_list_price": bill.savings_rate("list_price"),
        "coverage": bill.coverage,
        "utilization": bill.utilization,
        "waste": bill.unused_cost.quantize(PLACES),
        "remaining_commitment": sum((h.remaining for h in bill.holdings), ZERO),
        "break_even": _break_even(bill),
    }
    return [
        {"name": name, "value": values[name], "formula": formula}
        for name, formula in FORMULAE.items()
    ]


@dataclass(frozen=True)
class Waterfall:
    """From list price to what is paid, for one provider; dollars.

    ``list_price − contract − Σ saved − spot − sustained_use + unused = total``; ``saved`` is, by
    law, what the used part of the commitments saves over on-demand.
    """

    provider: str
    list_price: Decimal
    contract: Decimal
    saved: tuple[tuple[str, Decimal], ...]
    spot: Decimal
    sustained_use: Decimal
    unused: Decimal
    total: Decimal

    def as_dict(self) -> dict[str, Any]:
        """The waterfall in the shape of the document."""
        return {
            "provider": self.provider,
            "list_price": self.list_price,
            "contract": self.contract,
            "saved": [{"law": law, "amount": amount} for law, amount in self.saved],
            "spot": self.spot,
            "sustained_use": self.sustained_use,
            "unused": self.unused,
            "total": self.total,
        }


def waterfalls(bill: Bill) -> list[Waterfall]:
    """One waterfall per provider whose used meters all have prices, in alphabetical order."""
    providers = {bill.catalogue.meters[line.meter].provider for line in bill.lines}
    providers |= {holding.provider for holding in bill.holdings}
    found = (_waterfall(bill, provider) for provider in sorted(providers))
    return [waterfall for waterfall in found if waterfall is not None]


def _waterfall(bill: Bill, provider: str) -> Waterfall | None:
    meters = bill.catalogue.meters
    lines = [line for line in bill.lines if meters[line.meter].provider == provider]
    holdings = [holding for holding in bill.holdings if holding.provider == provider]
    listed = at_contract = spot = sustained = ZERO
    saved: dict[str, Decimal] = {}
    for line in lines:
        meter = meters[line.meter]
        if not line.quantity:
            continue
        if meter.on_demand is None or meter.list_price is None:
            return None
        listed += line.quantity * meter.list_price
        at_contract += line.quantity * meter.on_demand
        spot += line.spot_quantity * meter.on_demand - line.spot
        sustained += line.on_demand_quantity * meter.on_demand - line.on_demand
        for law, units in line.covered_by:
            saved[law] = saved.get(law, ZERO) + units * meter.on_demand
    unused = ZERO
    for holding in holdings:
        unused += holding.unused_cost
        used = holding.cost - holding.unused_cost
        saved[holding.law] = saved.get(holding.law, ZERO) - used
    whole = sum((line.on_demand + line.spot for line in lines), ZERO)
    whole += sum((holding.cost for holding in holdings), ZERO)
    return Waterfall(
        provider=provider,
        list_price=listed.quantize(PLACES),
        contract=(listed - at_contract).quantize(PLACES),
        saved=tuple((law, amount.quantize(PLACES)) for law, amount in sorted(saved.items())),
        spot=spot.quantize(PLACES),
        sustained_use=sustained.quantize(PLACES),
        unused=unused.quantize(PLACES),
        total=whole,
    )


def _break_even(bill: Bill) -> float | None:
    """Utilization at which the commitments cost what on-demand would: 1 − their discount."""
    used = bill.commitment_cost - bill.unused_cost
    worth = bill.covered_at_on_demand
    return float(used / worth) if worth else None
