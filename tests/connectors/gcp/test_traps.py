# SPDX-License-Identifier: Apache-2.0
"""What Google's SKUs, export and commitments say in ways that mislead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.gcp.names import Kind, Way, families_of, family_of, kind_of, machines
from connectors.gcp.prices import Prices, Sku
from connectors.pulled import Outcome
from optimizer.errors import DataError, MissingPrice

from .cloud import PROJECTS, REGION, GoogleCloud
from .conftest import WEEK, Served

SPOT_GPU = "Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Iowa"
FEE = "Commitment - dollar based v1: GCE for 3 years"


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("Nvidia H100 80GB GPU running in Americas", Kind("gpu", Way.ON_DEMAND, gpu="H100 80GB")),
        # Another GPU of the same first words, at another price.
        (
            "Nvidia H100 80GB Plus GPU running in Americas",
            Kind("gpu", Way.ON_DEMAND, gpu="H100 80GB Plus"),
        ),
        ("H200 141GB GPU running in Americas", Kind("gpu", Way.ON_DEMAND, gpu="H200 141GB")),
        ("Nvidia Tesla A100 GPU running in Iowa", Kind("gpu", Way.ON_DEMAND, gpu="Tesla A100")),
        (
            "Nvidia Tesla A100 80GB GPU running in Iowa",
            Kind("gpu", Way.ON_DEMAND, gpu="Tesla A100 80GB"),
        ),
        ("Nvidia L4 GPU running in Iowa", Kind("gpu", Way.ON_DEMAND, gpu="L4")),
        (
            "A4 Nvidia B200 (1 gpu slice) running in Americas",
            Kind("gpu", Way.ON_DEMAND, gpu="B200"),
        ),
        (SPOT_GPU, Kind("gpu", Way.SPOT, gpu="H100 80GB")),
        (
            "Spot Preemptible A3 Instance Core running in Americas",
            Kind("vcpu", Way.SPOT, series="A3"),
        ),
        ("A3Plus Instance Ram running in Americas", Kind("memory", Way.ON_DEMAND, series="A3Plus")),
        ("N1 Predefined Instance Core running in X", Kind("vcpu", Way.ON_DEMAND, series="N1")),
        ("N2D AMD Instance Core running in Americas", Kind("vcpu", Way.ON_DEMAND, series="N2D")),
        (
            "Commitment v1: Nvidia H100 80GB GPU running in Americas for 3 Years",
            Kind("gpu", Way.COMMITTED, gpu="H100 80GB", years=3),
        ),
        (
            "Commitment v1: N2 Cpu in Americas for 1 Year",
            Kind("vcpu", Way.COMMITTED, series="N2", years=1),
        ),
        ("Commitment - dollar based v1: GCE for 1 year", Kind("", Way.FLEXIBLE, years=1)),
        (
            "DWS Defined Duration A3 Instance Core running in Americas",
            Kind("vcpu", Way.SCHEDULED, series="A3"),
        ),
        ("SSD backed Local Storage", Kind("ssd", Way.ON_DEMAND)),
        ("SSD backed Local Storage attached to Spot Preemptible VMs", Kind("ssd", Way.SPOT)),
        ("A2 Custom Instance Core running in Americas", None),
        ("Sole Tenancy Premium for A2 Instance Core running in Americas", None),
        ("Network Internet Egress from Americas to China", None),
        ("Commitment v1: something nobody has seen", None),
        ("Storage PD Capacity", None),
        ("Licensing Fee for Windows Server 2022 on VM with 8 VCPU", None),
        ("Licensing Fee for some GPU running in an image", None),
    ],
)
def test_a_sku_is_known_by_its_description(description: str, kind: Kind | None):
    assert kind_of(description) == kind


@pytest.mark.parametrize(
    ("machine", "family"),
    [
        ("a3-highgpu-8g", "a3-high"),
        ("a3-megagpu-8g", "a3-mega"),
        ("a2-ultragpu-1g", "a2-ultra"),
        ("g2-standard-4", "g2"),
        ("c4-standard-2", "c4"),
        ("n2d-highmem-8", "n2d"),
    ],
)
def test_families(machine: str, family: str):
    assert family_of(machine) == family


def test_several_families_share_a_series():
    assert families_of("A2", "") == ["a2-high", "a2-ultra"]
    assert families_of("", "Tesla A100 80GB") == ["a2-ultra"]
    assert families_of("X9", "") == ["x9"]


def book(cloud: GoogleCloud) -> Prices:
    found = []
    for row in cloud.skus:
        kind = kind_of(row["description"])
        rate = row["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"]
        price = Decimal(rate["units"]) + Decimal(rate["nanos"]) / 10**9
        if row["skuId"] == "ssd":
            price /= 730
        if kind is not None:
            regions = frozenset(row["serviceRegions"])
            found.append(Sku(row["skuId"], row["description"], kind, regions, price))
    return Prices(found, {})


def test_a_machine_s_price_is_the_sum_of_its_parts(google_company: GoogleCloud):
    prices = book(google_company)
    # The prices of whole machines are those of Google's pricing page.
    assert prices.machine(machines()["a2-highgpu-1g"], REGION) == Decimal("3.673385")
    assert prices.machine(machines()["g2-standard-4"], REGION) == Decimal("0.706832276")
    disks = Decimal("0.08") / 730 * 6000
    whole = prices.machine(machines()["a3-highgpu-8g"], REGION) - disks
    assert abs(whole - Decimal("88.490000119")) < Decimal("0.0000001")


def test_a_machine_that_is_sold_in_slices_has_no_other_parts():
    words = "A4 Nvidia B200 (1 gpu slice) running in Americas"
    kind = kind_of(words)
    assert kind is not None
    one = Sku("a4", words, kind, frozenset({REGION}), Decimal("16.11"))
    assert Prices([one], {}).machine(machines()["a4-highgpu-8g"], REGION) == Decimal("128.88")


def test_a_part_without_a_price_is_not_free(google_company: GoogleCloud):
    with pytest.raises(MissingPrice, match="asia-east1"):
        book(google_company).machine(machines()["g2-standard-4"], "asia-east1")


def test_credits_and_late_rows_are_counted_once(served: Served):
    pulled, _ = served.pull(since=WEEK)
    used = pulled.tables["usage"]
    true = served.cloud.database.execute(
        "SELECT sum(cost), sum(list_sum(list_transform(credits, lambda c: c.amount))),"
        " sum(usage.amount_in_pricing_units) FROM export WHERE usage_start_time >= '2026-11-15'"
        " AND sku.id LIKE 'od-%'"
    ).fetchall()[0]
    assert float(sum(map(Decimal, used["billed_cost"]))) == pytest.approx(true[0] + true[1])
    assert float(sum(map(Decimal, used["quantity"]))) == pytest.approx(true[2])
    keys = ["hour", "meter", "account", "zone", "workload", "tag_team", "tag_purpose"]
    assert not used.duplicated(keys).any()


def test_corrections_taxes_spot_and_idle_reservations(served: Served):
    gpu = ("od-us-central1-a3-high-gpu", "Nvidia H100 80GB GPU running in Americas")
    known = {"project": "frontier-serving", "zone": "us-central1-f"}
    served.cloud.add_row(*gpu, 80.0, quantity=8.0, **known)
    served.cloud.add_row(*gpu, -20.0, quantity=-2.0, **known)
    served.cloud.add_row(*gpu, 9.0, quantity=1.0, kind="tax", **known)
    served.cloud.add_row("spot-x", SPOT_GPU, 5.0, quantity=4.0, **known)
    served.cloud.add_row(*gpu, 10.0, quantity=3.0, unused=True, **known)
    pulled, _ = served.pull(since=WEEK)
    used = pulled.tables["usage"]
    here = used[used["zone"] == "us-central1-f"].sort_values(["meter", "spot_share"])
    assert here[["meter", "quantity", "spot_share", "billed_cost"]].values.tolist() == [
        ["gcp/us-central1/a3-high/gpu", "6", "", "60"],
        ["gcp/us-central1/a3-high/gpu", "4", "1", "5"],
        ["gcp/us-central1/a3-high/gpu/unused", "3", "", "10"],
    ]
    assert here["charge_id"].tolist() == ["", "spot", ""]
    meters = pulled.tables["meters"].set_index("meter")
    idle = meters.loc["gcp/us-central1/a3-high/gpu/unused"]
    assert idle["capacity_reservation_status"] == "unused"
    assert idle["on_demand"] == meters.loc["gcp/us-central1/a3-high/gpu", "on_demand"]
    covers = pulled.tables["covers"]
    offers = set(covers[covers["meter"] == "gcp/us-central1/a3-high/gpu/unused"]["offer"])
    assert "gcp/us-central1/cud-a3-high/gpu/3y" in offers


def test_gpus_that_are_attached_have_meters_of_their_own(served: Served):
    for model in ("T4", "V100"):
        words = f"Nvidia Tesla {model} GPU running in Americas"
        served.cloud.add_row(model, words, 1.0, quantity=1.0, machine="n1-standard-8")
    words = "Z9 Instance Core running in Americas"
    served.cloud.add_row("z9", words, 1.0, quantity=2.0, machine="z9-standard-2")
    pulled, report = served.pull(since=WEEK)
    meters = pulled.tables["meters"].set_index("meter")
    for name in ("tesla-t4/gpu", "tesla-v100/gpu", "z9/vcpu"):
        assert meters.loc[f"gcp/us-central1/{name}", "on_demand"] == ""
        assert any(f"{name} has no on-demand SKU" in r.text for r in report.remarks)


def test_without_the_pricing_export_the_bill_tells_the_customer_s_price(served: Served):
    pulled, _ = served.pull(since=WEEK, settings={"pricing_table": ""})
    meters = pulled.tables["meters"].set_index("meter")
    assert meters.loc["gcp/us-central1/g2/vcpu", "on_demand"] == "0.02348872"
    offers = pulled.tables["offers"].set_index("offer")
    # The bill has no price of what was not bought: that is at the catalogue's.
    public = Decimal(offers.loc["gcp/us-central1/cud-g2/vcpu/1y", "hourly"])
    assert public == (Decimal("0.014797894") / Decimal("0.94")).quantize(Decimal("1e-9"))


def test_a_held_commitment_keeps_the_price_that_is_charged(served: Served):
    offer = served.cloud.offers["gcp/us-central1/cud-a3-high/gpu/3y"]
    served.cloud.add_row(
        offer["provider_offer_id"],
        "Commitment v1: Nvidia H100 80GB GPU running in Americas for 3 Years",
        1.0, quantity=8.0, price=3.5, hour="2026-11-20 23:00:00", machine=None,
    )  # fmt: skip
    pulled, _ = served.pull(since=WEEK)
    offers = pulled.tables["offers"].set_index("offer")
    held = pulled.tables["commitments"].set_index("commitment")
    name = held.loc["gcp/frontier-serving/us-central1/cud-a3-high/gpu", "offer"]
    assert offers.loc[name, "hourly"] == "3.5"
    assert offers.loc[name, "available_until"] == "2026-11-20T23:00:00Z"
    assert offers.loc[name, "bundle"] == ""


def test_flexible_commitments_are_told_by_fees_and_their_end_by_people(served: Served):
    # The amount of the newest hour counts, and an hour's fee may come in several rows.
    hours = ("2026-11-20 05:00:00", "2026-11-20 06:00:00", "2026-11-20 06:00:00")
    for hour, amount in zip(hours, (40.0, 50.0, 4.0), strict=True):
        served.cloud.add_row(
            "fee", FEE, amount, quantity=amount, hour=hour, machine=None, subscription="sub-77",
            credited=(("FEE_UTILIZATION_OFFSET", -30.0),),
        )  # fmt: skip
    pulled, report = served.pull(since=WEEK)
    assert not pulled.tables["commitments"]["commitment"].str.contains("flexible").any()
    assert any("sub-77 of 54 an hour: its end is not known" in r.text for r in report.remarks)
    pulled, _ = served.pull(since=WEEK, settings={"flexible_ends": "sub-77=2028-05-01"})
    held = pulled.tables["commitments"].set_index("commitment").loc["gcp/flexible/sub-77"]
    assert (held["offer"], held["quantity"]) == ("gcp/flexible-cud/3y-none", "54")
    assert held["end"] == "2028-05-01T00:00:00Z"
    with pytest.raises(DataError, match="is no end"):
        served.pull(since=WEEK, settings={"flexible_ends": "sub-77=soon"})


def test_the_old_model_counts_list_prices(served: Served):
    served.cloud.add_row(
        "od-us-central1-c4-vcpu", "C4 Instance Core running in Americas", 10.0, quantity=1.0,
        machine="c4-standard-2", credited=(("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", -10.0),),
    )  # fmt: skip
    words = "H3 Instance Core running in Americas"
    served.cloud.add_row("h3", words, 1.0, quantity=1.0, price=0.04, machine="h3-standard-88")
    served.cloud.add_row("fee", FEE, 9.0, quantity=10.0, machine=None, subscription="old")
    pulled, _ = served.pull(since=WEEK, settings={"flexible_ends": "old=2027-01-01"})
    held = pulled.tables["commitments"].set_index("commitment").loc["gcp/flexible/old"]
    assert "gcp/flexible-cud-legacy-38/3y-none" in set(pulled.tables["offers"]["offer"])
    assert (held["offer"], held["quantity"]) == ("gcp/flexible-cud-legacy-46/3y-none", "10")
    offers = pulled.tables["offers"].set_index("offer")
    old = offers.loc["gcp/flexible-cud-legacy-46/3y-none"]
    assert (old["law"], old["hourly"]) == ("gcp.flexible.legacy", "0.54")
    covers = pulled.tables["covers"].set_index(["offer", "meter"])["draw"]
    assert covers.loc[old.name, "gcp/us-central1/c4/vcpu"] == "0.03465"


def test_commitments_of_other_kinds(served: Served):
    base: dict[str, Any] = {
        "region": f"https://x/regions/{REGION}", "plan": "TWELVE_MONTH", "category": "MACHINE",
        "startTimestamp": "2026-12-01T00:00:00.000-08:00",
        "endTimestamp": "2027-12-01T00:00:00.000-08:00", "autoRenew": True,
    }  # fmt: skip
    served.cloud.extra_commitments = [
        {
            **base, "name": "soon", "status": "NOT_YET_ACTIVE", "type": "ACCELERATOR_OPTIMIZED",
            "resources": [
                {"type": "ACCELERATOR", "amount": "2", "acceleratorType": "nvidia-tesla-a100"},
                {"type": "MEMORY", "amount": str(170 * 1024)},
                {"type": "VCPU", "amount": "24"},
            ],
        },
        {**base, "name": "windows", "status": "ACTIVE", "category": "LICENSE", "type": "N"},
        {
            **base, "name": "strange", "status": "ACTIVE", "type": "GENERAL_PURPOSE_X9",
            "resources": [{"type": "VCPU", "amount": "4"}],
        },
    ]  # fmt: skip
    pulled, report = served.pull(since=WEEK)
    held = pulled.tables["commitments"].set_index("commitment")
    soon = held[held.index.str.contains("/soon/")]
    assert soon["offer"].tolist() == [
        f"gcp/us-central1/cud-a2-high/{part}/1y" for part in ("gpu", "memory", "vcpu")
    ]
    assert soon["quantity"].tolist() == ["2", "170", "24"]
    assert set(soon["state"]) == {"queued"}
    assert set(soon["start"]) == {"2026-12-01T08:00:00Z"}
    texts = " ".join(remark.text for remark in report.remarks)
    assert "commitment windows" in texts
    assert "strange/vcpu, for whose terms the catalogue has no price" in texts


def test_projects_and_regions_limit_what_is_asked(served: Served):
    pulled, report = served.pull(since=WEEK, accounts=(PROJECTS[2],))
    assert set(pulled.tables["usage"]["account"]) == {"billing-01/frontier-data"}
    assert {a.outcome for a in report.asked} == {Outcome.ANSWERED}
    pulled, _ = served.pull(since=WEEK, regions=("europe-west4",))
    assert pulled.tables["usage"].empty


def test_the_tables_have_to_be_named(served: Served):
    with pytest.raises(DataError, match="no table of BigQuery"):
        served.pull(settings={"billing_table": "x` UNION ALL SELECT 1 --"})
