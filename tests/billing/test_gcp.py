# SPDX-License-Identifier: Apache-2.0
"""Google Cloud: committed use discounts in their order and in both data models."""

from __future__ import annotations

from decimal import Decimal

import pytest

from optimizer.tables import parse_hour

from .conftest import Small, held, line


def gcp(small: Small, **on_demand: float | str | None) -> None:
    for name, price in on_demand.items():
        small.meter(name, price, provider="gcp")


def test_gcp_order_resource_then_flexible_then_on_demand(small: Small) -> None:
    """GCP-ORDER: the flexible commitment sees only what the resource commitment leaves."""
    gcp(small, vcpu=1)
    small.use("vcpu", 10)
    small.offer("a-flexible", "gcp.flexible", {"vcpu": "0.54"})
    small.offer("b-resource", "gcp.resource", {"vcpu": 1}, hourly="0.70")
    small.hold("a-flexible", "2.70")
    small.hold("b-resource", 4)
    bill = small.bill()
    assert held(bill, "b-resource").used == 4
    assert held(bill, "a-flexible").used == Decimal("2.70")  # five vCPU at 0.54
    assert bill.on_demand == 1
    assert bill.total == Decimal("0.70") * 4 + Decimal("2.70") + 1
    small.tables["usage"][0]["quantity"] = 4
    assert [holding.used for holding in small.bill().holdings] == [0, 4]


def test_spot_gets_neither(small: Small) -> None:
    """GCP-ORDER: Spot usage gets no commitment, and no free first hour either."""
    small.meter("vcpu", 1, provider="gcp", spot="0.30")
    small.use("vcpu", 10, spot_share=1, interrupted="true")
    small.offer("flexible", "gcp.flexible", {"vcpu": "0.54"})
    small.offer("resource", "gcp.resource", {"vcpu": 1})
    small.hold("flexible", 5)
    small.hold("resource", 5)
    bill = small.bill()
    assert bill.spot == 3
    assert [holding.used for holding in bill.holdings] == [0, 0]


@pytest.mark.parametrize(
    ("used", "spent", "overage", "net"),
    [("100", "54", "0", "54"), ("60", "32.40", "0", "54"), ("120", "54", "20", "74")],
)
@pytest.mark.parametrize("model", ["new", "legacy"])
def test_gcp_flex_model(
    small: Small, model: str, used: str, spent: str, overage: str, net: str
) -> None:
    """GCP-FLEX-MODEL a, b, c: $54 of discounted spend, or $100 of list spend at 46 %."""
    gcp(small, n2="0.10")
    small.use("n2", Decimal(used) * 10)
    if model == "new":
        small.offer("flex", "gcp.flexible", {"n2": "0.054"})
        small.hold("flex", 54)
    else:
        small.offer("flex", "gcp.flexible.legacy", {"n2": "0.10"}, hourly="0.54")
        small.hold("flex", 100)
    bill = small.bill()
    assert bill.on_demand == Decimal(overage)
    assert bill.total == Decimal(net)
    assert bill.commitment_cost == 54
    in_discounted_dollars = held(bill, "flex").used * (Decimal("0.54") if model == "legacy" else 1)
    assert in_discounted_dollars == Decimal(spent)


def test_gcp_flex_models_are_worth_the_same() -> None:
    """$185 of list spend at 46 % are about $100 of discounted spend."""
    assert Decimal(185) * Decimal("0.54") == Decimal("99.90")


def test_flexible_highest_saving_first(small: Small) -> None:
    """WE§6: h4d saves 17 %, c4 28 %, so that c4 is first; then the lowest rate."""
    gcp(small, c4="0.096866", h4d="7.85376")
    small.use("c4", 10)
    small.use("h4d", 1)
    small.offer("flex", "gcp.flexible", {"c4": "0.06974352", "h4d": "6.5186208"})
    small.hold("flex", "0.6974352")
    bill = small.bill()
    assert (line(bill, "c4").covered, line(bill, "h4d").covered) == (10, 0)


def test_larger_discount_between_new_and_legacy(small: Small) -> None:
    """A legacy commitment saves 1 − fee: it is compared by that with one of the new model."""
    gcp(small, n2="1.00")
    small.use("n2", 1)
    small.offer("a-new", "gcp.flexible", {"n2": "0.72"})
    small.offer("b-legacy", "gcp.flexible.legacy", {"n2": "1.00"}, upfront="4730.40", hourly=0)
    small.hold("a-new", 1)
    small.hold("b-legacy", 1)
    bill = small.bill()
    assert (held(bill, "b-legacy").used, held(bill, "a-new").used) == (1, 0)


def test_legacy_needs_no_price_to_be_ordered(small: Small) -> None:
    """Its saving is that of its fee; what it covers whole needs no on-demand price."""
    gcp(small, n2=None)
    small.use("n2", 1)
    small.offer("flex", "gcp.flexible.legacy", {"n2": "1.00"}, hourly="0.54")
    small.hold("flex", 1)
    assert small.bill().total == Decimal("0.54")


@pytest.mark.parametrize("law", ["gcp.resource", "gcp.flexible", "gcp.flexible.legacy"])
def test_project_scope_before_billing_account(small: Small, law: str) -> None:
    gcp(small, vcpu=2)
    small.use("vcpu", 1, account="billing/project-1")
    small.offer("cud", law, {"vcpu": 1})
    small.hold("cud", 1, name="a-billing")
    small.hold("cud", 1, name="b-project", scope="billing/project-1")
    bill = small.bill()
    assert (held(bill, "b-project").used, held(bill, "a-billing").used) == (1, 0)


def test_resource_owner_first(small: Small) -> None:
    """A shared resource commitment goes to its own project, then to the others."""
    gcp(small, gpu=1)
    small.use("gpu", 1, account="billing/a")
    small.use("gpu", 1, account="billing/b")
    small.offer("cud", "gcp.resource", {"gpu": 1})
    small.hold("cud", 1, account="billing/b")
    bill = small.bill()
    assert line(bill, "gpu", "billing/b").covered == 1


@pytest.mark.parametrize(
    ("quarters", "discount"), [(1, "0"), (2, "0.10"), (3, "0.20"), (4, "0.30")]
)
def test_gcp_sud_by_quarters_of_the_month(tmp_path, quarters: int, discount: str) -> None:
    """GCP-SUD: n1-standard-1 at $0.0475; 25, 50, 75 and 100 % of November."""
    small = Small(tmp_path / "case", start=parse_hour("2026-11-01T00:00:00Z"))
    small.meter("n1", "0.0475", provider="gcp", sustained_use="0.30")
    small.use("n1", [1] * (180 * quarters))
    full = Decimal("0.0475") * 180 * quarters
    assert abs(small.bill().on_demand - full * (1 - Decimal(discount))) < Decimal("1e-9")


def test_gcp_sud_rates_of_the_quarters(tmp_path) -> None:
    """GCP-SUD: 0.0475, 0.0380, 0.0285 and 0.0190 an hour; the next month begins anew."""
    small = Small(tmp_path / "case", start=parse_hour("2026-11-01T00:00:00Z"))
    small.meter("n1", "0.0475", provider="gcp", sustained_use="0.30")
    small.use("n1", [1] * 721)
    by_hour = small.bill().on_demand_by_hour
    expected = [0.0475, 0.0380, 0.0285, 0.0190, 0.0475]
    assert by_hour[[0, 180, 360, 540, 720]].tolist() == pytest.approx(expected, rel=1e-12)


def test_gcp_sud_not_on_covered_or_spot_usage(tmp_path) -> None:
    """Committed and Spot usage earns none: one unit is covered, one on spot, half on demand."""
    small = Small(tmp_path / "case", start=parse_hour("2026-11-01T00:00:00Z"))
    small.meter("n1", 1, spot="0.25", provider="gcp", sustained_use="0.30")
    small.use("n1", ["2.5"] * 720, spot_share="0.4")
    small.offer("cud", "gcp.resource", {"n1": 1}, hourly="0.60")
    small.hold("cud", 1)
    bill = small.bill()
    assert bill.spot == 180
    assert bill.commitment_cost == 432
    assert bill.on_demand == 360 * Decimal("0.7")


def test_a_machine_is_billed_by_its_resources(small: Small) -> None:
    """GPU, vCPU and memory have commitments of their own, and none covers another's."""
    gcp(small, gpu=10, vcpu=1, memory="0.1")
    for name, quantity in (("gpu", 8), ("vcpu", 208), ("memory", 1872)):
        small.use(name, quantity)
    small.offer("gpu-cud", "gcp.resource", {"gpu": 1}, hourly=7)
    small.offer("vcpu-cud", "gcp.resource", {"vcpu": 1}, hourly="0.5")
    small.hold("gpu-cud", 10)
    small.hold("vcpu-cud", 100)
    bill = small.bill()
    assert held(bill, "gpu-cud").unused == 2
    assert bill.on_demand == 108 + Decimal("187.2")
    assert bill.total == 70 + 50 + bill.on_demand
