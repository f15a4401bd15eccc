# SPDX-License-Identifier: Apache-2.0
"""Prices: the catalogue's public SKUs, and the customer's own from the pricing export.

Google has no price of a machine: it is the sum of its vCPUs, memory, GPUs and local SSD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.gcp.clients import COMPUTE_ENGINE, Google, sdk_pages
from connectors.gcp.names import (
    Kind,
    Machine,
    Way,
    kind_of,
    own_family,
    series_of,
    smallest,
)
from connectors.pulled import Report
from connectors.values import exact
from optimizer.errors import MissingPrice

PERMISSION = "cloudbilling.services.get (any signed-in account has it)"
NANO = Decimal("0.000000001")
MONTH = Decimal(730)


@dataclass(frozen=True)
class Sku:
    """One SKU, with its price per hour and unit."""

    sku_id: str
    description: str
    kind: Kind
    regions: frozenset[str]
    price: Decimal


def question(google: Google, currency: str) -> Question[Any]:
    """Return the question for all SKUs of Compute Engine."""
    client = google.catalogue()
    request = {
        "parent": f"services/{COMPUTE_ENGINE}",
        "currency_code": currency,
        "page_size": 5000,
    }
    fetch = sdk_pages(client.list_skus, request, lambda page: list(page.skus))
    return Question(
        "cloudbilling",
        "list_skus",
        "Compute Engine",
        lambda: all_pages(fetch, identity=lambda sku: sku.sku_id),
        PERMISSION,
    )


def skus(rows: Iterable[Any], report: Report) -> list[Sku]:
    """Return the SKUs that price parts of machines, ordered by their ids."""
    found, unpriced = [], 0
    for row in rows:
        kind = kind_of(row.description)
        if kind is None:
            continue
        price = _hourly(row)
        if price is None:
            unpriced += 1
            continue
        regions = frozenset(row.service_regions)
        found.append(Sku(row.sku_id, row.description, kind, regions, price))
    if unpriced:
        remark(report, "gcp prices", "SKUs without a price by the hour or month", unpriced)
    return sorted(found, key=lambda sku: sku.sku_id)


def _hourly(row: Any) -> Decimal | None:
    """Return the newest price of a SKU per hour; the first tier of those that have several."""
    if not row.pricing_info:
        return None
    expression = row.pricing_info[-1].pricing_expression
    rates = [rate for rate in expression.tiered_rates if rate.start_usage_amount == 0]
    if not rates:
        return None
    money = rates[-1].unit_price
    price = exact(money.units) + exact(money.nanos) * NANO
    unit = expression.usage_unit
    if unit in ("h", "GiBy.h"):
        return price
    return price / MONTH if unit in ("mo", "GiBy.mo") else None


class Prices:
    """The prices of parts by region and family.

    Parameters
    ----------
    own
        The customer's price by SKU id; a SKU that it lacks is at the public price.
    """

    def __init__(self, known: Iterable[Sku], own: Mapping[str, Decimal]) -> None:
        self._skus = list(known)
        self.own = own

    def find(self, region: str, family: str, part: str, way: Way, years: int = 0) -> Sku | None:
        """Return the SKU of a part; of several the first by its id."""
        machine = smallest(family)
        for sku in self._skus:
            kind = sku.kind
            if (kind.part, kind.way, kind.years) != (part, way, years):
                continue
            if region not in sku.regions and "global" not in sku.regions:
                continue
            words = machine.gpu_sku if machine else ""
            gpu = part == "gpu" and (
                kind.gpu == words if machine else own_family(kind.gpu) == family
            )
            cores = part in ("vcpu", "memory") and kind.series == series_of(family)
            if gpu or cores or part == "ssd":
                return sku
        return None

    def fee(self, years: int) -> Sku | None:
        """Return the SKU of a flexible commitment's fee."""
        for sku in self._skus:
            if sku.kind.way is Way.FLEXIBLE and sku.kind.years == years:
                return sku
        return None

    def paid(self, sku: Sku) -> Decimal:
        """Return what this customer pays for a SKU."""
        return self.own.get(sku.sku_id, sku.price)

    def machine(self, machine: Machine, region: str, way: Way = Way.ON_DEMAND) -> Decimal:
        """Return a machine's public price per hour, the sum of its parts.

        Raises
        ------
        MissingPrice
            If a part has no SKU; a machine sold whole (A4) has its GPUs' SKU alone.
        """
        gpu = self.find(region, machine.family, "gpu", way)
        if gpu is not None and "slice" in gpu.description:
            return gpu.price * machine.parts["gpu"]
        total = Decimal(0)
        for part, count in machine.parts.items():
            sku = self.find(region, machine.family, part, way)
            if sku is None:
                raise MissingPrice(
                    f"{machine.name} has no {way} SKU for its {part} in {region}",
                    mend="look for a SKU whose description is not understood",
                    file="Cloud Billing catalogue",
                )
            total += sku.price * count
        return total
