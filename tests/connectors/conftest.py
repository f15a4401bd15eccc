# SPDX-License-Identifier: Apache-2.0
"""FOCUS rows to read, and a source without a cloud."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)

ROW = {
    "BilledCost": "10",
    "EffectiveCost": "10",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-11-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodStart": "2026-11-03T05:00:00Z",
    "ChargePeriodEnd": "2026-11-03T06:00:00Z",
    "PricingCategory": "Standard",
    "ConsumedQuantity": "2",
    "ConsumedUnit": "Hours",
    "PricingQuantity": "2",
    "PricingUnit": "Hours",
    "ContractedUnitPrice": "5",
    "ListUnitPrice": "6",
    "ProviderName": "AWS",
    "RegionId": "us-east-1",
    "AvailabilityZone": "us-east-1a",
    "SubAccountId": "111122223333",
    "ServiceCategory": "Compute",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "SkuId": "SKU1",
    "SkuPriceDetails": json.dumps({"InstanceType": "p5.48xlarge"}),
    "CommitmentDiscountId": "",
    "CommitmentDiscountType": "",
    "CommitmentDiscountCategory": "",
    "CommitmentDiscountStatus": "",
    "CommitmentDiscountQuantity": "",
    "Tags": "",
}


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write FOCUS rows, each the usual row with some values changed; ``None`` drops a column."""
    full = [{**ROW, **row} for row in rows]
    columns = [
        c for c in dict.fromkeys(c for row in full for c in row) if full[0].get(c) is not None
    ]
    opened: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(full)
    return file


def hours(start: datetime, count: int) -> list[dict[str, str]]:
    """The charge periods of so many hours."""
    return [
        {
            "ChargePeriodStart": f"{start + timedelta(hours=i):%Y-%m-%dT%H:00:00Z}",
            "ChargePeriodEnd": f"{start + timedelta(hours=i + 1):%Y-%m-%dT%H:00:00Z}",
        }
        for i in range(count)
    ]


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Write FOCUS rows to a file of the test's folder."""

    def write(*rows: dict[str, Any], name: str = "export.csv") -> Path:
        return write_rows(tmp_path / name, rows)

    return write
