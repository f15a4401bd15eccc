# SPDX-License-Identifier: Apache-2.0
"""Usage details: which machines ran on which day, where, for whom.

Azure tells usage by the day and by resource.  A row keeps its day (``grain`` is ``day``);
``activity`` turns days into hours where Azure Monitor knows when each machine ran.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.asking import Question, all_pages, remark
from connectors.azure.clients import Azure, group_of, scope_of, sdk_pages
from connectors.azure.names import is_low_priority, is_size, is_spot, is_windows, region_of
from connectors.pulled import Report, Request
from connectors.values import exact

PERMISSION = "Microsoft.Consumption/usageDetails/read"
# Paid for hours of a commitment in which nothing ran: no usage, though they have a quantity.
UNUSED = frozenset({"unusedreservation", "unusedbenefit", "unusedsavingsplan"})


@dataclass(frozen=True)
class Ran:
    """What one machine was billed for on one day.

    Attributes
    ----------
    machine : as Azure Resource Manager names the size, ``Standard_NC24ads_A100_v4``.
    windows : whether the meter includes a Windows licence.
    account : ``management group/subscription/resource group``, as far as it is known.
    quantity : hours.
    cost : in the billing currency, of the metric that was asked for.
    """

    day: date
    region: str
    machine: str
    windows: bool
    resource: str
    account: str
    subscription: str
    quantity: Decimal
    cost: Decimal
    currency: str
    meter_id: str
    spot: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def meter(self) -> str:
        """The name of the meter it drew."""
        return meter_name(self.region, self.machine, windows=self.windows)


def meter_name(region: str, machine: str, *, windows: bool = False) -> str:
    """Return our name of a machine's meter; Windows is billed by a meter of its own."""
    return f"azure/{region}/{machine}" + ("/windows" if windows else "")


def questions(azure: Azure, request: Request) -> list[Question[Any]]:
    """Return one question for each scope and month: short windows keep answers small."""
    metric = request.settings.get("metric", "actualcost")
    asked = []
    for account in request.accounts:
        for first, last in _months(request.since, request.until):
            asked.append(
                Question(
                    "consumption",
                    "usage_details.list",
                    f"{account}/{first:%Y-%m}",
                    _asking(azure, account, metric, first, last),
                    PERMISSION,
                )
            )
    return asked


def _asking(azure: Azure, account: str, metric: str, first: date, last: date) -> Any:
    client = azure.consumption("")
    window = f"properties/usageStart ge '{first}' and properties/usageEnd le '{last}'"

    def ask() -> list[tuple[str, Any]]:
        found = all_pages(
            sdk_pages(
                lambda: client.usage_details.list(
                    scope_of(account).strip("/"),
                    expand="properties/meterDetails,properties/additionalInfo",
                    filter=window,
                    metric=metric,
                    **azure.per_call,
                )
            ),
            identity=lambda row: row.id or row.name,
        )
        return [(group_of(account), row) for row in found]

    return ask


def ran(rows: Iterable[tuple[str, Any]], request: Request, report: Report) -> list[Ran]:
    """Return the machines' rows of usage details, and say what was left out.

    Parameters
    ----------
    rows
        (management group, row of the SDK), of both kinds: legacy (Enterprise Agreement)
        and modern (Microsoft Customer Agreement).
    """
    kept: list[Ran] = []
    others: dict[str, tuple[int, Decimal]] = {}
    unread = 0
    for group, row in rows:
        values = _values(row)
        kind = str(values.get("chargeType") or "Usage").lower()
        machine = _machine(values)
        if kind != "usage" or not machine:
            subject = kind if kind != "usage" else _service(values)
            count, cost = others.get(subject, (0, Decimal(0)))
            others[subject] = (count + 1, cost + _cost(values))
            continue
        one = _ran(group, row, values, machine)
        if one is None:
            unread += 1
        elif not request.regions or one.region in request.regions:
            kept.append(one)
    for subject, (count, cost) in sorted(others.items()):
        known = "hours of a commitment in which nothing ran" if subject in UNUSED else subject
        remark(report, "azure usage", f"left out: {known}, cost {cost:f}", count)
    if unread:
        remark(report, "azure usage", "left out: rows without a day, a region or a meter", unread)
    return kept


def _values(row: Any) -> dict[str, Any]:
    """Return a row by its names on the wire, legacy and modern told apart by neither."""
    values = dict(row.properties.as_dict() if hasattr(row, "properties") else row.as_dict())
    values.update({f"meter.{k}": v for k, v in (values.get("meterDetails") or {}).items()})
    return values


def _machine(values: Mapping[str, Any]) -> str:
    """Return the size of the virtual machine of a row; empty if it is none.

    The service that consumed it is not asked: machine learning and containers run on
    virtual machines too, and reservations cover those.
    """
    category = str(values.get("meterCategory") or values.get("meter.meterCategory") or "")
    try:
        info = json.loads(values.get("additionalInfo") or "{}")
    except ValueError:
        return ""
    if not isinstance(info, dict) or category not in ("", "Virtual Machines"):
        return ""
    size = str(info.get("ServiceType") or "")
    # Disks and traffic of a machine are told by the usage type, not by the size.
    kind = str(info.get("UsageType") or "ComputeHR").lower()
    return size if is_size(size) and kind.startswith("compute") else ""


def _ran(group: str, row: Any, values: Mapping[str, Any], machine: str) -> Ran | None:
    text = str(values.get("date") or "")[:10]
    region = region_of(
        str(values.get("resourceLocationNormalized") or values.get("resourceLocation") or "")
    )
    if not text or not region or not values.get("meterId"):
        return None
    meter = str(values.get("meterName") or values.get("meter.meterName") or "")
    category = str(values.get("meterSubCategory") or values.get("meter.meterSubCategory") or "")
    product = str(values.get("product") or "")
    subscription = str(values.get("subscriptionGuid") or values.get("subscriptionId") or "")
    path = [group, subscription.rsplit("/", 1)[-1], str(values.get("resourceGroup") or "")]
    model = str(values.get("pricingModel") or "")
    return Ran(
        day=date.fromisoformat(text),
        region=region,
        machine=machine,
        windows=is_windows(category) or is_windows(product),
        resource=str(values.get("resourceId") or values.get("instanceName") or ""),
        account="/".join(part for part in path if part),
        subscription=path[1],
        quantity=exact(values.get("quantity")),
        cost=_cost(values),
        currency=str(values.get("billingCurrency") or values.get("billingCurrencyCode") or ""),
        meter_id=str(values["meterId"]).lower(),
        spot=model.lower() == "spot" or is_spot(meter) or is_low_priority(meter),
        tags={str(k): str(v) for k, v in (row.tags or {}).items()},
    )


def _cost(values: Mapping[str, Any]) -> Decimal:
    for name in ("cost", "costInBillingCurrency"):
        if values.get(name) is not None:
            return exact(values[name])
    return Decimal(0)


def _service(values: Mapping[str, Any]) -> str:
    return str(values.get("meterCategory") or values.get("meter.meterCategory") or "other services")


def _months(since: datetime, until: datetime) -> list[tuple[date, date]]:
    """Return the first and last day of each month, or part of one, of the whole days between.

    A day that the window cuts is left out: its row is that of the whole day, or of what has
    been billed so far, and spread evenly it would reach beyond the window.
    """
    start = since.astimezone(UTC) if since.tzinfo else since
    end = until.astimezone(UTC) if until.tzinfo else until
    day = (start + timedelta(days=1) - timedelta(microseconds=1)).date()
    last = end.date() - timedelta(days=1)
    spans = []
    while day <= last:
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        spans.append((day, min(last, following - timedelta(days=1))))
        day = following
    return spans
