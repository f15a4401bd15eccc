# SPDX-License-Identifier: Apache-2.0
"""AWS Savings Plans: the five scenarios of the user guide, to the last published digit.

"How Savings Plans apply to your usage": one hour of usage, rates are illustrative.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from .conftest import Small, held, line

# meter: (quantity of the hour, on demand, Compute plan, EC2 Instance plan of the r5 family)
LINES = {
    "r5.4xlarge": ("4", "1.00", "0.70", "0.60"),
    "fargate-vcpu": ("400", "0.04", "0.03", None),
    "fargate-gb": ("1600", "0.004", "0.003", None),
    "m5.24xlarge-windows-dedicated": ("1", "10.00", "8.20", None),
    "lambda-duration": ("1500000", "0.000015", "0.00001275", None),
    "lambda-requests": ("1", "0.20", "0.20", None),
}
M5_AND_LAMBDA = Decimal("32.70")


@pytest.fixture
def hour(small: Small) -> Small:
    """The hour of usage that the page covers in five ways."""
    for name, (quantity, on_demand, _, _) in LINES.items():
        small.meter(name, on_demand)
        small.use(name, quantity)
    small.offer("compute", "aws.savings.compute", {name: row[2] for name, row in LINES.items()})
    small.offer(
        "instance-r5",
        "aws.savings.instance",
        {name: row[3] for name, row in LINES.items() if row[3]},
    )
    small.offer("ri", "aws.reserved.regional", {"r5.4xlarge": 1}, hourly="0.55")
    return small


def test_all_on_demand(hour: Small) -> None:
    bill = hour.bill()
    assert bill.total == bill.on_demand == Decimal("59.10")


def test_s1_everything_is_covered(hour: Small) -> None:
    """S1: the saving of 0 % is eligible too; what is left of the commitment is lost."""
    hour.hold("compute", 50)
    bill = hour.bill()
    assert bill.on_demand == 0
    assert bill.total == 50
    assert held(bill, "compute").used == Decimal("47.125")
    assert held(bill, "compute").unused == Decimal("2.875")
    assert line(bill, "lambda-requests").covered == 1
    assert bill.covered_at_on_demand == Decimal("59.10")
    assert bill.coverage == 1
    assert bill.utilization == pytest.approx(47.125 / 50, rel=1e-12)


def test_s2_highest_saving_first_and_in_part(hour: Small) -> None:
    """S2: 2.857 of the 4 r5 are covered; the published $1.14 and $56.24 are these, rounded."""
    hour.hold("compute", 2)
    bill = hour.bill()
    r5 = line(bill, "r5.4xlarge")
    assert r5.covered == Decimal("2.857142857143")
    assert r5.on_demand == Decimal("1.142857142857")
    assert bill.on_demand == Decimal("56.242857142857")
    assert bill.total == Decimal("58.242857142857")
    assert held(bill, "compute").unused == 0


def test_s3_equal_savings_lowest_rate_first(hour: Small) -> None:
    """S3: Fargate GB ($0.003) comes before Fargate vCPU ($0.03), both save 25 %."""
    hour.hold("compute", "19.60")
    bill = hour.bill()
    assert bill.on_demand == M5_AND_LAMBDA
    assert bill.total == Decimal("52.30")
    assert held(bill, "compute").unused == 0
    hour.tables["commitments"][0]["quantity"] = "7.60"  # r5 and GB, nothing left for vCPU
    bill = hour.bill()
    assert line(bill, "fargate-gb").on_demand == 0
    assert line(bill, "fargate-vcpu").covered == 0


def test_s4_reserved_instances_before_plans(hour: Small) -> None:
    """S4: two Reserved Instances take two of the r5 before the plan sees them."""
    hour.hold("compute", "18.20")
    hour.hold("ri", 2)
    bill = hour.bill()
    assert bill.on_demand == M5_AND_LAMBDA
    assert held(bill, "ri").used == 2
    assert held(bill, "compute").used == Decimal("18.20")
    assert bill.total == Decimal("18.20") + 2 * Decimal("0.55") + M5_AND_LAMBDA


def test_s5_instance_plan_before_compute_plan(hour: Small) -> None:
    """S5: what the r5 plan does not spend on r5 ($0.60) is lost, not spent on others."""
    hour.hold("instance-r5", 3)
    hour.hold("compute", "16.80")
    bill = hour.bill()
    assert held(bill, "instance-r5").used == Decimal("2.40")
    assert held(bill, "instance-r5").unused == Decimal("0.60")
    assert held(bill, "compute").used == Decimal("16.80")
    assert bill.on_demand == M5_AND_LAMBDA
    assert bill.total == Decimal("52.50")


def test_instance_plan_first_even_if_it_saves_less(hour: Small) -> None:
    """The kind of plan decides before the saving does, and before whose plan it is."""
    hour.tables["covers"] = [row for row in hour.tables["covers"] if row["meter"] == "r5.4xlarge"]
    hour.tables["covers"][1]["draw"] = "0.90"
    for row in hour.tables["usage"]:
        row["account"] = "org/own"
    hour.hold("compute", "2.80", account="org/own")
    hour.hold("instance-r5", "3.60", account="org/another")
    bill = hour.bill()
    assert held(bill, "instance-r5").used == Decimal("3.60")
    assert held(bill, "compute").used == 0


@pytest.mark.parametrize("plan", ["instance-r5", "compute"])
def test_reserved_instance_of_others_before_own_plan(hour: Small, plan: str) -> None:
    """Reserved Instances first: another account's, before a plan of one's own."""
    for row in hour.tables["usage"]:
        row["account"] = "org/own"
    hour.hold(plan, "2.40", account="org/own")
    hour.hold("ri", 4, account="org/another")
    assert held(hour.bill(), "ri").used == 4


def test_older_page_scenario_1(small: Small) -> None:
    """The page's older example: $25.00 are paid in the hour, whatever is used of them."""
    rates = {"c5.9xlarge": 2, "c5.24xlarge-windows": 8, "fargate-vcpu": 1, "fargate-gb": 1}
    for name, on_demand, quantity in zip(
        rates, ("4", "10", "1.50", "2"), (1, 1, 10, 5), strict=True
    ):
        small.meter(name, on_demand)
        small.use(name, quantity)
    small.offer("compute", "aws.savings.compute", rates)
    small.hold("compute", 25)
    bill = small.bill()
    assert (bill.on_demand, bill.total) == (0, 25)
    assert held(bill, "compute").used == 25


def test_covered_usage_row_of_the_cost_report(small: Small) -> None:
    """CUR: 1.5 hours of t3.nano are 0.0078 on demand and 0.0039 of the plan."""
    small.meter("t3.nano", "0.0052")
    small.use("t3.nano", 1)
    small.use("t3.nano", "0.5", charge_id="second")
    small.offer("compute", "aws.savings.compute", {"t3.nano": "0.0026"})
    small.hold("compute", "0.01")
    bill = small.bill()
    assert bill.covered_at_on_demand == Decimal("0.0078")
    assert held(bill, "compute").used == Decimal("0.0039")
    assert bill.total == Decimal("0.01")


def test_utilization_report(small: Small) -> None:
    """SP-UTIL: $9.80 of usage at plan rates against a commitment of $10 is 98 %."""
    small.meter("m", 2)
    small.use("m", "9.8")
    small.offer("compute", "aws.savings.compute", {"m": 1})
    small.hold("compute", 10)
    assert small.bill().utilization == pytest.approx(0.98, rel=1e-12)


def test_percentage_orders_not_dollars(small: Small) -> None:
    """The saving in percent decides; a line that saves more dollars waits."""
    small.meter("percent", "1.00")
    small.meter("dollars", "100.00")
    small.use("percent", 10)
    small.use("dollars", 1)
    small.offer("compute", "aws.savings.compute", {"percent": "0.50", "dollars": "60"})
    small.hold("compute", 5)
    bill = small.bill()
    assert line(bill, "percent").covered == 10
    assert line(bill, "dollars").covered == 0


@pytest.mark.parametrize("law", ["aws.savings.sagemaker", "aws.savings.database"])
def test_plans_of_one_service(small: Small, law: str) -> None:
    """SageMaker and Database plans: highest saving first, then the lowest rate; no spill."""
    for name, on_demand in (("low", 10), ("dear", 8), ("cheap", 4), ("elsewhere", 1)):
        small.meter(name, on_demand)
        small.use(name, 1)
    small.offer("plan", law, {"low": 9, "dear": 6, "cheap": 3})
    small.hold("plan", 5)
    bill = small.bill()
    assert line(bill, "cheap").covered == 1
    assert line(bill, "dear").covered == Decimal("0.333333333333")
    assert line(bill, "low").covered == line(bill, "elsewhere").covered == 0


def test_spot_is_never_covered(small: Small) -> None:
    """Savings Plans do not apply to Spot usage: the plan's money is lost instead."""
    small.meter("m", 2, spot="0.50")
    small.use("m", 4, spot_share="0.75")
    small.offer("compute", "aws.savings.compute", {"m": 1})
    small.hold("compute", 4)
    bill = small.bill()
    assert (line(bill, "m").covered, line(bill, "m").spot_quantity) == (1, 3)
    assert bill.spot == Decimal("1.50")
    assert held(bill, "compute").unused == 3
