# SPDX-License-Identifier: Apache-2.0
"""The demonstration company's FOCUS export in S3 (moto's), as AWS writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import duckdb

from .aws import BANDS, LAB, table

BUCKET, PREFIX = "frontier-exports", "daily/focus"
EXPORT = f"s3://{BUCKET}/{PREFIX}"
_COLUMNS = """
    SELECT m.meter, quantity AS q, hour, split_part(account, '/', 3) AS SubAccountId, zone,
      m.on_demand AS ContractedUnitPrice, m.list_price AS ListUnitPrice, m.region,
      split_part(m.meter, '/', 3) AS machine,
      map {'gpuopt:workload': workload, 'gpuopt:spot_tolerant': spot_tolerant::VARCHAR,
           'gpuopt:lost_hours': lost_hours::VARCHAR, 'gpuopt:restart_cost': restart_cost::VARCHAR,
           'team': tag_team, 'purpose': tag_purpose} AS Tags
    FROM usage JOIN meters m USING (meter)
"""
_ROWS = """
    SELECT 'Usage' AS ChargeCategory, 'Usage-Based' AS ChargeFrequency, NULL AS ChargeClass,
      'Standard' AS PricingCategory, 'USD' AS BillingCurrency, 'AWS' AS ProviderName,
      '999900001111' AS BillingAccountId, SubAccountId, 'Compute' AS ServiceCategory,
      'Amazon Elastic Compute Cloud' AS ServiceName, region AS RegionId,
      zone AS AvailabilityZone,
      CASE region WHEN 'us-west-2' THEN 'USW2-' ELSE '' END || 'BoxUsage:' || machine AS SkuMeter,
      'SKU-' || half AS SkuId, 'i-' || half AS ResourceId,
      hour AS ChargePeriodStart, hour + INTERVAL 1 HOUR AS ChargePeriodEnd,
      date_trunc('month', hour) AS BillingPeriodStart,
      -- Two resources make up each hour of a fleet; a double each, as AWS writes them.
      q / 2 AS ConsumedQuantity, 'Hours' AS ConsumedUnit, q / 2 AS PricingQuantity,
      'Hrs' AS PricingUnit, ContractedUnitPrice::DOUBLE AS ContractedUnitPrice,
      ListUnitPrice::DOUBLE AS ListUnitPrice, q / 2 * ContractedUnitPrice::DOUBLE AS BilledCost,
      q / 2 * ContractedUnitPrice::DOUBLE AS EffectiveCost, NULL::VARCHAR AS CommitmentDiscountId,
      NULL::VARCHAR AS CommitmentDiscountStatus, Tags
    FROM fleet, (VALUES (1), (2)) t(half)
"""
_OTHERS = """
    SELECT * REPLACE ('Purchase' AS ChargeCategory, NULL AS SkuMeter, 'arn:plan' AS
      CommitmentDiscountId, 32.0 AS BilledCost, NULL AS ConsumedQuantity) FROM one
    UNION ALL SELECT * REPLACE ('Tax' AS ChargeCategory, NULL AS SkuMeter, 7.5 AS BilledCost,
      NULL AS ConsumedQuantity) FROM one
    UNION ALL SELECT * REPLACE ('Storage' AS ServiceCategory, 'Amazon S3' AS ServiceName,
      'TimedStorage' AS SkuMeter, 9.0 AS BilledCost) FROM one
    UNION ALL SELECT * REPLACE ('Committed' AS PricingCategory, 'arn:plan' AS CommitmentDiscountId,
      'Unused' AS CommitmentDiscountStatus, NULL AS SkuMeter, NULL AS ConsumedQuantity) FROM one
"""


def write_export(s3: Any, folder: Path, months: tuple[str, ...] = ()) -> list[str]:
    """Write the company's export by billing period; return the keys.

    Each period has an older delivery too, with twice the usage: reading it, or both,
    would show in the plan.
    """
    s3.create_bucket(Bucket=BUCKET)
    keys = []
    with duckdb.connect() as c:
        c.execute(f"CREATE VIEW usage AS FROM '{LAB}/usage.parquet' WHERE meter LIKE 'aws/%'")
        c.execute(f"CREATE VIEW meters AS FROM read_csv('{LAB}/meters.csv', all_varchar = true)")
        c.execute(f"CREATE TABLE fleet AS {_COLUMNS}")
        c.execute(f"CREATE TABLE rows AS {_ROWS}")
        for (month,) in c.execute(
            "SELECT DISTINCT strftime(BillingPeriodStart, '%Y-%m') FROM rows ORDER BY 1"
        ).fetchall():
            if months and month not in months:
                continue
            c.execute(
                "CREATE OR REPLACE VIEW period AS FROM rows WHERE"
                f" strftime(BillingPeriodStart, '%Y-%m') = '{month}'"
            )
            c.execute("CREATE OR REPLACE TABLE one AS FROM period ORDER BY ALL LIMIT 1")
            for delivery, extra in (
                ("old", "UNION ALL FROM period"),
                ("new", f"UNION ALL {_OTHERS}"),
            ):
                file = folder / f"{month}-{delivery}.snappy.parquet"
                c.execute(f"COPY (FROM period {extra}) TO '{file}' (FORMAT parquet)")
                key = f"{PREFIX}/data/billing_period={month}/{delivery}/part-0.snappy.parquet"
                s3.put_object(Bucket=BUCKET, Key=key, Body=file.read_bytes())
                keys.append(key)
            manifest = {"dataFiles": [f"s3://{BUCKET}/{keys[-1]}"]}
            key = f"{PREFIX}/metadata/billing_period={month}/new/focus-Manifest.json"
            s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(manifest).encode())
    return keys


def write_advisor(s3: Any) -> None:
    """Write the public spot advisor's file, with the bands behind the company's chances."""
    chances = {f"{1 - (1 - float(band)) ** (1 / 730):.9f}": i for i, band in enumerate(BANDS)}
    regions: dict[str, Any] = {}
    for meter in table("meters"):
        if meter["spot_interruption"]:
            band = chances[f"{float(meter['spot_interruption']):.9f}"]
            machine = meter["meter"].split("/")[2]
            linux = regions.setdefault(meter["region"], {"Linux": {}, "Windows": {}})["Linux"]
            linux[machine] = {"s": 50, "r": band}
    s3.create_bucket(Bucket="spot-bid-advisor", ACL="public-read")
    body = json.dumps({"spot_advisor": regions, "ranges": []}).encode()
    s3.put_object(
        Bucket="spot-bid-advisor", Key="spot-advisor-data.json", Body=body, ACL="public-read"
    )


def s3_client(url: str) -> Any:
    """A client of moto's S3."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
