# SPDX-License-Identifier: Apache-2.0
"""Hours out of days: when each machine ran, by Azure Monitor's availability metric.

Usage details say how many hours a machine was billed for on a day, not which.  Spread evenly,
bursts vanish and commitments look better than they are.  The metric has a sample for every
minute in which the machine ran, kept for 93 days: the day's billed hours are laid over the hours
in proportion to it, so that the day still adds up to what was billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.asking import Question, patiently
from connectors.azure.clients import Azure
from connectors.azure.usage import Ran
from connectors.values import exact

PERMISSION = "Microsoft.Insights/Metrics/Read"
METRIC = "VmAvailabilityMetric"
FULL = Decimal(24)
NINE = Decimal("0.000000001")


@dataclass(frozen=True)
class Minutes:
    """The minutes that a machine ran in one hour."""

    resource: str
    hour: datetime
    minutes: Decimal


Days = Mapping[tuple[str, date], Decimal]


def days(machines: Iterable[Ran]) -> dict[tuple[str, date], Decimal]:
    """Return the billed hours by resource and day; a day may be billed in several rows."""
    found: dict[tuple[str, date], Decimal] = {}
    for one in machines:
        key = (one.resource, one.day)
        found[key] = found.get(key, Decimal(0)) + one.quantity
    return found


def questions(azure: Azure, billed: Days) -> list[Question[Minutes]]:
    """Return one question for each machine that did not run all hours of all its days."""
    spans: dict[str, tuple[date, date]] = {}
    for (resource, day), quantity in billed.items():
        if resource.startswith("/") and quantity < FULL:
            first, last = spans.get(resource, (day, day))
            spans[resource] = (min(first, day), max(last, day))
    return [
        Question("monitor", METRIC, resource, _asking(azure, resource, first, last), PERMISSION)
        for resource, (first, last) in sorted(spans.items())
    ]


def _asking(azure: Azure, resource: str, first: date, last: date) -> Any:
    params = {
        "api-version": "2018-01-01",
        "metricnames": METRIC,
        "interval": "PT1H",
        "aggregation": "Total,Average",
        "timespan": f"{first}T00:00:00Z/{last + timedelta(days=1)}T00:00:00Z",
    }

    def ask() -> list[Minutes]:
        path = f"{resource}/providers/Microsoft.Insights/metrics"
        answer = patiently(lambda: azure.get(path, params))
        return [
            Minutes(resource, _hour(point["timeStamp"]), minutes)
            for metric in answer.get("value", ())
            for series in metric.get("timeseries", ())
            for point in series.get("data", ())
            if (minutes := _minutes(point)) > 0
        ]

    return ask


def _minutes(point: Mapping[str, Any]) -> Decimal:
    """Return the minutes of an hour in which the machine was up; 0 if it has no samples.

    A sample is 1 or 0 and there is one a minute.  Where only their average is told, it
    stands for the hour: the billed hours of the day set the scale.
    """
    if point.get("total") is not None:
        return exact(point["total"])
    return exact(point["average"]) * 60 if point.get("average") is not None else Decimal(0)


def hours(
    one: Ran, minutes: Mapping[tuple[str, datetime], Decimal], billed: Days
) -> dict[datetime, Decimal]:
    """Return the hours of one row's day; empty if nothing is known of them.

    The values add up to the row's quantity (to nine decimals an hour).  A machine that was
    billed for all 24 hours ran in each of them; otherwise the minutes tell.
    """
    start = datetime.combine(one.day, datetime.min.time())
    every = [start + timedelta(hours=i) for i in range(24)]
    if billed.get((one.resource, one.day)) == FULL:
        return dict.fromkeys(every, (one.quantity / FULL).quantize(NINE))
    known = {hour: minutes.get((one.resource, hour), Decimal(0)) for hour in every}
    total = sum(known.values(), Decimal(0))
    if total == 0:
        return {}
    return {
        hour: (value * one.quantity / total).quantize(NINE)
        for hour, value in known.items()
        if value
    }


def _hour(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(
        tzinfo=None, minute=0, second=0, microsecond=0
    )
