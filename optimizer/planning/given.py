# SPDX-License-Identifier: Apache-2.0
"""What a case gives beside its tables of usage and offers: advice, and prices it must have."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from optimizer.billing import Catalogue, Holding
from optimizer.program.purchases import Column
from optimizer.tables import Case, UsageLines


def need_prices(
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
) -> None:
    """A meter that is used, and that nothing but on-demand could serve, needs its price."""
    offered = {offer.name for column in columns for offer, _ in column.members}
    offered |= {holding.offer.name for holding in holdings}
    able = {meter for name in offered for meter in catalogue.draws[name]}
    for index, name in enumerate(usage.meter):
        if name not in able and usage.unmet_penalty[index] is None and usage.quantity[index].any():
            catalogue.meters[name].need_on_demand("no offer or commitment covers it")


def provider_advice(case: Case) -> dict[str, Decimal]:
    """The providers' own advice: amounts by offer; a plan that needs no solver."""
    advice: dict[str, Decimal] = {}
    if case.has("provider_advice"):
        frame = case.table("provider_advice")
        for offer, quantity in zip(frame["offer"], frame["quantity"], strict=True):
            advice[offer] = advice.get(offer, Decimal(0)) + Decimal(str(quantity))
    return advice
