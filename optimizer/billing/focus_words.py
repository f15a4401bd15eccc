# SPDX-License-Identifier: Apache-2.0
"""What a FOCUS row says in words: providers, services, accounts, prices, commitments.

``focus_columns.csv`` lists the columns in their order.
"""

from __future__ import annotations

import csv
import functools
import json
import math
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from typing import Any

from optimizer.billing.bill import Bill
from optimizer.billing.catalogue import Holding, Offer, read_holdings, rows
from optimizer.billing.focus_facts import Kind
from optimizer.tables import Case, decimal_string

Words = dict[str, str | None]

PROVIDERS = {"aws": "AWS", "azure": "Microsoft", "gcp": "Google Cloud"}
COMPUTE = {
    "aws": "Amazon Elastic Compute Cloud",
    "azure": "Virtual Machines",
    "gcp": "Compute Engine",
}
SUB_ACCOUNTS = {"azure": "Subscription", "gcp": "Project"}
SERVICES = {
    "tokens": ("AI and Machine Learning", "Generative AI"),
    "throughput": ("AI and Machine Learning", "Generative AI"),
    "other": ("Other", "Other (Other)"),
}
COMMITMENT_TYPES = {
    "aws.reserved.zonal": "Reserved Instance",
    "aws.reserved.regional": "Reserved Instance",
    "aws.savings.instance": "EC2 Instance Savings Plan",
    "aws.savings.compute": "Compute Savings Plan",
    "aws.savings.sagemaker": "SageMaker Savings Plan",
    "aws.savings.database": "Database Savings Plan",
    "azure.reservation": "Reservation",
    "azure.savings": "Savings Plan",
    "gcp.resource": "Resource-based committed use discount",
    "gcp.flexible": "Flexible committed use discount",
    "gcp.flexible.legacy": "Flexible committed use discount",
    "capacity.block": "Capacity Block",
    "throughput.units": "Provisioned Throughput",
}
# Of payments: frequency, pricing unit, word.
PAYMENTS = {
    Kind.UPFRONT: ("One-Time", "Terms", "upfront"),
    Kind.HOURLY: ("Recurring", "Hours", "hourly"),
    Kind.MONTHLY: ("Recurring", "Months", "monthly"),
}


@dataclass(frozen=True)
class FocusColumn:
    """One column of the export.

    Attributes
    ----------
    name
        The column's name.
    kind
        ``text``, ``enum``, ``json``, ``time`` or ``decimal``.
    choices
        The allowed values of an ``enum``, else empty.
    level
        How binding FOCUS 1.2 makes it, or ``Own``.
    nullable
        Whether a row may be without a value.
    description
        For people.
    """

    name: str
    kind: str
    choices: tuple[str, ...]
    level: str
    nullable: bool
    description: str


@functools.cache
def focus_columns() -> tuple[FocusColumn, ...]:
    """The columns of the export, in their order."""
    text = resources.files("optimizer.billing").joinpath("focus_columns.csv").read_text("utf-8")
    found = []
    for row in csv.DictReader(text.splitlines()):
        kind, _, choices = row["type"].partition(":")
        found.append(
            FocusColumn(
                name=row["attribute"],
                kind=kind,
                choices=tuple(choices.split("|")) if choices else (),
                level=row["level"],
                nullable=row["nulls"] == "yes",
                description=row["description"],
            )
        )
    return tuple(found)


@dataclass
class Speaker:
    """Words for the rows of a bill; a word that does not exist is ``None``, never empty."""

    case: Case
    bill: Bill
    _meters: dict[str, dict[str, Any]] = field(init=False)
    _offers: dict[str, dict[str, Any]] = field(init=False)
    _holdings: list[Holding] = field(init=False)
    _zones: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._meters = {row["meter"]: row for row in rows(self.case, "meters")}
        self._offers = {row["offer"]: row for row in rows(self.case, "offers")}
        self._holdings = read_holdings(self.case, self.bill.catalogue)

    def words(self, kind: Kind, line: int, holding: int) -> Words:
        """All texts and unit prices of a row about this line and holding, by index."""
        held = self._holdings[holding] if holding >= 0 else None
        words: Words = {"BillingCurrency": self.case.settings.currency}
        if held is not None:
            words |= self._commitment(kind, held)
        if line >= 0:
            words |= self._usage(kind, line, held)
        elif held is not None:
            words |= self._own(kind, held)
        return {name: value or None for name, value in words.items()}

    def _commitment(self, kind: Kind, held: Holding) -> Words:
        """What names the commitment, on every row that it has a part in."""
        row = self._offers[held.offer.name]
        spend = held.offer.measure == "money"
        status = {Kind.USED: "Used", Kind.UNUSED: "Unused"}.get(kind)
        units = "Normalized Hours" if row["group"] else "Hours"
        reserves = held.offer.law == "capacity.block" or row["guarantees_capacity"]
        return {
            "CommitmentDiscountId": held.name,
            "CommitmentDiscountName": held.name,
            "CommitmentDiscountCategory": "Spend" if spend else "Usage",
            "CommitmentDiscountType": _commitment_type(held.offer),
            "CommitmentDiscountStatus": status,
            "CommitmentDiscountUnit": self.case.settings.currency if spend else units,
            "CapacityReservationId": held.name if reserves else None,
            "CapacityReservationStatus": status if reserves else None,
            "x_Law": held.offer.law,
            "x_Offer": held.offer.name,
        }

    def _usage(self, kind: Kind, line: int, held: Holding | None) -> Words:
        """A row about usage of a meter: on demand, on spot or covered."""
        paid = self.bill.lines[line]
        meter = self.bill.catalogue.meters[paid.meter]
        row = self._meters[paid.meter]
        price = meter.spot if kind is Kind.SPOT else meter.on_demand
        by = held.name if held is not None else ""
        words: Words = {
            "AvailabilityZone": paid.zone or meter.zone,
            "ChargeCategory": "Usage",
            "ChargeFrequency": "Usage-Based",
            "ChargeDescription": {
                Kind.ON_DEMAND: f"{meter.name} on demand",
                Kind.SPOT: f"{meter.name} on spot",
            }.get(kind, f"{meter.name} covered by {by}"),
            "PricingCategory": {Kind.ON_DEMAND: "Standard", Kind.SPOT: "Dynamic"}.get(
                kind, "Committed"
            ),
            "ConsumedUnit": row["unit"],
            "PricingUnit": row["unit"],
            "ContractedUnitPrice": _text(price),
            "ListUnitPrice": _text(meter.list_price),
            "SkuId": meter.name,
            "SkuPriceId": f"{meter.name}#"
            + {Kind.ON_DEMAND: "on_demand", Kind.SPOT: "spot"}.get(
                kind, held.offer.name if held is not None else ""
            ),
            "SkuPriceDetails": _details(row),
            "x_Grain": "day" if paid.daily else "hour",
        }
        if row.get("capacity_reservation_status") == "unused" and held is None:
            words |= {"CapacityReservationId": meter.name, "CapacityReservationStatus": "Unused"}
        return words | _place(row, row["region"]) | _account(paid.account, meter.provider)

    def _own(self, kind: Kind, held: Holding) -> Words:
        """A row about a commitment alone: unused, or paid for."""
        offer = held.offer
        covered = [self._meters[name] for name in sorted(self.bill.catalogue.draws[offer.name])]
        regions = {row["region"] for row in covered}
        words: Words = {
            "AvailabilityZone": offer.zone,
            "ResourceId": held.name,
            "ResourceType": _commitment_type(offer),
            "SkuId": offer.name,
            "SkuPriceId": offer.provider_offer_id or offer.name,
        }
        if kind is Kind.UNUSED:
            unit = self._offers[offer.name]["group"]
            spend = offer.measure == "money"
            words |= {
                "ChargeCategory": "Usage",
                "ChargeFrequency": "Usage-Based",
                "ChargeDescription": f"{held.name} unused",
                "PricingCategory": "Committed",
                "PricingUnit": self.case.settings.currency
                if spend
                else ("Normalized Hours" if unit else "Hours"),
            }
        else:
            frequency, unit, word = PAYMENTS[kind]
            paid = getattr(offer, word)
            if kind is Kind.HOURLY:
                paid += offer.premium  # invoiced with it
            price = _text(paid)
            words |= {
                "ChargeCategory": "Purchase",
                "ChargeFrequency": frequency,
                "ChargeDescription": f"{held.name} {word} payment",
                "PricingCategory": "Standard",
                "PricingUnit": unit,
                "SkuPriceId": f"{words['SkuPriceId']}#{word}",
                "ContractedUnitPrice": price,
                "ListUnitPrice": price,
            }
        place = _place(covered[0], regions.pop() if len(regions) == 1 else "")
        return words | place | _account(held.account, covered[0]["provider"])


def _place(meter: dict[str, Any], region: str) -> Words:
    """Provider, service and region of a row of ``meters``."""
    provider = meter["provider"]
    name = PROVIDERS.get(provider, provider)
    category, kind = SERVICES.get(meter["product"], ("Compute", "Virtual Machines"))
    service = COMPUTE.get(provider, kind) if category == "Compute" else kind
    return {
        "ProviderName": name,
        "PublisherName": name,
        "InvoiceIssuerName": name,
        "ServiceCategory": category,
        "ServiceSubcategory": kind,
        "ServiceName": service,
        "SkuMeter": meter["product"],
        "RegionId": region,
        "RegionName": region,
    }


def _account(path: str, provider: str) -> Words:
    """Billing account and sub account of an account path."""
    parts = path.split("/")
    sub = None
    if len(parts) > 1:
        sub = parts[1] if provider == "azure" else parts[-1]
    return {
        "BillingAccountId": parts[0],
        "SubAccountId": sub,
        "SubAccountName": sub,
        "SubAccountType": SUB_ACCOUNTS.get(provider, "Account") if sub else None,
        "x_Account": path,
    }


def _details(meter: dict[str, Any]) -> str | None:
    """SkuPriceDetails of a row of ``meters``."""
    details: dict[str, Any] = {}
    if not math.isnan(meter["gpus"]):
        count = float(meter["gpus"])
        details["GpuCount"] = int(count) if count.is_integer() else count
    if meter["family"]:
        details["InstanceSeries"] = meter["family"]
    if meter["gpu"]:
        details["x_GpuModel"] = meter["gpu"]
    return json.dumps(details, ensure_ascii=False) if details else None


def _commitment_type(offer: Offer) -> str:
    return COMMITMENT_TYPES.get(offer.law, offer.law)


def _text(price: Decimal | None) -> str | None:
    return None if price is None else decimal_string(price)
