# SPDX-License-Identifier: Apache-2.0
"""Rows of a Cost and Usage Report 2.0 as usage: AWS's own published rows, and its traps."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from connectors.aws.cur import cur_sql, is_cur
from connectors.charge_tables import meter_table, usage_table
from connectors.charges import Charges, TagKeys
from connectors.focus.files import column_types, source_sql
from connectors.focus.rows import Reader
from connectors.pulled import Report
from optimizer.errors import DataError

from .conftest import SINCE, UNTIL

ROW = {
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-11-03T05:00:00Z",
    "line_item_usage_end_date": "2026-11-03T06:00:00Z",
    "line_item_usage_amount": "1",
    "line_item_usage_type": "USW2-BoxUsage:p5.48xlarge",
    "line_item_operation": "RunInstances",
    "line_item_unblended_cost": "50",
    "line_item_unblended_rate": "50",
    "line_item_currency_code": "USD",
    "line_item_usage_account_id": "111122223333",
    "line_item_availability_zone": "us-west-2a",
    "line_item_product_code": "AmazonEC2",
    "bill_billing_period_start_date": "2026-11-01T00:00:00Z",
    "product_region_code": "us-west-2",
    "pricing_unit": "Hrs",
    "pricing_public_on_demand_cost": "55.04",
    "savings_plan_savings_plan_a_r_n": "",
    "savings_plan_savings_plan_effective_cost": "",
    "savings_plan_total_commitment_to_date": "",
    "savings_plan_used_commitment": "",
    "reservation_reservation_a_r_n": "",
    "reservation_effective_cost": "",
    "reservation_unused_quantity": "",
    "resource_tags": "",
}
NANO = {"line_item_usage_type": "BoxUsage:t3.nano", "product_region_code": "us-east-1",
        "line_item_unblended_rate": "0.0052"}  # fmt: skip
PLAN = {"savings_plan_savings_plan_a_r_n": "arn:aws:savingsplans::1:savingsplan/x"}


def read(folder: Path, *rows: dict[str, Any], kind: str = "csv") -> tuple[pd.DataFrame, Any]:
    full = [{**ROW, **row} for row in rows]
    file = folder / "cur.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(full[0]))
        writer.writeheader()
        writer.writerows(full)
    if kind == "parquet":
        # As AWS writes them: tags are a map, times are timestamps, numbers are doubles.
        tags = "CAST(resource_tags::JSON AS MAP(VARCHAR, VARCHAR))"
        duckdb.execute(
            f"COPY (SELECT * REPLACE ({tags} AS resource_tags) FROM '{file}')"
            f" TO '{folder}/cur.parquet' (FORMAT parquet)"
        )
        file = folder / "cur.parquet"
    with Charges(SINCE, UNTIL, TagKeys(("team",))) as charges:
        reader = Reader(column_types(charges.connection, file), file.name)
        assert is_cur(reader)
        charges.add(cur_sql(reader, source_sql(file), charges.tags), [str(file)], file.name)
        charges.finish()
        meters = meter_table(charges, Report(), "usage", "2026-11-21")
        return usage_table(charges, Report()), meters.set_index("meter").to_dict("index")


def test_usage_on_demand_states_contract_and_list_price(tmp_path: Path):
    usage, meters = read(tmp_path, {})
    (row,) = usage.to_dict("records")
    assert row["hour"] == pd.Timestamp("2026-11-03T05:00")
    assert (row["meter"], row["quantity"]) == ("aws/us-west-2/p5.48xlarge", 1.0)
    assert (row["account"], row["zone"], row["billed_cost"]) == ("111122223333", "us-west-2a", "50")
    meter = meters["aws/us-west-2/p5.48xlarge"]
    assert (meter["on_demand"], meter["list_price"], meter["gpus"]) == ("50", "55.04", 8.0)


def test_the_published_rows_of_a_savings_plan_are_one_and_a_half_hours(tmp_path: Path):
    covered = {**NANO, **PLAN, "line_item_line_item_type": "SavingsPlanCoveredUsage"}
    usage, meters = read(
        tmp_path,
        {**covered, "line_item_usage_amount": "1", "line_item_unblended_cost": "0.0052",
         "savings_plan_savings_plan_effective_cost": "0.0026"},
        {**covered, "line_item_usage_amount": "0.5", "line_item_unblended_cost": "0.0026",
         "savings_plan_savings_plan_effective_cost": "0.0013"},
        {**covered, "line_item_line_item_type": "SavingsPlanNegation",
         "line_item_usage_amount": "-1.5", "line_item_unblended_cost": "-0.0078"},
        {**PLAN, "line_item_line_item_type": "SavingsPlanRecurringFee",
         "line_item_usage_type": "ComputeSP:1yrNoUpfront", "line_item_unblended_cost": "0.01",
         "savings_plan_total_commitment_to_date": "0.01", "savings_plan_used_commitment": "0.0039"},
    )  # fmt: skip
    (row,) = usage.to_dict("records")
    assert row["quantity"] == 1.5
    assert (row["billed_cost"], row["effective_cost"]) == ("0", "0.0039")
    assert meters["aws/us-east-1/t3.nano"]["on_demand"] == "0.0052"


def test_usage_under_a_reservation_is_billed_nothing(tmp_path: Path):
    held = {"reservation_reservation_a_r_n": "arn:ri", "reservation_effective_cost": "30"}
    usage, meters = read(
        tmp_path,
        {**held, "line_item_line_item_type": "DiscountedUsage", "line_item_unblended_cost": "0",
         "line_item_unblended_rate": "0"},
        {**held, "line_item_line_item_type": "RIFee", "line_item_unblended_cost": "23",
         "line_item_usage_end_date": "2026-12-01T00:00:00Z"},
    )  # fmt: skip
    (row,) = usage.to_dict("records")
    assert (row["quantity"], row["billed_cost"], row["effective_cost"]) == (1.0, "0", "30")
    # The rate of a covered row is zero and no price.
    assert meters["aws/us-west-2/p5.48xlarge"]["on_demand"] is None


def test_spot_windows_and_idle_reservations_are_told_apart(tmp_path: Path):
    usage, meters = read(
        tmp_path,
        {"line_item_usage_type": "USW2-SpotUsage:p5.48xlarge", "line_item_unblended_cost": "20"},
        {"line_item_operation": "RunInstances:0002"},
        {"line_item_usage_type": "USW2-UnusedBox:p5.48xlarge"},
    )
    found = {row["meter"].removeprefix("aws/us-west-2/p5.48xlarge"): row
             for row in usage.to_dict("records")}  # fmt: skip
    assert set(found) == {"", "/windows", "/unused-reservation"}
    assert found[""]["spot_share"] == 1.0
    assert meters["aws/us-west-2/p5.48xlarge"]["spot"] == "20"
    idle = meters["aws/us-west-2/p5.48xlarge/unused-reservation"]
    assert idle["capacity_reservation_status"] == "unused"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tags_are_read_from_json_and_from_maps(tmp_path: Path, kind: str):
    tags = json.dumps({"user_team": "a", "user_gpuopt_spot_tolerant": "0.5"})
    (row,) = read(tmp_path, {"resource_tags": tags}, kind=kind)[0].to_dict("records")
    assert (row["tag_team"], row["spot_tolerant"], row["quantity"]) == ("a", 0.5, 1.0)


def test_taxes_and_credits_are_kept_and_disks_are_not(tmp_path: Path):
    usage, _ = read(
        tmp_path,
        {},
        {"line_item_line_item_type": "Tax", "line_item_usage_type": "", "line_item_unblended_cost":
         "7"},
        {"line_item_line_item_type": "Credit", "line_item_unblended_cost": "-5"},
        {"line_item_usage_type": "USW2-EBS:VolumeUsage.gp3"},
    )  # fmt: skip
    found = {row["charge_category"]: row["billed_cost"] for row in usage.to_dict("records")}
    assert {key: value for key, value in found.items() if isinstance(key, str)} == {
        "Tax": "7", "Credit": "-5",
    }  # fmt: skip
    assert usage["quantity"].sum() == 1.0


def test_a_report_without_usage_types_is_refused():
    reader = Reader({"line_item_line_item_type": "VARCHAR"}, "cur.csv")
    with pytest.raises(DataError, match="no column line_item_usage_start_date"):
        cur_sql(reader, "x", TagKeys())
