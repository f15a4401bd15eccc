# SPDX-License-Identifier: Apache-2.0
"""The Azure side of the demonstration company, in the shapes of the REST APIs.

What the company's tables say is taken apart into what Azure would tell: machines by the day,
retail prices in pages, a price sheet by the hundred hours, whole-term reservation prices, a
catalogue, reservations held.  Around them stand the rows that must not be taken: Windows, Spot,
Low Priority, developers' prices, old and future prices, other meters of the same machines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pandas as pd

from .. import company
from ..loopback import Answer, Call

SECRET = "sooper.secret.token-of-azure"
GROUP = "/providers/Microsoft.Management/managementGroups/mg-ai"
ENROLLMENT = "98765"
MONITOR = "/providers/Microsoft.Insights/metrics"
CONTRACT = Decimal("0.95")
PAGES = {"usage": 700, "retail": 20, "sheet": 5, "catalogue": 3}
Row = dict[str, Any]


def meter_id(name: str) -> str:
    """Return a made-up meter id."""
    return str(uuid5(NAMESPACE_URL, f"meter/{name}"))


class AzureCloud:
    """Answers of management.azure.com and prices.azure.com; ``url`` is set once it is served."""

    def __init__(self, since: str = "2000-01-01") -> None:
        self.url = ""
        self.meters = company.rows("meters", "azure")
        self.offers = {row["offer"]: row for row in company.rows("offers", "azure")}
        self.covers = company.rows("covers", "azure")
        self.minutes: dict[str, dict[str, float]] = {}
        self.usage = [*_machines(self.minutes, since), *_other_usage()]
        self.retail = [row for meter in self.meters for row in self._retail(meter)]
        self.sheet = [row for meter in self.meters for row in self._sheet(meter)]
        self.plans: list[Row] = []
        self.routes: tuple[tuple[str, Callable[[Call], Answer]], ...] = (
            (r"/Microsoft.Consumption/usageDetails$", self._usage),
            (r"^/api/retail/prices$", self._prices),
            (r"/Microsoft.Consumption/pricesheets/default$", self._price_sheet),
            (r"/Microsoft.Capacity/catalogs$", self._catalogue),
            (r"^/providers/Microsoft.Capacity/reservations$", self._reservations),
            (r"^/providers/Microsoft.BillingBenefits/savingsPlans$", self._savings_plans),
            (r"/Microsoft.Consumption/reservationTransactions$", self._transactions),
            (r"/Microsoft.Consumption/reservationRecommendations$", self._reserved_advice),
            (r"/Microsoft.CostManagement/benefitRecommendations$", self._plan_advice),
            (MONITOR + "$", self._monitor),
        )

    def answer(self, call: Call) -> Answer | None:
        """Answer one call; management questions need the token."""
        if not call.path.startswith("/api/retail"):
            assert call.headers.get("Authorization") == f"Bearer {SECRET}"
            assert "api-version" in call.query
        for pattern, route in self.routes:
            if re.search(pattern, call.path):
                return route(call)
        return None

    def _page(self, call: Call, rows: list[Row], size: int, key: str = "$skiptoken") -> Row:
        first = int(call.query.get(key, "0"))
        link = None
        if first + size < len(rows):
            query = {**call.query, key: str(first + size)}
            link = f"{self.url}{call.path}?{urlencode(query)}"
        return {"value": rows[first : first + size], "nextLink": link}

    def _usage(self, call: Call) -> Answer:
        found = re.fullmatch(
            r"properties/usageStart ge '([\d-]+)' and properties/usageEnd le '([\d-]+)'",
            call.query["$filter"],
        )
        assert found is not None
        assert call.path.startswith((GROUP, "/subscriptions/"))
        first, last = found.groups()
        rows = [r for r in self.usage if first <= r["properties"]["date"][:10] <= last]
        if call.path.startswith("/subscriptions/"):
            name = call.path.split("/")[2]
            rows = [r for r in rows if r["properties"]["subscriptionId"] == name]
        return Answer(self._page(call, rows, PAGES["usage"]))

    def _prices(self, call: Call) -> Answer:
        text = call.query["$filter"]
        assert "serviceName eq 'Virtual Machines'" in text
        region = re.search(r"armRegionName eq '(\w+)'", text)
        names = set(re.findall(r"armSkuName eq '(\w+)'", text))
        assert region is not None
        rows = [
            row
            for row in self.retail
            if row["armRegionName"] == region.group(1) and row["armSkuName"] in names
        ]
        page = self._page(call, rows, PAGES["retail"], "$skip")
        return Answer(
            {
                "BillingCurrency": "USD",
                "CustomerEntityId": "Default",
                "CustomerEntityType": "Retail",
                "Items": page["value"],
                "NextPageLink": page["nextLink"],
                "Count": len(page["value"]),
            }
        )

    def _retail(self, meter: dict[str, str]) -> list[Row]:
        """Return the items of one size: the four that count among those that must not."""
        name, price = meter["meter"], Decimal(meter["list_price"])
        _, region, machine = name.split("/")
        series = f"Virtual Machines {meter['family']} Series"
        plans = [
            {"unitPrice": float(draw), "retailPrice": float(draw), "term": term}
            for term, years in (("3 Years", 3), ("1 Year", 1))
            if (draw := self._draw(f"azure/savings-plan/{years}y-none", name) / CONTRACT)
        ]

        def item(amount: Decimal, key: str = "", **other: Any) -> Row:
            return {
                "currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": float(amount),
                "unitPrice": float(amount), "armRegionName": region, "location": "somewhere",
                "effectiveStartDate": "2026-08-01T00:00:00Z", "meterId": meter_id(name + key),
                "meterName": machine[9:].replace("_", " "), "productId": "DZH318Z0",
                "skuId": f"DZH318Z0/{key or 'linux'}", "productName": series,
                "skuName": machine[9:].replace("_", " "), "serviceName": "Virtual Machines",
                "serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption",
                "isPrimaryMeterRegion": True, "armSkuName": machine, **other,
            }  # fmt: skip

        spot_name = machine[9:].replace("_", " ") + " Spot"
        low = machine[9:].replace("_", " ") + " Low Priority"
        made = [
            # Windows has the same meterName and only its product tells it.
            item(price * Decimal("1.045"), "windows", productName=f"{series} Windows"),
            item(price * Decimal("0.42"), "low", meterName=low, skuName=low),
            item(price * Decimal("0.3"), "dev", type="DevTestConsumption"),
            item(price * 2, "cloud", productName=f"{series} Cloud Services"),
            item(price * 3, "old", effectiveStartDate="2024-01-01T00:00:00Z"),
            item(price / 2, "future", effectiveStartDate="2027-01-01T00:00:00Z"),
            item(price * 4, "elsewhere", isPrimaryMeterRegion=False),
            item(price, savingsPlan=plans),
            item(price * Decimal("0.41"), "lw", meterName=low, productName=f"{series} Windows"),
        ]
        if meter["spot"]:
            spot = Decimal(meter["spot"])
            made += [
                item(spot, "spot", meterName=spot_name, skuName=spot_name),
                item(
                    spot * 2,
                    "spotw",
                    meterName=spot_name,
                    skuName=spot_name,
                    productName=f"{series} Windows",
                ),
            ]
        for offer, row in self.offers.items():
            draw = self._draw(offer, name)
            if row["law"] == "azure.reservation" and draw:
                years = int(row["term_hours"]) // 8760
                whole = Decimal(row["upfront"] or 0) or Decimal(row["monthly"]) * 12 * years
                other = {"type": "Reservation", "savingsPlan": None}
                term = "1 Year" if years == 1 else f"{years} Years"
                term_key = f"term{years}"
                made.append(item(whole * draw, term_key, reservationTerm=term, **other))
                made[-1]["meterId"] = row["provider_offer_id"]
        return made

    def _draw(self, offer: str, meter: str) -> Decimal:
        for row in self.covers:
            if (row["offer"], row["meter"]) == (offer, meter):
                return Decimal(row["draw"])
        return Decimal(0)

    def _sheet(self, meter: dict[str, str]) -> list[Row]:
        """Return the customer's prices: by the hundred hours, a row for each savings plan term."""
        name = meter["meter"]
        rows = []
        for term, years in (("P1Y", 1), ("P3Y", 3)):
            draw = self._draw(f"azure/savings-plan/{years}y-none", name)
            rows.append(
                {
                    "billingPeriodId": "202611", "meterId": meter_id(name).upper(),
                    "unitOfMeasure": "100 Hours", "includedQuantity": 0, "partNumber": "AAH-1",
                    "unitPrice": float(Decimal(meter["on_demand"]) * 100), "currencyCode": "USD",
                    "offerId": "MS-AZR-0017P",
                    "meterDetails": {"meterName": name, "meterCategory": "Virtual Machines"},
                    "savingsPlan": {
                        "term": term, "marketPrice": float(draw * 110),
                        "effectivePrice": float(draw * 100),
                    },
                }
            )  # fmt: skip
        return rows

    def _price_sheet(self, call: Call) -> Answer:
        page = self._page(call, self.sheet, PAGES["sheet"])
        return Answer(
            {
                "id": call.path,
                "name": "default",
                "type": "Microsoft.Consumption/pricesheets",
                "properties": {"pricesheets": page["value"], "nextLink": page["nextLink"]},
            }
        )

    def _catalogue(self, call: Call) -> Answer:
        region = call.query["location"]
        assert call.query["reservedResourceType"] == "VirtualMachines"
        rows = []
        for meter in self.meters:
            if meter["region"] != region:
                continue
            plans: dict[str, list[str]] = {}
            for offer, row in self.offers.items():
                if row["law"] == "azure.reservation" and self._draw(offer, meter["meter"]):
                    term = f"P{int(row['term_hours']) // 8760}Y"
                    plan = {"monthly": "Monthly", "all": "Upfront"}[row["payment"]]
                    plans.setdefault(term, []).append(plan)
            properties = [
                {"name": "ReservationsAutofitGroup", "value": meter["family"]},
                {"name": "ReservationsAutofitRatio", "value": meter["size"]},
                {"name": "Cores", "value": "24"},
            ]
            rows.append(
                {
                    "resourceType": "virtualMachines", "name": meter["meter"].split("/")[2],
                    "billingPlans": plans, "terms": sorted(plans), "locations": [region],
                    "skuProperties": properties if meter["size"] else properties[2:],
                    "restrictions": [],
                }
            )  # fmt: skip
        return Answer(self._page(call, rows, PAGES["catalogue"], "$skip"))

    def _reservations(self, call: Call) -> Answer:
        rows = []
        for held in company.rows("commitments", "azure"):
            offer = self.offers[held["offer"]]
            _, subscription, _ = held["account"].split("/")
            rows.append(
                self._reservation(held["commitment"], offer, held, subscription, "Succeeded")
            )
            rows.append(self._reservation("gone", offer, held, subscription, "Cancelled"))
        return Answer(self._page(call, rows, 1))

    def _reservation(
        self, name: str, offer: dict[str, str], held: dict[str, str], subscription: str, state: str
    ) -> Row:
        order = "/providers/microsoft.capacity/reservationOrders"
        return {
            "id": f"{order}/order-{name}/reservations/{name}",
            "type": "microsoft.capacity/reservationOrders/reservations",
            "name": f"order-{name}/{name}",
            "location": offer["offer"].split("/")[1],
            "sku": {"name": offer["offer"].split("/")[3]},
            "properties": {
                "reservedResourceType": "VirtualMachines", "instanceFlexibility": "On",
                "displayName": name, "appliedScopeType": "Shared", "quantity": 6,
                "provisioningState": state, "effectiveDateTime": held["start"],
                "benefitStartTime": held["start"], "expiryDate": held["end"][:10],
                "expiryDateTime": held["end"], "purchaseDateTime": held["start"],
                "billingScopeId": f"/subscriptions/{subscription}", "renew": False,
                "term": f"P{int(offer['term_hours']) // 8760}Y",
                "billingPlan": {"monthly": "Monthly", "all": "Upfront"}[offer["payment"]],
            },
        }  # fmt: skip

    def _transactions(self, call: Call) -> Answer:
        assert f"billingAccounts/{ENROLLMENT}/" in call.path
        rows = []
        for held in company.rows("commitments", "azure"):
            offer = self.offers[held["offer"]]
            rows.append(
                {
                    "id": "t1", "name": "t1",
                    "properties": {
                        "eventDate": held["start"], "eventType": "Purchase",
                        "reservationOrderId": f"order-{held['commitment']}",
                        "quantity": 6, "amount": float(Decimal(offer["monthly"]) * 6),
                        "currency": "USD", "billingFrequency": "Recurring", "term": "P1Y",
                    },
                }
            )  # fmt: skip
        return Answer(self._page(call, rows, 50))

    def _savings_plans(self, call: Call) -> Answer:
        return Answer(self._page(call, self.plans, 1))

    def _reserved_advice(self, call: Call) -> Answer:
        rows = []
        for row in company.rows("provider_advice", "azure"):
            if "/reservation/" in row["offer"]:
                saving = Decimal(row["estimated_saving"]) * 720 / 730
                rows.append(
                    {
                        "id": "r", "kind": "legacy", "location": row["offer"].split("/")[1],
                        "sku": row["offer"].split("/")[3],
                        "properties": {
                            "scope": "Shared", "lookBackPeriod": "Last30Days", "term": "P1Y",
                            "recommendedQuantity": float(row["quantity"]), "totalHours": 720,
                            "netSavings": float(saving), "resourceType": "virtualmachines",
                        },
                    }
                )  # fmt: skip
        return Answer(self._page(call, rows, 50))

    def _plan_advice(self, call: Call) -> Answer:
        rows = []
        for row in company.rows("provider_advice", "azure"):
            if "/savings-plan/" in row["offer"]:
                saving = Decimal(row["estimated_saving"]) * 720 / 730
                rows.append(
                    {
                        "id": "b", "kind": "SavingsPlan",
                        "properties": {
                            "scope": "Shared", "lookBackPeriod": "Last30Days", "term": "P1Y",
                            "totalHours": 720, "commitmentGranularity": "Hourly",
                            "recommendationDetails": {
                                "commitmentAmount": float(row["quantity"]),
                                "savingsAmount": float(saving),
                            },
                        },
                    }
                )  # fmt: skip
        return Answer(self._page(call, rows, 50))

    def _monitor(self, call: Call) -> Answer:
        assert call.query["metricnames"] == "VmAvailabilityMetric"
        assert call.query["interval"] == "PT1H"
        first, last = (text[:13] for text in call.query["timespan"].split("/"))
        points = self.minutes.get(call.path.removesuffix(MONITOR), {})
        data: list[Row] = [
            {"timeStamp": f"{hour}:00:00Z", "total": total, "average": 1.0}
            for hour, total in points.items()
            if first <= hour < last
        ]
        data.append({"timeStamp": "2026-11-20T23:00:00Z"})  # an hour without samples
        series = [{"metadatavalues": [], "data": data}]
        value = [{"name": {"value": "VmAvailabilityMetric"}, "timeseries": series}]
        return Answer({"timespan": "", "interval": "PT1H", "value": value})


def _machines(minutes: dict[str, dict[str, float]], since: str) -> list[Row]:
    """Return the usage details of every machine, a row for each of its days.

    A fleet of 2.4 units is two whole machines and a third for 0.4 of the hour.  Its minutes
    go to ``minutes``; they are not rounded to whole ones, as Azure's would be.
    """
    used = company.usage("azure", since)
    stated = ("spot_tolerant", "lost_hours", "restart_cost")
    names = ["meter", "account", "workload", "tag_team", "tag_purpose", *stated]
    rows = []
    for key, fleet in used.groupby(names, dropna=False):
        facts = dict(zip(names, key, strict=True))
        units = fleet["quantity"].to_numpy()
        for i in range(int(np.ceil(units.max()))):
            share = np.clip(units - i, 0, 1).round(4)
            ran = fleet.assign(share=share)[share > 0]
            rows += _machine(i, facts, ran, minutes)
    return rows


def _machine(i: int, facts: Row, ran: pd.DataFrame, minutes: dict[str, dict[str, float]]) -> list[Row]:  # fmt: skip  # noqa: E501
    _, region, size = facts["meter"].split("/")
    _, subscription, group = facts["account"].split("/")
    name = f"{facts['workload']}-{region}-{i}".replace(" ", "-")
    resource = (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.Compute/virtualMachines/{name}"
    )
    hours = {f"{t:%Y-%m-%dT%H}": s for t, s in zip(ran["hour"], ran["share"], strict=True)}
    minutes[resource] = {hour: float(Decimal(str(s)) * 60) for hour, s in hours.items()}
    days: dict[str, Decimal] = {}
    for hour, value in hours.items():
        days[hour[:10]] = days.get(hour[:10], Decimal(0)) + Decimal(str(value))
    tags = {
        "team": facts["tag_team"],
        "purpose": facts["tag_purpose"],
        "gpuopt-workload": facts["workload"],
    }
    for column in ("spot_tolerant", "lost_hours", "restart_cost"):
        if not pd.isna(facts[column]):
            tags[f"gpuopt-{column.replace('_', '-')}"] = str(facts[column])
    return [
        usage_row(day, region, size, float(quantity), subscription, group, resource, tags)
        for day, quantity in sorted(days.items())
    ]


def usage_row(
    day: str, region: str, size: str, quantity: float, subscription: str, group: str,
    resource: str, tags: dict[str, str], **other: Any,
) -> Row:  # fmt: skip
    """Return one row of usage details, of the legacy kind."""
    return {
        "id": f"{resource}/{day}/{size}/{other}", "name": f"{resource}-{day}",
        "type": "Microsoft.Consumption/usageDetails", "kind": "legacy", "tags": tags,
        "properties": {
            "billingAccountId": ENROLLMENT, "subscriptionId": subscription,
            "subscriptionName": f"the {subscription}", "date": f"{day}T00:00:00.0000000Z",
            "product": f"Virtual Machines - {size}",
            "meterId": meter_id(f"azure/{region}/{size}"),
            "meterDetails": {
                "meterName": size[9:].replace("_", " "), "meterCategory": "Virtual Machines",
                "meterSubCategory": "NC Series", "unitOfMeasure": "1 Hour",
            },
            "quantity": quantity, "effectivePrice": 1.0, "cost": round(quantity * 2, 6),
            "unitPrice": 1.0, "billingCurrency": "USD", "resourceLocation": region,
            "consumedService": "Microsoft.Compute", "resourceId": resource,
            "resourceGroup": group, "chargeType": "Usage", "pricingModel": "OnDemand",
            "additionalInfo": json.dumps({"UsageType": "ComputeHR", "ServiceType": size}),
            **other,
        },
    }  # fmt: skip


def _other_usage() -> list[Row]:
    """Return rows that are no machine hours: disks, unused reservations, a purchase."""
    day = date(2026, 11, 1)
    rows = []
    for i in range(3):
        one = f"{day + timedelta(days=i)}"
        place = ("eastus", "Standard_NC40ads_H100_v5", 24.0, "sub-prod", "rg-inference")
        disk = json.dumps({"UsageType": "DataDisk", "ServiceType": "Premium_LRS"})
        licence = {"meterName": "24 vCPU License", "meterCategory": "Virtual Machines Licenses"}
        traffic = json.dumps({"UsageType": "DataTrOut", "ServiceType": place[1]})
        rows += [
            usage_row(one, *place, "/licence", {}, meterDetails=licence),
            usage_row(one, *place, "/traffic", {}, additionalInfo=traffic),
            usage_row(one, *place, "/disk", {}, additionalInfo=disk),
            usage_row(one, *place, "", {}, chargeType="UnusedReservation"),
            usage_row(one, *place, "/buy", {}, chargeType="Purchase"),
        ]
    return rows
