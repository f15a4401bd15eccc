# SPDX-License-Identifier: Apache-2.0
"""Usage from Cost Explorer, where no export is set up: daily, by account and usage type.

It knows neither zones nor tags nor operating systems (Linux is assumed), and each page
costs money: it is the fallback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.asking import Question
from connectors.aws.ask import ask_all, pages
from connectors.aws.session import Cloud
from connectors.aws.words import IDLE, Row, meter_of
from connectors.months import months_of
from connectors.pulled import Remark, Report, Request
from connectors.values import plain_or_none

SERVICE = "Amazon Elastic Compute Cloud - Compute"
_TYPE = re.compile(r"(?:[A-Z0-9]+-)?(Box|Spot|UnusedBox|Dedicated)(?:Usage)?:([a-z0-9.-]+)")


def explorer_usage(
    cloud: Cloud, request: Request, regions: Sequence[str], report: Report
) -> pd.DataFrame:
    """Return ``usage`` by day, region, account and machine type; no rows if it is denied.

    Costs are unblended; of what a commitment covers they are not what was billed, so only
    usage outside commitments states them.
    """
    client = cloud.client("ce")
    jobs = []
    for start, end in months_of(request.since, request.until):
        for region in regions:
            arguments = _question(f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}", region)
            if arguments["TimePeriod"]["Start"] >= arguments["TimePeriod"]["End"]:
                continue

            def call(arguments: dict[str, Any] = arguments) -> list[Any]:
                return pages(
                    client.get_cost_and_usage,
                    "ResultsByTime",
                    cloud.options.patience,
                    "NextPageToken",
                    **arguments,
                )

            place = f"{region}/{start:%Y-%m}"
            jobs.append(Question("ce", "get_cost_and_usage", place, call, "ce:GetCostAndUsage"))
    rows: dict[tuple[str, str, str, str], Row] = {}
    unknown = 0
    for job, periods in zip(jobs, ask_all(jobs, report, cloud.options.parallel), strict=True):
        region = job.place.split("/")[0]
        for period in periods:
            for group in period["Groups"]:
                unknown += not _add(rows, period, group, region)
    report.remarks.append(
        Remark("usage", "from Cost Explorer: daily, without zones and tags, all taken for Linux;"
               " an export (setting export) tells more", len(rows))
    )  # fmt: skip
    if unknown:
        report.remarks.append(Remark("usage", "usage types that are no machines", unknown))
    return pd.DataFrame(list(rows.values()))


def _question(start: str, end: str, region: str) -> dict[str, Any]:
    def only(key: str, *values: str) -> dict[str, Any]:
        return {"Dimensions": {"Key": key, "Values": list(values)}}

    kinds = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
    return {
        "TimePeriod": {"Start": start, "End": end},
        "Granularity": "DAILY",
        "Metrics": ["UsageQuantity", "UnblendedCost"],
        "GroupBy": [
            {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"},
            {"Type": "DIMENSION", "Key": "USAGE_TYPE"},
        ],
        "Filter": {
            "And": [only("SERVICE", SERVICE), only("REGION", region), only("RECORD_TYPE", *kinds)]
        },
    }


def _add(rows: dict[tuple[str, str, str, str], Row], period: Row, group: Row, region: str) -> bool:
    """Add a group; say whether it was about a machine."""
    account, usage_type = group["Keys"]
    match = _TYPE.fullmatch(usage_type)
    if match is None:
        return False
    day = period["TimePeriod"]["Start"][:10]
    quantity = Decimal(group["Metrics"]["UsageQuantity"]["Amount"])
    if not quantity:
        return True
    meter = meter_of(region, match[2])
    if match[1] == "UnusedBox":
        meter += IDLE
    spot = quantity if match[1] == "Spot" else Decimal(0)
    key = (day, meter, account, "")
    before = rows.get(key)
    total = quantity + (Decimal(before["quantity"]) if before else 0)
    spot += Decimal(before["_spot"]) if before else 0
    rows[key] = {
        "hour": pd.Timestamp(day),
        "meter": meter,
        "quantity": plain_or_none(total),
        "account": account,
        "spot_share": float(spot / total) if spot else None,
        "grain": "day",
        "_spot": plain_or_none(spot),
    }
    return True
