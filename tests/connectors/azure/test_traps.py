# SPDX-License-Identifier: Apache-2.0
"""What Azure's APIs say in ways that mislead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors import azure
from connectors.azure.names import region_of, series_of
from connectors.azure.prices import Place, retail
from connectors.pulled import Pulled, Report
from connectors.values import plain

from ..loopback import Answer
from .cloud import usage_row
from .conftest import WEEK, Served

NOW = datetime(2026, 11, 21, tzinfo=UTC).replace(tzinfo=None)
ND = "Standard_ND96isr_H100_v5"


def item(price: str, **other: Any) -> dict[str, Any]:
    """Return an item of the Retail API, as captured for ND96isr_H100_v5 in eastus."""
    return {
        "currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": Decimal(price),
        "armRegionName": "eastus", "effectiveStartDate": "2025-01-01T00:00:00Z",
        "meterId": f"m-{price}", "meterName": "ND96isr H100 v5",
        "productName": "Virtual Machines NDsr H100 v5 Series", "skuName": "ND96isr H100 v5",
        "serviceName": "Virtual Machines", "unitOfMeasure": "1 Hour", "type": "Consumption",
        "isPrimaryMeterRegion": True, "armSkuName": ND, **other,
    }  # fmt: skip


CAPTURED = [
    item("102.736", productName="Virtual Machines NDsr H100 v5 Series Windows"),
    item("18.169536", meterName="ND96isr H100 v5 Spot", skuName="ND96isr H100 v5 Spot"),
    item(
        "41.094",
        meterName="ND96isr H100 v5 Low Priority",
        productName="Virtual Machines NDsr H100 v5 Series Windows",
    ),
    item("98.32"),
]


def test_machine_windows_spot_and_low_priority_are_told_apart():
    for order in (CAPTURED, CAPTURED[::-1]):
        found = retail(order, NOW, Report())[Place("eastus", ND)]
        assert found.machine is not None
        assert found.machine.amount == Decimal("98.32")
        assert found.windows is not None
        assert found.windows.amount == Decimal("102.736")
        assert found.spot is not None
        assert found.spot.amount == Decimal("18.169536")


def test_a_reservation_s_price_is_that_of_the_whole_term():
    # The published row of Standard_B16als_v2: 3478.0 with the unit "1 Hour" is 3478 / 8760.
    row = item("3478.0", type="Reservation", reservationTerm="1 Year")
    terms = retail([item("0.673"), row], NOW, Report())[Place("eastus", ND)].terms
    assert terms is not None
    assert plain(terms[1].amount / 8760, 5) == "0.39703"


def test_prices_of_the_past_and_the_future_are_not_taken():
    rows = [
        item("5", effectiveStartDate="2020-01-01T00:00:00Z"),
        item("7", effectiveStartDate="2026-11-20T00:00:00Z"),
        item("9", effectiveStartDate="2026-11-22T00:00:00Z"),
    ]
    found = retail(rows, NOW, Report())[Place("eastus", ND)]
    assert found.machine is not None
    assert found.machine.amount == 7


def test_a_size_that_is_listed_for_windows_only_is_reported():
    report = Report()
    found = retail(CAPTURED[:1], NOW, report)[Place("eastus", ND)]
    assert found.machine is None
    assert "without an hourly Linux price" in report.remarks[0].text


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("eastus", "eastus"),
        ("US East", "eastus"),
        ("US East 2", "eastus2"),
        ("EU West", "westeurope"),
        ("AP Southeast", "southeastasia"),
        ("US South Central", "southcentralus"),
        ("West US 3", "westus3"),
    ],
)
def test_regions_are_written_in_many_ways(text: str, region: str):
    assert region_of(text) == region


def test_series():
    assert series_of("Standard_NC24ads_A100_v4") == "NCadsA100v4"
    assert series_of("Standard_ND96isr_H100_v5") == "NDisrH100v5"
    assert series_of("Standard_D4s_v5") == "Dsv5"
    assert series_of("Something_Else!") == "Something_Else!"


def test_the_next_page_s_link_is_followed_to_null(served: Served):
    _, report = served.pull(since=WEEK)
    skips = [call.query.get("$skip", "0") for call in served.server.asked("/api/retail/prices")]
    assert sorted(skips) == ["0", "0", "20", "20", "40"]
    assert [a.rows for a in report.asked if a.service == "retail"] == [55, 22]


def test_a_machine_that_nobody_lists_is_kept_and_reported(served: Served):
    odd = usage_row("2026-11-16", "eastus", "Standard_XX1_v9", 24.0, "sub-prod", "rg", "/odd", {})
    served.cloud.usage.append(odd)
    try:
        pulled, report = served.pull(since=WEEK)
    finally:
        served.cloud.usage.remove(odd)
    meters = pulled.tables["meters"].set_index("meter")
    assert meters.loc["azure/eastus/Standard_XX1_v9", "on_demand"] == ""
    used = pulled.tables["usage"]
    assert used[used["meter"] == "azure/eastus/Standard_XX1_v9"]["quantity"].tolist() == ["24"]
    assert any("Standard_XX1_v9 has no retail price" in r.text for r in report.remarks)


def test_both_kinds_of_rows_are_read_and_windows_and_spot_have_their_own(served: Served):
    place = ("2026-11-16", "eastus", "Standard_NC24ads_A100_v4", 6.5, "sub-prod", "rg", "/m", {})
    modern = usage_row(*place)
    known = modern["properties"]
    modern["kind"], modern["properties"] = "modern", {
        "subscriptionGuid": "sub-prod", "subscriptionName": "x", "date": known["date"],
        "meterId": known["meterId"], "meterName": "NC24ads A100 v4 Spot", "quantity": 6.5,
        "meterSubCategory": "NCads A100 v4 Series Windows", "resourceLocation": "EastUS",
        "consumedService": "Microsoft.Compute", "costInBillingCurrency": 1.25,
        "billingCurrencyCode": "USD", "resourceGroup": "rg", "instanceName": "/m",
        "chargeType": "Usage", "additionalInfo": known["additionalInfo"], "pricingModel": "Spot",
    }  # fmt: skip
    served.cloud.usage.append(modern)
    try:
        pulled, _ = served.pull(since=WEEK)
    finally:
        served.cloud.usage.remove(modern)
    used = pulled.tables["usage"]
    (row,) = used[used["meter"].str.endswith("/windows")].to_dict("records")
    assert row["quantity"] == "6.5"
    assert row["spot_share"] == "1"
    assert row["billed_cost"] == "1.25"
    meters = pulled.tables["meters"].set_index("meter")
    price = Decimal(meters.loc["azure/eastus/Standard_NC24ads_A100_v4/windows", "list_price"])
    assert price == Decimal("3.673") * Decimal("1.045")


def test_what_is_no_usage_is_left_out_and_said(served: Served):
    pulled, report = served.pull()
    texts = {r.text: r.rows for r in report.remarks}
    assert texts["left out: hours of a commitment in which nothing ran, cost 144.0"] == 3
    assert texts["left out: purchase, cost 144.0"] == 3
    assert texts["left out: Virtual Machines Licenses, cost 144.0"] == 3
    assert texts["left out: Virtual Machines, cost 288.0"] == 6  # disks and traffic
    used = pulled.tables["usage"]
    assert set(used["grain"]) == {"day"}
    assert used["hour"].map(lambda t: t.tzinfo is None and t.hour == 0).all()


def test_machines_of_other_services_are_machines(served: Served):
    row = usage_row(
        "2026-11-16", "eastus", "Standard_ND96isr_H100_v5", 24.0, "sub-ml", "rg", "/ml", {},
        consumedService="Microsoft.MachineLearningServices",
    )  # fmt: skip
    served.cloud.usage.append(row)
    try:
        pulled, _ = served.pull(since=WEEK)
    finally:
        served.cloud.usage.remove(row)
    used = pulled.tables["usage"]
    assert used[used["account"] == "mg-ai/sub-ml/rg"]["quantity"].tolist() == ["24"]


def test_regions_asked_for_limit_the_usage(served: Served):
    pulled, _ = served.pull(since=WEEK, regions=("westus3",))
    assert set(pulled.tables["usage"]["meter"].str.split("/").str[1]) == {"westus3"}


def test_a_savings_plan_and_terms_of_the_past(served: Served):
    served.cloud.plans = [
        {
            "id": "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o/savingsPlans/p",
            "name": "o/p", "sku": {"name": "Compute_Savings_Plan"},
            "properties": {
                "provisioningState": "Succeeded", "term": "P3Y", "billingPlan": "P1M",
                "appliedScopeType": "Single", "billingScopeId": "/subscriptions/sub-prod",
                "appliedScopeProperties": {
                    "resourceGroupId": "/subscriptions/sub-prod/resourceGroups/rg-inference"
                },
                "commitment": {"grain": "Hourly", "currencyCode": "USD", "amount": 12.5},
                "effectiveDateTime": "2026-12-01T00:30:00Z",
                "expiryDateTime": "2029-12-01T00:30:00Z", "renew": True,
            },
        }
    ]  # fmt: skip
    pulled, _ = served.pull(since=WEEK)
    held = pulled.tables["commitments"].set_index("commitment").loc["azure/savings-plan/p"]
    assert held["offer"] == "azure/savings-plan/3y-none"
    assert held["quantity"] == "12.5"
    assert held["scope"] == "mg-ai/sub-prod/rg-inference"
    assert (held["state"], held["auto_renew"]) == ("queued", "true")
    assert held["start"] == "2026-12-01T00:00:00Z"


def test_a_reservation_bought_at_another_price_keeps_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    true = served.cloud._transactions

    def dearer(call: Any) -> Any:
        answer = true(call)
        answer.body["value"][0]["properties"]["amount"] = 24000.6
        return answer

    routes = tuple(
        (pattern, dearer if route == true else route) for pattern, route in served.cloud.routes
    )
    monkeypatch.setattr(served.cloud, "routes", routes)
    pulled, _ = served.pull(since=WEEK)
    (held,) = pulled.tables["commitments"].to_dict("records")
    offer = pulled.tables["offers"].set_index("offer").loc[held["offer"]]
    assert offer["monthly"] == "4000.1"
    assert offer["available_until"] == "2026-11-20T23:00:00Z"
    draws = pulled.tables["covers"].set_index(["offer", "meter"])["draw"]
    assert draws.loc[held["offer"], "azure/eastus/Standard_NC80adis_H100_v5"] == "2"


def test_days_that_the_window_cuts_are_left_out(served: Served):
    # Spread evenly, the row of an unfinished day would be demand of hours to come.
    pulled, report = served.pull(
        since=datetime(2026, 11, 14, 7, tzinfo=UTC), until=datetime(2026, 11, 20, 13, tzinfo=UTC)
    )
    days = pulled.tables["usage"]["hour"]
    assert (days.min().day, days.max().day) == (15, 19)
    assert any("cuts its first or last day" in remark.text for remark in report.remarks)


def test_the_questions_are_those_of_the_documentation(served: Served):
    served.pull(since=WEEK)
    (call,) = served.server.asked("usageDetails")
    assert call.query["metric"] == "actualcost"
    assert call.query["$filter"] == (
        "properties/usageStart ge '2026-11-15' and properties/usageEnd le '2026-11-20'"
    )
    first = served.server.asked("retail")[0]
    assert first.query["api-version"] == "2023-01-01-preview"


def test_advice_of_a_modern_agreement(served: Served, monkeypatch: pytest.MonkeyPatch):
    amount = {"currency": "USD", "value": 720.0}
    row = {
        "id": "m", "kind": "modern",
        "properties": {
            "scope": "Shared", "location": "eastus", "skuName": "Standard_NC80adis_H100_v5",
            "term": "P1Y", "lookBackPeriod": 30, "totalHours": 720, "recommendedQuantity": 3.0,
            "netSavings": amount, "resourceType": "virtualmachines",
        },
    }  # fmt: skip
    routes = ((r"reservationRecommendations$", lambda _: Answer({"value": [row]})),)
    monkeypatch.setattr(served.cloud, "routes", (*routes, *served.cloud.routes))
    pulled, _ = served.pull(since=WEEK)
    advice = pulled.tables["provider_advice"].set_index("offer")
    # Three machines of twice the size are six units of the flexible group.
    one = advice.loc["azure/eastus/reservation/Standard_NC40ads_H100_v5/1y-monthly"]
    assert (one["quantity"], one["estimated_saving"]) == ("6", "730")


def test_two_pulls_give_the_same_tables(served: Served, week: Pulled):
    again, _ = served.pull(since=WEEK)
    assert sorted(again.tables) == sorted(week.tables)
    for name, frame in week.tables.items():
        assert again.tables[name].equals(frame)


def test_what_an_earlier_pull_kept_is_priced_too(served: Served):
    asked = served.request(since=WEEK, accounts=("sub-research",))
    kept = ("azure/westus3/Standard_ND96isr_H200_v5",)
    pulled = azure.pull(replace(asked, kept_meters=kept), Report())
    assert kept[0] in set(pulled.tables["meters"]["meter"])
