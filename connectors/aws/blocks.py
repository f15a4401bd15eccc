# SPDX-License-Identifier: Apache-2.0
"""Capacity blocks on sale: live quotes, prepaid, for a fixed start and length."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, pages
from connectors.aws.offers import Shelf
from connectors.aws.session import Cloud
from connectors.aws.words import Row, Wanted, gpu_machines, hour, meter_of
from connectors.pulled import Remark, Report, Request
from connectors.values import plain_or_none

_NINE = Decimal("0.000000001")
AHEAD = timedelta(weeks=8)


def add_blocks(
    cloud: Cloud, wanted: Wanted, shelf: Shelf, request: Request, as_of: str, report: Report
) -> None:
    """Add the blocks that are quoted for the GPU machines of each region.

    A quote is for one number of instances. Quotes of one zone, start and length become one
    offer: up to the largest number that was quoted, at the dearest price per instance.
    """
    jobs = []
    for region, machines in wanted.items():
        client = cloud.client("ec2", region)
        for machine in gpu_machines(machines):
            jobs += [
                _job(cloud, client, region, machine, days, count, request)
                for days in cloud.options.block_days
                for count in cloud.options.block_counts
            ]
    found: dict[str, tuple[Row, str, int, Decimal]] = {}
    for job, quotes in zip(jobs, ask_all(jobs, report, cloud.options.parallel), strict=True):
        region = job.place.split("/")[0]
        for quote in quotes:
            row, count, price = _offer(quote, region, as_of)
            name = str(row["offer"])
            meter = meter_of(region, quote["InstanceType"])
            before = found.get(name)
            if before is not None and before[2] >= count:
                row, count = before[0], before[2]
            dearest = max(price, before[3]) if before else price
            found[name] = (row, meter, count, dearest)
    for row, meter, count, price in found.values():
        row["upfront"], row["maximum"] = plain_or_none(price), str(count)
        shelf.put(row, {meter: Decimal(1)})
    if found:
        text = "quotes of capacity blocks hold for minutes: ask again before buying"
        report.remarks.append(Remark("capacity blocks", text, len(found)))


def _job(
    cloud: Cloud,
    client: Any,
    region: str,
    machine: str,
    days: int,
    count: int,
    request: Request,
) -> Question[Any]:
    def call() -> list[Any]:
        return pages(
            client.describe_capacity_block_offerings,
            "CapacityBlockOfferings",
            cloud.options.patience,
            InstanceType=machine,
            InstanceCount=count,
            CapacityDurationHours=24 * days,
            StartDateRange=request.until,
            EndDateRange=request.until + AHEAD + timedelta(days=days),
        )

    return Question(
        "ec2",
        "describe_capacity_block_offerings",
        f"{region}/{machine}/{days}d/{count}",
        call,
        "ec2:DescribeCapacityBlockOfferings",
        optional=True,
    )


def _offer(quote: dict[str, Any], region: str, as_of: str) -> tuple[Row, int, Decimal]:
    """Return the row of a quote, its number of instances and the price of one."""
    # A block that starts within an hour covers it in the plan from the hour's beginning.
    start = hour(quote["StartDate"])
    hours = int(quote["CapacityBlockDurationHours"])
    count = int(quote["InstanceCount"])
    name = f"aws/{region}/capacity-block/{quote['InstanceType']}/{quote['AvailabilityZone']}"
    row: Row = {
        "offer": f"{name}/{start:%Y-%m-%d}/{hours}h",
        "provider_offer_id": quote["CapacityBlockOfferingId"],
        "law": "capacity.block",
        "measure": "units",
        "term_hours": hours,
        "payment": "all",
        "minimum": "1",
        "step": "1",
        "available_until": start,
        "starts": start,
        "scope": "shared",
        "guarantees_capacity": True,
        "source": "EC2 DescribeCapacityBlockOfferings, a quote",
        "as_of": as_of,
    }
    price = (Decimal(quote["UpfrontFee"]) / count).quantize(_NINE, ROUND_CEILING)
    return row, count, price
