# SPDX-License-Identifier: Apache-2.0
"""The replay against what was billed: published rows, and a reason for each difference."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from optimizer.billing import (
    Bill,
    SharingModes,
    bill_case,
    billing_lines,
    read_holdings,
    replay,
)
from optimizer.billing.fit import open_catalogue
from optimizer.billing.reconcile import Difference, reconcile, reconciliation
from optimizer.billing.replay import capacity_of
from optimizer.tables import Case, read_case

from .conftest import Small

FRONTIER = Path(__file__).parents[2] / "fixtures" / "frontier-lab"


def differences(small: Small) -> list[Difference]:
    for number, row in enumerate(small.tables["usage"]):
        row["charge_id"] = f"row {number}"
    case = small.case()
    return reconcile(case, bill_case(case))


def the_usage(small: Small) -> Difference:
    """The only row of the reconciliation that is usage."""
    (found,) = differences(small)
    return found


def test_cur_savings_plan_rows(small: Small) -> None:
    """CUR-SP: covered usage at the on-demand price, and one negation of −0.0078."""
    small.meter("t3.nano", "0.0052")
    small.offer("sp", "aws.savings.compute", {"t3.nano": "0.0026"})
    small.hold("sp", "0.01")
    small.use("t3.nano", 1, billed_cost="0.0052", effective_cost="0.0026")
    small.use("t3.nano", "0.5", billed_cost="0.0026", effective_cost="0.0013")
    small.use("t3.nano", 0, billed_cost="-0.0078")
    row = the_usage(small)
    assert (row.replayed, row.billed, row.difference) == (0, 0, 0)
    assert (row.law, row.reason) == ("aws.savings.compute", "")
    bill = small.bill()
    assert bill.commitment_cost == Decimal("0.01")  # the row of the recurring fee
    assert bill.holdings[0].used == Decimal("0.0039")  # the effective cost of both rows


def test_cur_reserved_instance_rows(small: Small) -> None:
    """CUR-RI: the DiscountedUsage of an m4.large costs 0; the fee of $0.0309/h is a purchase."""
    small.meter("m4.large", "0.10", size=4)
    small.offer("ri", "aws.reserved.regional", {"m4.large": 1}, hourly="0.0309")
    small.hold("ri", 1)
    small.use("m4.large", [1] * 744, billed_cost=0)
    small.use("m4.large", 0, billed_cost="22.9896", charge_category="Purchase")
    fee, usage = sorted(differences(small), key=lambda row: row.law == "aws.reserved.regional")
    assert (usage.difference, usage.reason) == (0, "")
    assert (fee.law, fee.billed, fee.reason) == ("purchase", Decimal("22.9896"), "purchase")
    bill = small.bill()
    assert bill.commitment_cost == fee.billed
    assert round(bill.commitment_cost) == 23


def test_cur_flexible_reserved_instance_rows(small: Small) -> None:
    """CUR-FLEX: one m4.xlarge on two m4.large of cost 0; $45.98 in a month of 744 hours."""
    small.meter("m4.large", "0.10", size=4)
    small.meter("m4.xlarge", "0.20", size=8)
    draws = {"m4.large": "0.5", "m4.xlarge": 1}
    small.offer("ri", "aws.reserved.regional", draws, hourly="0.0618", group="m4")
    small.hold("ri", 1)
    for _ in range(2):
        small.use("m4.large", [1] * 744, billed_cost=0)
    row = the_usage(small)
    assert (row.replayed, row.billed, row.law) == (0, 0, "aws.reserved.regional")
    assert round(small.bill().commitment_cost, 2) == Decimal("45.98")


@pytest.mark.parametrize(
    ("used", "billed", "law"),
    [
        (1, "0", "aws.savings.compute"),
        (0, "0", "none"),
        ("0.75", "0", "aws.savings.compute"),
        ("1.5", "0.50", "aws.savings.compute + on demand"),
    ],
    ids=["U1", "U2", "U3", "U4"],
)
def test_focus_spend_commitment_rows(small: Small, used: str, billed: str, law: str) -> None:
    """FOCUS U1–U4: $1.00 an hour; what it covers is billed 0, the overage its price."""
    small.meter("vm", 1)
    small.offer("plan", "aws.savings.compute", {"vm": 1})
    small.hold("plan", 1)
    small.use("vm", used, billed_cost=billed)
    row = the_usage(small)
    assert (row.difference, row.reason, row.law) == (0, "", law)
    bill = small.bill()
    spent = min(Decimal(used), Decimal(1))
    assert (bill.holdings[0].used, bill.holdings[0].unused) == (spent, 1 - spent)
    assert bill.total == 1 + Decimal(billed)


def focus_machines(small: Small, commitment: str, units: int, price: str) -> None:
    """The machines of FOCUS's usage-based examples, by size, and a commitment to one of them."""
    for name, size, on_demand in (("small", 1, 1), ("medium", 2, 2), ("large", 3, 3)):
        small.meter(name, on_demand, size=size)
    draws = {"small": 1, "medium": 2, "large": 3} if units else {commitment: 1}
    group = "vm" if units else ""
    small.offer("ri", "aws.reserved.regional", draws, hourly=price, group=group)
    small.hold("ri", units or 1)


@pytest.mark.parametrize(
    ("commitment", "units", "price", "rows", "total"),
    [
        ("large", 0, "1.50", [("large", 1, 0)], "1.50"),
        ("large", 0, "1.50", [("medium", 1, 2)], "3.50"),
        ("xlarge", 4, "0.50", [("medium", 1, 0), ("medium", 1, 0)], "2.00"),
        (
            "small",
            1,
            "0.50",
            [("large", "0.333333333333", 0), ("large", "0.666666666667", 2)],
            "2.50",
        ),
    ],
    ids=["F1", "F2", "F3", "F4"],
)
def test_focus_usage_commitment_rows(
    small: Small, commitment: str, units: int, price: str, rows: list, total: str
) -> None:
    """FOCUS F1–F4 with the errata of the published rows put right: 2.00 remain of F4."""
    focus_machines(small, commitment, units, price)
    for name, quantity, billed in rows:
        small.use(name, quantity, billed_cost=billed)
    row = the_usage(small)
    assert row.reason == ""
    assert abs(row.difference) < Decimal("1e-9")
    assert abs(small.bill().total - Decimal(total)) < Decimal("1e-9")


def test_charges_that_are_no_usage(small: Small) -> None:
    """Tax, support and credits: each a row of its own, none of them replayed."""
    small.meter("vm", 2)
    small.use("vm", [1, 1], billed_cost=2, charge_category="Usage")
    for category, amount in (("Tax", "0.76"), ("Credit", "-1.50"), ("Adjustment", "0.004")):
        small.use("vm", 0, billed_cost=amount, charge_category=category)
    small.use("vm", 0, billed_cost=100, charge_category="Support", account="org/payer")
    rows = differences(small)
    assert {row.law: (row.difference, row.reason) for row in rows} == {
        "on demand": (0, ""),
        "tax": (Decimal("0.76"), "tax"),
        "credit": (Decimal("-1.50"), "credit"),
        "adjustment": (Decimal("0.004"), ""),  # less than half a cent
        "support": (100, "support"),
    }
    document = reconciliation(rows)
    assert document["replayed"] == 4
    assert document["billed"] == Decimal("103.264")
    assert document["residual"] == Decimal("99.264")
    assert document["unexplained"] == 0
    assert [row["law"] for row in document["by_law"] if row["account"]] == ["support"]


def test_a_charge_with_a_quantity_is_not_replayed(small: Small) -> None:
    """Tables: a row with a charge category is "not replayed, only reconciled"."""
    small.meter("vm", 2)
    small.use("vm", 1, billed_cost=2)
    small.use("vm", 1, billed_cost="-2", charge_category="Credit")
    credit, usage = sorted(differences(small), key=lambda row: row.law != "credit")
    assert credit.difference == -2
    assert (usage.replayed, usage.difference) == (2, 0)


def test_daily_rows(small: Small) -> None:
    """A day's usage is spread evenly: a commitment seems to cover more of it than it did."""
    day = {"grain": "day"}
    small.meter("vm", 1)
    small.offer("ri", "aws.reserved.regional", {"vm": 1})
    small.hold("ri", 1)
    small.use("vm", 24, at=0, billed_cost=12, **day)  # 2 in each of twelve hours
    row = the_usage(small)
    assert (row.replayed, row.difference) == (0, 12)
    assert row.reason.startswith("daily grain")
    small.tables["usage"][0]["billed_cost"] = 0
    assert the_usage(small).reason == ""


def test_late_rows(small: Small) -> None:
    """A row of November that is invoiced in December, at a corrected price."""
    small.meter("vm", 1)
    small.use("vm", 1, billed_cost=1, invoice_month="2026-11")
    small.use("vm", 0, billed_cost="0.25", invoice_month="2026-12")
    row = the_usage(small)
    assert (row.difference, row.reason) == (
        Decimal("0.25"),
        "late row: invoiced in another month",
    )
    small.tables["usage"][1]["invoice_month"] = "2026-11"
    assert the_usage(small).reason == "unexplained"


def test_a_late_cent_does_not_explain_a_hundred_dollars(small: Small) -> None:
    small.meter("vm", 1)
    small.use("vm", 1, billed_cost=101)
    small.use("vm", 0, billed_cost="0.01", invoice_month="2026-12")
    assert the_usage(small).reason == "unexplained"


def test_rows_without_an_amount(small: Small) -> None:
    small.meter("vm", 1)
    small.use("vm", [1, 1, 1])
    row = the_usage(small)
    assert (row.billed, row.reason) == (None, "no billed_cost is given")
    small.tables["usage"][0]["billed_cost"] = 1
    row = the_usage(small)
    assert (row.billed, row.difference) == (1, -2)
    assert row.reason == "2 rows state no billed_cost"
    assert row.explained


def test_what_nobody_can_explain(small: Small) -> None:
    """Half a cent is the limit; below it the two agree."""
    small.meter("vm", 1)
    small.use("vm", 1, billed_cost="1.0049")
    assert the_usage(small).reason == ""
    small.tables["usage"][0]["billed_cost"] = "1.005"
    row = the_usage(small)
    assert (row.reason, row.explained) == ("unexplained", False)
    assert reconciliation([row])["unexplained"] == Decimal("0.005")


def test_places_are_kept_apart(small: Small) -> None:
    """Differences of two accounts that cancel are still two differences."""
    small.meter("vm", 1, zone="z1")
    small.use("vm", 1, account="org/a", billed_cost=2)
    small.use("vm", 1, account="org/b", zone="z1", billed_cost=0)
    rows = differences(small)
    assert [(row.account, row.difference, row.reason) for row in rows] == [
        ("org/a", 1, "unexplained"),
        ("org/b", -1, "unexplained"),
    ]
    document = reconciliation(rows)
    assert document["residual"] == 0
    assert [row["difference"] for row in document["by_law"]] == [1, -1]


def test_spot_is_billed_its_price(small: Small) -> None:
    small.meter("vm", 1, spot="0.30")
    small.use("vm", 2, spot_share="0.5", billed_cost="1.30")
    row = the_usage(small)
    assert (row.difference, row.law) == (0, "on demand + spot")


def billed_rows(case: Case) -> tuple[Bill, pd.DataFrame]:
    """The bill, and the billed cost of a unit of usage by meter, account, zone and hour."""
    catalogue = open_catalogue(case)
    usage = case.usage_lines()
    held = read_holdings(case, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    outcome = replay(
        catalogue,
        billing_lines(usage, catalogue),
        held,
        capacity_of(held, hours),
        SharingModes.of(case.settings, hours),
    )
    sums: dict[tuple, np.ndarray] = {}
    for i, place in enumerate(zip(usage.meter, usage.account, usage.zone, strict=True)):
        price = float(catalogue.meters[place[0]].on_demand or 0)
        paid = np.array([outcome.uncovered[i] * price, usage.quantity[i]])
        sums[place] = sums.get(place, 0) + paid
    rows = [
        (*place, int(hour), paid / quantity)
        for place, (dollars, quantities) in sums.items()
        for hour, paid, quantity in zip(hours, dollars, quantities, strict=True)
        if quantity
    ]
    columns = ["meter", "account", "zone", "hour", "unit_cost"]
    return bill_case(case), pd.DataFrame(rows, columns=columns)


def test_a_month_of_the_demonstration_case(tmp_path: Path) -> None:
    """Billed costs written from the replay: nothing remains, of any place."""
    folder = tmp_path / "case"
    folder.mkdir()
    for name in ("meters.csv", "offers.csv", "covers.csv", "commitments.csv", "case.toml"):
        shutil.copy(FRONTIER / name, folder / name)
    month = f"SELECT * FROM '{FRONTIER / 'usage.parquet'}' WHERE month(hour) = 10"
    file = folder / "usage.parquet"
    duckdb.sql(f"COPY ({month}) TO '{file}' (FORMAT parquet)")
    bill, costs = billed_rows(read_case(folder))
    with duckdb.connect() as database:
        database.register("costs", costs)
        database.execute(
            "COPY (SELECT u.*, CAST(u.quantity * c.unit_cost AS DECIMAL(38, 12)) AS billed_cost"
            f" FROM ({month}) AS u JOIN costs AS c ON u.meter = c.meter"
            " AND coalesce(u.account, '') = c.account AND coalesce(u.zone, '') = c.zone"
            f" AND epoch(u.hour)::BIGINT / 3600 = c.hour) TO '{file}' (FORMAT parquet)"
        )
    case = read_case(folder)
    rows = reconcile(case, bill)
    document = reconciliation(rows)
    assert document["replayed"] == bill.on_demand > 100_000
    assert round(document["residual"], 2) == 0
    assert document["unexplained"] == 0
    assert all(row.reason == "" and abs(row.difference) < Decimal("1e-6") for row in rows)
    assert any("aws.reserved" in row.law for row in rows)
    # One dollar more in one row is found, and where it is.
    changed = duckdb.sql(f"SELECT * FROM '{file}'").df()
    changed.loc[100, "billed_cost"] += 1.0
    with duckdb.connect() as database:
        database.register("changed", changed)
        database.execute(f"COPY changed TO '{file}' (FORMAT parquet)")
    again = reconcile(read_case(folder), bill)
    (found,) = [row for row in again if row.reason]
    assert (found.meter, found.reason) == (changed.loc[100, "meter"], "unexplained")
    assert round(found.difference, 6) == 1
