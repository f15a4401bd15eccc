# SPDX-License-Identifier: Apache-2.0
"""FOCUS rows as usage, meters and commitments; the bill of our own export comes back."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from connectors.focus import pull
from connectors.focus.commitments import term_of
from connectors.pulled import Report, Request
from connectors.snapshot import read_settings
from connectors.sources import pull_snapshot
from optimizer.billing import bill_case
from optimizer.billing.focus import write_focus
from optimizer.errors import DataError, UsageError
from optimizer.tables import read_case

from .conftest import SINCE, UNTIL, hours, write_rows

Export = Callable[..., Path]
LAB = Path(__file__).parents[2] / "fixtures" / "frontier-lab"
HELD = {
    "CommitmentDiscountId": "arn:plan",
    "CommitmentDiscountType": "Compute Savings Plan",
    "CommitmentDiscountCategory": "Spend",
    "PricingCategory": "Committed",
    "BilledCost": "0",
}


def read(*files: Path, **settings: str) -> tuple[dict[str, Any], Report]:
    report = Report()
    request = Request(SINCE, UNTIL, accounts=tuple(map(str, files)), settings=settings)
    return dict(pull(request, report).tables), report


def only(frame: pd.DataFrame) -> dict[str, Any]:
    assert len(frame) == 1
    return frame.to_dict("records")[0]


def test_a_row_of_usage_is_an_hour_of_a_machine_with_its_prices(export: Export):
    tables, _ = read(export({}))
    row = only(tables["usage"])
    assert row["hour"] == pd.Timestamp("2026-11-03T05:00:00")
    assert (row["meter"], row["quantity"]) == ("aws/us-east-1/p5.48xlarge", 2.0)
    assert (row["account"], row["zone"], row["billed_cost"]) == ("111122223333", "us-east-1a", "10")
    meter = only(tables["meters"])
    assert (meter["on_demand"], meter["list_price"]) == ("5", "6")
    assert (meter["gpu"], meter["gpus"], meter["unit"]) == ("H100-80GB", 8.0, "Instance-Hours")


def test_rows_of_one_hour_are_added_up_and_resources_forgotten(export: Export):
    tables, _ = read(
        export({"ResourceId": "i-1"}, {"ResourceId": "i-2", "ConsumedQuantity": "0.5"})
    )
    assert only(tables["usage"])["quantity"] == 2.5


def test_unused_commitment_purchase_and_tax_are_no_usage(export: Export):
    tables, _ = read(
        export(
            {},
            {**HELD, "CommitmentDiscountStatus": "Unused", "CommitmentDiscountQuantity": "3",
             "ConsumedQuantity": "", "EffectiveCost": "3"},
            {**HELD, "ChargeCategory": "Purchase", "BilledCost": "9", "EffectiveCost": "0"},
            {"ChargeCategory": "Tax", "BilledCost": "1.5", "SkuPriceDetails": "",
             "ServiceCategory": "Other", "ConsumedQuantity": ""},
        )
    )  # fmt: skip
    usage = tables["usage"]
    assert usage["quantity"].sum() == 2.0
    tax = only(usage[usage["charge_category"] == "Tax"])
    assert (tax["meter"], tax["quantity"], tax["billed_cost"]) == ("aws/charges", 0.0, "1.5")


def test_what_is_held_is_told_by_used_and_unused_rows(export: Export):
    used = {**HELD, "CommitmentDiscountStatus": "Used", "CommitmentDiscountQuantity": "6",
            "EffectiveCost": "6"}  # fmt: skip
    unused = {**HELD, "CommitmentDiscountStatus": "Unused", "CommitmentDiscountQuantity": "1",
              "ConsumedQuantity": "", "EffectiveCost": "1",
              "SubAccountId": "444455556666"}  # fmt: skip
    tables, report = read(export(used, unused))
    held = only(tables["commitments"])
    assert (held["quantity"], held["account"]) == ("7", "444455556666")
    offer = only(tables["offers"])
    assert (offer["law"], offer["measure"], offer["hourly"]) == (
        "aws.savings.compute",
        "money",
        "1",
    )
    assert only(tables["covers"])["draw"] == "3"
    assert any("do not tell when these end" in remark.text for remark in report.remarks)


def test_a_one_time_purchase_tells_the_term(export: Export):
    used = {**HELD, "CommitmentDiscountStatus": "Used", "CommitmentDiscountQuantity": "7",
            "EffectiveCost": "7"}  # fmt: skip
    bought = {**HELD, "ChargeCategory": "Purchase", "ChargeFrequency": "One-Time",
              "CommitmentDiscountQuantity": str(7 * 26280), "ConsumedQuantity": "",
              "ChargePeriodStart": "2026-11-01T00:00:00Z"}  # fmt: skip
    tables, report = read(export(used, bought))
    held = only(tables["commitments"])
    assert (held["start"], only(tables["offers"])["term_hours"]) == (
        pd.Timestamp("2026-11-01"), 26280,
    )  # fmt: skip
    assert not report.remarks


def test_focus_1_0_without_commitment_quantity_draws_what_it_spends(export: Export):
    used = {**HELD, "CommitmentDiscountStatus": "Used", "EffectiveCost": "6",
            "CommitmentDiscountQuantity": None}  # fmt: skip
    tables, _ = read(export(used))
    assert only(tables["commitments"])["quantity"] == "6"
    assert only(tables["covers"])["draw"] == "3"


def test_spot_has_a_share_and_a_price_of_its_own(export: Export):
    spot = {"PricingCategory": "Dynamic", "ConsumedQuantity": "1", "BilledCost": "1.9"}
    tables, _ = read(export({"ConsumedQuantity": "3"}, spot))
    assert only(tables["usage"])["spot_share"] == 0.25
    meter = only(tables["meters"])
    assert (meter["on_demand"], meter["spot"]) == ("5", "1.9")


def test_a_day_is_marked_and_a_month_is_spread_over_its_days(export: Export):
    day = {"ChargePeriodStart": "2026-11-03T00:00:00Z", "ChargePeriodEnd": "2026-11-04T00:00:00Z"}
    month = {"ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2026-11-01T00:00:00Z",
             "ConsumedQuantity": "62", "BillingPeriodStart": "2026-10-01T00:00:00Z"}  # fmt: skip
    usage = read(export(day, month))[0]["usage"]
    assert set(usage["grain"]) == {"day"}
    assert len(usage) == 32
    assert set(usage["quantity"]) == {2.0}


def test_a_late_row_keeps_its_hour_and_names_its_invoice(export: Export):
    late = {"ChargePeriodStart": "2026-10-31T23:00:00Z", "ChargePeriodEnd": "2026-11-01T00:00:00Z"}
    row = only(read(export(late))[0]["usage"])
    assert (row["hour"], row["invoice_month"]) == (pd.Timestamp("2026-10-31T23:00"), "2026-11")


def test_a_correction_lowers_its_hour_and_is_told(export: Export):
    taken = {"ChargeClass": "Correction", "ConsumedQuantity": "-0.5", "BilledCost": "-2.5"}
    tables, _ = read(export({"ChargeClass": ""}, taken))
    assert only(tables["usage"])["quantity"] == 1.5
    tables, report = read(export({**taken, "ChargeClass": "Correction"}))
    row = only(tables["usage"])
    assert (row["quantity"], row["charge_category"], row["billed_cost"]) == (
        0,
        "Adjustment",
        "-2.5",
    )
    assert any("negative" in remark.text for remark in report.remarks)


def test_tags_say_what_usage_tolerates(export: Export):
    tags = json.dumps({"gpuopt:spot_tolerant": "0.3", "gpuopt:workload": "chat", "team": "a",
                       "user_gpuopt_lost_hours": "2"})  # fmt: skip
    row = only(read(export({"Tags": tags}), tags="team")[0]["usage"])
    assert (row["spot_tolerant"], row["workload"], row["lost_hours"]) == (0.3, "chat", 2.0)
    assert row["tag_team"] == "a"


def test_unknown_gpu_machines_are_kept_and_named(export: Export):
    new = {"SkuPriceDetails": json.dumps({"InstanceType": "p9.48xlarge"})}
    tables, report = read(export(new))
    assert only(tables["meters"])["meter"] == "aws/us-east-1/p9.48xlarge"
    assert any("p9.48xlarge" in remark.text for remark in report.remarks)


def test_other_services_are_left_out_and_counted(export: Export):
    disk = {"ServiceCategory": "Storage", "ServiceName": "Disks", "SkuPriceDetails": ""}
    tables, report = read(export({}, disk, disk))
    assert tables["usage"]["quantity"].sum() == 2.0
    assert [(r.subject, r.rows) for r in report.remarks] == [("Disks", 2)]


@pytest.mark.parametrize("column", ["x_UsageType", "SkuMeter"])
def test_idle_reservations_of_aws_are_meters_of_their_own(export: Export, column: str):
    idle = {column: "USW2-UnusedBox:p5.48xlarge", "SkuPriceDetails": "{}"}
    meters = read(export({column: "USW2-BoxUsage:p5.48xlarge"}, idle))[0]["meters"]
    found = {row["meter"]: row["capacity_reservation_status"] for row in meters.to_dict("records")}
    machine = "aws/us-east-1/p5.48xlarge"
    assert found == {machine: None, f"{machine}/unused-reservation": "unused"}


def test_a_missing_price_is_absent_and_not_zero(export: Export):
    meter = only(read(export({"ContractedUnitPrice": "", "ListUnitPrice": ""}))[0]["meters"])
    assert meter["on_demand"] is None
    assert meter["list_price"] is None


def test_the_newest_price_is_taken(export: Export):
    before = {"ContractedUnitPrice": "9", "ChargePeriodStart": "2026-11-01T05:00:00Z"}
    assert only(read(export(before, {}))[0]["meters"])["on_demand"] == "5"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_every_format_gives_the_same_tables(tmp_path: Path, name: str):
    rows = [{**period, "ConsumedQuantity": "0.1"} for period in hours(SINCE, 30)]
    plain = write_rows(tmp_path / "plain.csv", rows)
    file = tmp_path / name
    if name.endswith("parquet"):
        duckdb.execute(f"COPY (FROM '{plain}') TO '{file}' (FORMAT parquet)")
    else:
        write_rows(file, rows)
    expected, found = read(plain)[0], read(file)[0]
    for table in expected:
        pd.testing.assert_frame_equal(found[table], expected[table])


def test_a_folder_is_read_whole(tmp_path: Path):
    (tmp_path / "x" / "billing_period=2026-11").mkdir(parents=True)
    write_rows(tmp_path / "x" / "billing_period=2026-11" / "1.csv", [{}])
    write_rows(tmp_path / "x" / "2.csv.gz", [{}])
    write_rows(tmp_path / "x" / "_3.csv", [{}])
    assert only(read(tmp_path / "x")[0]["usage"])["quantity"] == 4.0


def test_what_is_no_focus_export_is_refused_by_name(export: Export, tmp_path: Path):
    with pytest.raises(DataError, match="no column BillingCurrency"):
        read(export({"BillingCurrency": None}))
    with pytest.raises(DataError, match="many"):
        read(export({"ConsumedQuantity": "many"}))
    with pytest.raises(DataError, match="EUR and USD"):
        read(export({}, {"BillingCurrency": "EUR"}))
    with pytest.raises(UsageError, match="is no export"):
        read(tmp_path / "absent.csv")
    cut = tmp_path / "cut.csv.gz"
    whole = gzip.compress(export(*({"SkuId": str(i)} for i in range(3000))).read_bytes())
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.csv\.gz"):
        read(cut)


def test_our_own_export_gives_back_the_bill(tmp_path: Path):
    case = read_case(LAB)
    bill = bill_case(case)
    write_focus(case, bill, tmp_path / "f.parquet")
    request = Request(SINCE, UNTIL, accounts=(str(tmp_path / "f.parquet"),))
    settings = read_settings(LAB / "case.toml", None, UNTIL)
    written = pull_snapshot({"focus": request}, tmp_path / "to", settings, lambda _: None)
    again = bill_case(read_case(written.folder))
    # Draws are those of quantities with nine places, over 90 days.
    assert abs(again.total - bill.total) < Decimal("0.001")
    assert abs(again.commitment_cost - bill.commitment_cost) < Decimal("0.001")


PAYMENTS = {
    "all": {"upfront": "8760"},
    "partial": {"upfront": "3504", "hourly": "0.6"},
    "none": {"hourly": "1"},
    "monthly": {"monthly": "730"},
    "upfront and monthly": {"upfront": "2628", "monthly": "511"},
    "all three": {"upfront": "876", "hourly": "0.5", "monthly": "292"},
}


def round_trip(folder: Path, offer: dict[str, str], start: str, end: str) -> dict[str, Any]:
    """A case of 60 days with one commitment, exported and pulled: bills, term, start, end."""
    case = folder / "case"
    case.mkdir()
    (case / "case.toml").write_text(
        'currency = "USD"\nas_of = "2026-03-02T00:00:00Z"\nhorizon_hours = 8760\n'
    )
    made = {"source": "made up", "as_of": "2026-01"}
    times = pd.date_range("2026-01-01", periods=60 * 24, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    tables: dict[str, Any] = {
        "meters": [{"meter": "aws/us-east-1/p5.48xlarge", "provider": "aws", "region": "us-east-1",
                    "product": "instance", "unit": "Instance-Hours", "on_demand": "2.5", **made}],
        "usage": {"hour": times, "meter": "aws/us-east-1/p5.48xlarge",
                  "quantity": [n % 5 for n in range(len(times))]},
        "offers": [{"offer": "ri", "law": "aws.reserved.regional", "measure": "units",
                    "term_hours": "8760", "payment": "none", **made, **offer}],
        "covers": [{"offer": "ri", "meter": "aws/us-east-1/p5.48xlarge", "draw": "1"}],
        "commitments": [{"commitment": "held", "offer": "ri", "quantity": "3",
                         "start": start, "end": end}],
    }  # fmt: skip
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(case / f"{name}.csv", index=False)
    read = read_case(case)
    bill = bill_case(read)
    write_focus(read, bill, folder / "focus.csv")
    since, until = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-03-02", tz="UTC")
    request = Request(since, until, accounts=(str(folder / "focus.csv"),))
    settings = read_settings(case / "case.toml", None, until)
    pulled = pull_snapshot({"focus": request}, folder / "to", settings, lambda _: None)
    again = read_case(pulled.folder)
    held = only(again.table("commitments"))
    term = only(again.table("offers"))["term_hours"]
    return {"bills": (bill, bill_case(again)), "term": term} | {
        name: (pd.Timestamp(0) + pd.Timedelta(hours=held[name])) for name in ("start", "end")
    }


@pytest.mark.parametrize("payment", PAYMENTS)
def test_every_payment_comes_back_to_the_cent_with_its_term(tmp_path: Path, payment: str):
    start, end = "2026-01-31T05:00:00Z", "2027-01-31T05:00:00Z"
    found = round_trip(tmp_path, PAYMENTS[payment], start, end)
    bill, again = found["bills"]
    assert abs(again.total - bill.total) < Decimal("0.005")
    assert abs(again.commitment_cost - bill.commitment_cost) < Decimal("0.005")
    assert found["term"] == 8760
    assert (found["start"], found["end"]) == (
        pd.Timestamp("2026-01-31T05:00"), pd.Timestamp("2027-01-31T05:00"),
    )  # fmt: skip


@pytest.mark.parametrize("payment", PAYMENTS)
def test_what_ends_in_the_window_comes_back_to_the_cent_and_has_ended(tmp_path: Path, payment: str):
    offer = {
        name: str(Decimal(value) * (10 if name == "upfront" else 1) / 365)
        if name != "hourly"
        else value
        for name, value in PAYMENTS[payment].items()
    } | {"term_hours": "240"}
    start, end = "2026-01-05T05:00:00Z", "2026-01-15T05:00:00Z"
    found = round_trip(tmp_path, offer, start, end)
    bill, again = found["bills"]
    assert abs(again.total - bill.total) < Decimal("0.005")
    assert (found["start"], found["end"]) == (
        pd.Timestamp("2026-01-05T05:00"), pd.Timestamp("2026-01-15T05:00"),
    )  # fmt: skip


@pytest.mark.parametrize("years", [1, 3])
@pytest.mark.parametrize("first", [[], ["2"], ["1488"], ["1000"]])
def test_the_term_where_every_payment_repeats_the_quantity(years: int, first: list[str]):
    """Also where the first month's payment is for the rest of a calendar month."""
    payments = [Decimal(amount) for amount in first]
    hours = years * 8760
    assert term_of(Decimal(2), Decimal(2 * hours), payments, pd.Timestamp("2026-03-01")) == hours


@pytest.mark.parametrize("years", [1, 3])
@pytest.mark.parametrize("first", [[], ["1.2"], ["372"], ["0.5", "372"]])
def test_the_term_where_payments_divide_the_quantity(years: int, first: list[str]):
    payments = [Decimal(amount) for amount in first]
    hours = years * 8760
    hourly = sum(n if n <= 2 else n / 744 for n in payments)
    upfront = (2 - hourly) * hours
    assert term_of(Decimal(2), upfront, payments, pd.Timestamp("2026-03-01")) == hours


MEASURE = """
import re, sys, time
from connectors.focus import pull
from connectors.pulled import Report, Request
from datetime import datetime, UTC
start = time.process_time()
pulled = pull(Request(datetime(2026,8,1,tzinfo=UTC), datetime(2026,11,21,tzinfo=UTC),
              accounts=(sys.argv[1],)), Report())
# Not ru_maxrss, which a process takes over from the one that started it.
peak = re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1]
print(time.process_time() - start, peak, len(pulled.tables["usage"]))
"""


def test_four_times_the_rows_take_four_times_the_time_and_no_more_memory(tmp_path: Path):
    plain = write_rows(tmp_path / "plain.csv", hours(SINCE, 2000))
    seconds, memory = [], []
    for times in (50, 200):
        file = tmp_path / f"{times}.parquet"
        duckdb.execute(
            f"COPY (SELECT * REPLACE ('i-' || r AS SkuId), 'i-' || r AS ResourceId FROM '{plain}',"
            f" range({times}) t(r)) TO '{file}' (FORMAT parquet)"
        )
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, check=True
        )
        taken, peak, rows = map(float, done.stdout.split())
        assert rows == 2000
        seconds.append(taken)
        memory.append(peak)
    assert seconds[1] < 8 * seconds[0]
    assert memory[1] < 1.5 * memory[0]
    assert memory[1] < 1024 * 1024
