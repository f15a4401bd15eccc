# SPDX-License-Identifier: Apache-2.0
"""The rows of ``meters`` and ``usage`` out of what Azure told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.asking import remark
from connectors.azure import activity
from connectors.azure.names import series_of
from connectors.azure.offers import Size
from connectors.azure.prices import Place, Price, Retail, Sheet
from connectors.azure.usage import Ran, meter_name
from connectors.facts import COLUMNS, chosen, misread, stated
from connectors.gpus import gpu_of, looks_like_gpu
from connectors.pulled import Report
from connectors.values import plain

Row = dict[str, str]


def meters(
    wanted: Iterable[tuple[Place, bool]],
    retail: Mapping[Place, Retail],
    sheets: Mapping[str, Sheet],
    sizes: Mapping[Place, Size],
    *,
    as_of: str,
    currency: str,
    interruption: str,
    report: Report,
) -> list[Row]:
    """Return one row for each (place, Windows); a size without a price is kept and reported."""
    rows = []
    for place, windows in sorted(set(wanted)):
        listed = retail.get(place, Retail())
        price = listed.windows if windows else listed.machine
        spot = None if windows else listed.spot
        if price is None:
            text = f"{meter_name(*place, windows=windows)} has no retail price: kept without one"
            remark(report, "azure prices", text, 1)
        rows.append(
            {
                "meter": meter_name(*place, windows=windows),
                "provider": "azure",
                "region": place.region,
                "family": series_of(place.machine),
                "product": "instance",
                "unit": "Instance-Hours",
                "on_demand": plain(_own(price, sheets)),
                "list_price": plain(price.amount) if price else "",
                "spot": plain(spot.amount) if spot else "",
                "spot_interruption": interruption if spot else "",
                **_gpus(place.machine, report),
                "size": plain(sizes[place].ratio) if place in sizes and sizes[place].group else "",
                "currency": currency,
                "source": _source(price, sheets, spot, interruption),
                "as_of": as_of,
            }
        )
    return rows


def _gpus(machine: str, report: Report) -> Row:
    """Return model and count of a machine's GPUs, as the house's list of GPUs has them."""
    found = gpu_of("azure", machine)
    if found is not None:
        return {"gpu": found.model, "gpus": plain(found.count)}
    if looks_like_gpu("azure", machine):
        remark(report, "azure machines", f"{machine} looks like a GPU machine of unknown GPUs", 1)
    return {"gpu": "", "gpus": ""}


def _own(price: Price | None, sheets: Mapping[str, Sheet]) -> Decimal | None:
    """Return the customer's price: the price sheet's, else retail."""
    if price is None:
        return None
    return sheets[price.meter_id].price if price.meter_id in sheets else price.amount


def _source(
    price: Price | None, sheets: Mapping[str, Sheet], spot: Price | None, interruption: str
) -> str:
    if price is None:
        return "no price found in the Azure Retail Prices API"
    own = "price sheet" if price.meter_id in sheets else "retail (no price sheet row)"
    told = f"list_price: {price.source}; on_demand: {own}"
    if spot is None:
        return f"{told}; no spot listed"
    chance = "interruption as set for this pull" if interruption else "interruption not told"
    return f"{told}; spot: {spot.source}, {chance}"


def usage(
    ran: Sequence[Ran],
    minutes: Mapping[tuple[str, datetime], Decimal] | None,
    tags: Sequence[str],
    report: Report,
) -> pd.DataFrame:
    """Return the rows of ``usage``, one for each hour (or day), meter, account and tags.

    ``minutes`` is ``None`` where hours were not asked for.
    A machine's day whose hours are known becomes hours; any other stays a day and is
    marked (``grain``): readers spread it evenly.
    """
    sums: dict[tuple[Any, ...], tuple[Decimal, Decimal]] = {}
    days = 0
    billed = activity.days(ran)
    ignored: dict[str, int] = {}
    for one in ran:
        told = stated(one.tags)
        for name in misread(one.tags):
            ignored[name] = ignored.get(name, 0) + 1
        key = (
            one.meter,
            one.account,
            one.spot,
            tuple(sorted(told.items())),
            tuple(chosen(one.tags, tags).values()),
        )
        hours = {} if minutes is None else activity.hours(one, minutes, billed)
        if not hours:
            days += 1
            midnight = datetime.combine(one.day, datetime.min.time())
            _add(sums, (*key, midnight, "day"), one.quantity, one.cost)
        for hour, quantity in hours.items():
            _add(sums, (*key, hour, "hour"), quantity, one.cost * quantity / one.quantity)
    if days:
        text = "days of a machine whose hours are not known: spread evenly over the day"
        remark(report, "azure usage", text, days)
    for name, count in sorted(ignored.items()):
        remark(report, "azure usage", f"tag {name} states nothing that is understood", count)
    return _frame(sums, tags)


def _add(
    sums: dict[tuple[Any, ...], tuple[Decimal, Decimal]],
    key: tuple[Any, ...],
    quantity: Decimal,
    cost: Decimal,
) -> None:
    one, two = sums.get(key, (Decimal(0), Decimal(0)))
    sums[key] = (one + quantity, two + cost)


def _frame(
    sums: Mapping[tuple[Any, ...], tuple[Decimal, Decimal]], tags: Sequence[str]
) -> pd.DataFrame:
    """Return the sums as rows, ordered by meter, account, purpose and hour."""
    alike: dict[tuple[Any, ...], int] = {}
    for key in sums:
        alike[_named(key)] = alike.get(_named(key), 0) + 1
    rows = []
    for key in sorted(sums, key=lambda key: (*key[:5], key[5])):
        meter, account, spot, told, named, hour, grain = key
        quantity, cost = sums[key]
        if quantity == 0:
            continue
        facts = [f"{name}={value}" for name, value in told if name != "workload"]
        apart = ";".join([grain, *(["spot"] if spot else []), *facts])
        rows.append(
            {
                "hour": hour,
                "meter": meter,
                "quantity": plain(quantity),
                "account": account,
                "grain": grain,
                "spot_share": "1" if spot else "",
                **dict.fromkeys(COLUMNS, ""),
                **dict(told),
                **{f"tag_{name}": value for name, value in zip(tags, named, strict=True)},
                "cost": plain(cost),
                # Rows that a case tells apart by nothing else are told apart by this.
                "charge_id": apart if alike[_named(key)] > 1 else "",
            }
        )
    return pd.DataFrame(rows, columns=None if rows else ["hour", "meter", "quantity"])


def _named(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what tells two rows of a case apart, but for the charge."""
    meter, account, _, told, named, hour, _ = key
    return meter, account, dict(told).get("workload", ""), named, hour
