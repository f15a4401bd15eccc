# SPDX-License-Identifier: Apache-2.0
"""List prices, spot prices and how often spot is taken, by region and machine type."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, attempt, chunks, pages
from connectors.aws.session import Cloud
from connectors.aws.words import LINUX, Wanted, gpu_machines, moment
from connectors.pulled import Remark, Report, Request

Place = tuple[str, str]  # region, machine type

# The spot advisor's bands, per month; the middle of each is taken.
BANDS = ("0.025", "0.075", "0.125", "0.175", "0.25")
ADVISOR = ("spot-bid-advisor", "spot-advisor-data.json")
_NINE = Decimal("0.000000001")
_MONTH = 730.0
_FEW = 3  # AWS: fewer types than this always score low
_LINUX_FILTERS = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
}


@dataclass(frozen=True)
class Spot:
    """A spot price per instance-hour, and the chance that it is taken within an hour."""

    price: Decimal
    interruption: Decimal | None


def list_prices(cloud: Cloud, wanted: Wanted, report: Report) -> dict[Place, Decimal]:
    """Return the on-demand list price by region and machine type, for Linux."""
    client = cloud.client("pricing")
    jobs = []
    for region, machines in wanted.items():
        for part in chunks(machines, 20):
            fixed = {**_LINUX_FILTERS, "regionCode": region}
            filters = [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in fixed.items()]
            filters.append({"Type": "ANY_OF", "Field": "instanceType", "Value": ",".join(part)})

            def call(filters: list[dict[str, str]] = filters) -> list[Any]:
                return pages(
                    client.get_products,
                    "PriceList",
                    cloud.options.patience,
                    ServiceCode="AmazonEC2",
                    Filters=filters,
                    MaxResults=100,
                )

            jobs.append(Question("pricing", "get_products", region, call, "pricing:GetProducts"))
    found: dict[Place, set[Decimal]] = {}
    for rows in ask_all(jobs, report, cloud.options.parallel):
        for text in rows:
            place, price = _on_demand(json.loads(text))
            if place is not None and price is not None:
                found.setdefault(place, set()).add(price)
    several = sorted("/".join(place) for place, prices in found.items() if len(prices) > 1)
    if several:
        text = f"several list prices; the highest is taken: {', '.join(several)}"
        report.remarks.append(Remark("prices", text, len(several)))
    return {place: max(prices) for place, prices in found.items()}


def _on_demand(product: Mapping[str, Any]) -> tuple[Place | None, Decimal | None]:
    attributes = product["product"]["attributes"]
    if attributes.get("marketoption", "OnDemand") != "OnDemand":
        return None, None  # capacity blocks have rows of their own
    prices = [
        Decimal(dimension["pricePerUnit"]["USD"])
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if dimension["unit"] == "Hrs" and "USD" in dimension["pricePerUnit"]
    ]
    place = (attributes["regionCode"], attributes["instanceType"])
    # A free row is AWS's way to say that this is billed elsewhere.
    return place, max((price for price in prices if price > 0), default=None)


def spot_prices(
    cloud: Cloud, wanted: Wanted, request: Request, report: Report
) -> dict[Place, Spot]:
    """Return the spot price: the median of the zones' means over the last days.

    AWS returns the changes of a price, and the last one before the window: each holds
    until the next. How often it is taken is the public spot advisor's band.
    """
    start = request.until - timedelta(days=cloud.options.spot_days)
    jobs = []
    for region, machines in wanted.items():
        client = cloud.client("ec2", region)
        for part in chunks(machines, 50):

            def call(client: Any = client, part: list[str] = part) -> list[Any]:
                return pages(
                    client.describe_spot_price_history,
                    "SpotPriceHistory",
                    cloud.options.patience,
                    InstanceTypes=part,
                    ProductDescriptions=[LINUX],
                    StartTime=start,
                    EndTime=request.until,
                )

            permission = "ec2:DescribeSpotPriceHistory"
            jobs.append(Question("ec2", "describe_spot_price_history", region, call, permission))
    answers = ask_all(jobs, report, cloud.options.parallel)
    bands = _advisor(cloud, report)
    found = {}
    for job, events in zip(jobs, answers, strict=True):
        by_machine: dict[str, dict[str, list[tuple[datetime, Decimal]]]] = {}
        for event in events:
            zones = by_machine.setdefault(event["InstanceType"], {})
            change = (moment(event["Timestamp"]), Decimal(event["SpotPrice"]))
            zones.setdefault(event["AvailabilityZone"], []).append(change)
        for machine, zones in by_machine.items():
            means = [mean_price(events, start, request.until) for events in zones.values()]
            known = [mean for mean in means if mean is not None]
            if known:
                price = Decimal(statistics.median(known)).quantize(_NINE)
                found[job.place, machine] = Spot(price, bands.get((job.place, machine)))
    without = sorted("/".join(place) for place, spot in found.items() if spot.interruption is None)
    if without:
        text = f"no interruption band is known, so spot is not planned: {', '.join(without)}"
        report.remarks.append(Remark("spot", text, len(without)))
    return found


def mean_price(
    events: Iterable[tuple[datetime, Decimal]], start: datetime, end: datetime
) -> Decimal | None:
    """Return the mean of a price that changes at some moments, weighted by time.

    The price before the first change is not known and counts for nothing.
    """
    changes = sorted(set(events))
    total, seconds = Decimal(0), Decimal(0)
    for i, (at, price) in enumerate(changes):
        until = changes[i + 1][0] if i + 1 < len(changes) else end
        first, last = max(at, start), min(until, end)
        if last > first:
            length = Decimal(str((last - first).total_seconds()))
            total += price * length
            seconds += length
    return total / seconds if seconds else None


def hourly_chance(month: Decimal) -> Decimal:
    """Return the chance per hour of a chance per month: 1 − (1 − p)^(1/730)."""
    return Decimal(repr(1.0 - (1.0 - float(month)) ** (1.0 / _MONTH))).quantize(_NINE)


def _advisor(cloud: Cloud, report: Report) -> dict[Place, Decimal]:
    """The chance that spot is taken within an hour, from the public spot advisor."""
    client = cloud.public("s3")
    bucket, key = ADVISOR

    def call() -> list[Any]:
        def read() -> Any:
            return json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())

        return [attempt(read, cloud.options.patience)]

    own = Report()
    answer = ask_all([Question("s3", "get_object", key, call, "none: public")], own, 1)[0]
    if not answer:
        text = f"the spot advisor did not answer ({own.asked[0].detail}): no interruption bands"
        report.remarks.append(Remark("spot", text))
        return {}
    report.asked += own.asked
    return {
        (region, machine): hourly_chance(Decimal(BANDS[band["r"]]))
        for region, systems in answer[0]["spot_advisor"].items()
        for machine, band in systems.get("Linux", {}).items()
    }


def placement_scores(cloud: Cloud, wanted: Wanted, report: Report) -> None:
    """Report how likely AWS thinks it is that spot of a region's GPU machines can be had."""
    jobs = []
    for region, machines in wanted.items():
        gpus: Sequence[str] = gpu_machines(machines)
        if len(gpus) < _FEW:
            continue
        client = cloud.client("ec2", region)

        def call(client: Any = client, gpus: Sequence[str] = gpus, at: str = region) -> list[Any]:
            return pages(
                client.get_spot_placement_scores,
                "SpotPlacementScores",
                cloud.options.patience,
                InstanceTypes=list(gpus),
                TargetCapacity=1,
                TargetCapacityUnitType="units",
                RegionNames=[at],
                MaxResults=10,
            )

        permission = "ec2:GetSpotPlacementScores"
        jobs.append(Question("ec2", "get_spot_placement_scores", region, call, permission))
    for job, rows in zip(jobs, ask_all(jobs, report, cloud.options.parallel), strict=True):
        for row in rows:
            text = (
                f"spot placement score of one GPU machine in {row['Region']}: {row['Score']} of 10"
            )
            report.remarks.append(Remark(f"spot {job.place}", text))
