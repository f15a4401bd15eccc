# SPDX-License-Identifier: Apache-2.0
"""Usage out of the billing export: which parts of which machines ran in each hour."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.asking import remark
from connectors.facts import COLUMNS, chosen, misread, stated
from connectors.gcp.names import (
    Kind,
    Way,
    families_of,
    family_of,
    gpu_family,
    kind_of,
    machines,
    meter_name,
)
from connectors.pulled import Report
from connectors.values import exact, plain


@dataclass(frozen=True)
class Ran:
    """What one SKU was billed for in one hour.

    Attributes
    ----------
    machine : as ``a3-highgpu-8g``; empty where the export does not say.
    unused : hours of a reservation in which nothing ran.
    cost : after all credits.
    own_price : per unit, of the default consumption model; ``None`` if it is not told.
    """

    hour: datetime
    region: str
    zone: str
    family: str
    part: str
    machine: str
    account: str
    project: str
    spot: bool
    unused: bool
    sku_id: str
    quantity: Decimal
    cost: Decimal
    own_price: Decimal | None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def meter(self) -> str:
        """The name of the meter it drew."""
        return meter_name(self.region, self.family, self.part) + ("/unused" * self.unused)


@dataclass(frozen=True)
class Fee:
    """What was charged for a commitment in one hour.

    Attributes
    ----------
    sku : its description.
    price : per unit, as charged; ``None`` if it is not told.
    subscription : names a flexible commitment.
    """

    hour: datetime
    project: str
    sku_id: str
    sku: str
    subscription: str
    quantity: Decimal
    price: Decimal | None


def read(rows: Iterable[Mapping[str, Any]], report: Report) -> tuple[list[Ran], list[Fee], bool]:
    """Return usage, fees, and whether spend-based commitments count in list prices (legacy)."""
    ran: list[Ran] = []
    fees: list[Fee] = []
    others: dict[str, tuple[int, Decimal]] = {}
    guessed: dict[str, int] = {}
    legacy = False
    for row in rows:
        kind = kind_of(str(row["sku"] or ""))
        legacy = legacy or exact(row["legacy"]) != 0
        hour = datetime.fromisoformat(str(row["hour"]).removesuffix("Z"))
        price = exact(row["own_price"]) if row["own_price"] is not None else None
        quantity, cost = exact(row["quantity"]), exact(row["cost"]) + exact(row["credit"])
        if kind is not None and kind.way in (Way.COMMITTED, Way.FLEXIBLE):
            fees.append(
                Fee(
                    hour, str(row["project"] or ""), str(row["sku_id"]), str(row["sku"]),
                    str(row["subscription"] or ""), quantity, price,
                )
            )  # fmt: skip
            continue
        if kind is None or kind.way is Way.SCHEDULED or quantity == 0:
            subject = "scheduled capacity (DWS)" if kind is not None else "other SKUs"
            count, sum_ = others.get(subject, (0, Decimal(0)))
            others[subject] = (count + 1, sum_ + cost)
            continue
        machine = str(row["machine_spec"] or "")
        family = _family(kind, machine)
        if not machine:
            guessed[str(row["sku"])] = guessed.get(str(row["sku"]), 0) + 1
        ran.append(
            Ran(
                hour, str(row["region"] or ""), str(row["zone"] or ""), family, kind.part, machine,
                "/".join(t for t in (str(row["billing_account"]), str(row["project"] or "")) if t),
                str(row["project"] or ""), kind.way is Way.SPOT, row["unused"] == "true",
                str(row["sku_id"]), quantity, cost, price, _labels(row["labels"]),
            )
        )  # fmt: skip
    for subject, (count, sum_) in sorted(others.items()):
        remark(report, "gcp usage", f"left out: {subject}, cost {plain(sum_)}", count)
    for sku, count in sorted(guessed.items()):
        remark(report, "gcp usage", f"'{sku}' without a machine type: family by its SKU", count)
    return ran, fees, legacy


def _family(kind: Kind, machine: str) -> str:
    if kind.part == "gpu":
        return gpu_family(kind.gpu, machine)
    if machine:
        return family_of(machine)
    return (families_of(kind.series, "") or ["machine"])[0]


@functools.lru_cache(maxsize=10_000)  # a machine's labels come with every hour and part of it
def _labels(text: str | None) -> Mapping[str, str]:
    found = json.loads(text or "[]")
    return {str(pair["key"]): str(pair["value"] or "") for pair in found}


def table(ran: Sequence[Ran], tags: Sequence[str], report: Report) -> pd.DataFrame:
    """Return the rows of ``usage``, ordered by meter, account, purpose and hour."""
    sums: dict[tuple[Any, ...], tuple[Decimal, Decimal]] = {}
    ignored: dict[str, int] = {}
    for one in ran:
        for name in misread(one.labels):
            ignored[name] = ignored.get(name, 0) + 1
        key = (
            one.meter, one.account, one.zone, tuple(chosen(one.labels, tags).values()), one.hour,
            one.spot, tuple(sorted(_facts(one).items())),
        )  # fmt: skip
        quantity, cost = sums.get(key, (Decimal(0), Decimal(0)))
        sums[key] = (quantity + one.quantity, cost + one.cost)
    for name, count in sorted(ignored.items()):
        remark(report, "gcp usage", f"label {name} states nothing that is understood", count)
    alike: dict[tuple[Any, ...], int] = {}
    for key in sums:
        alike[_named(key)] = alike.get(_named(key), 0) + 1
    rows = []
    negative = 0
    for key in sorted(sums, key=lambda key: (*key[:4], key[6], key[5], key[4])):
        meter, account, zone, named, hour, spot, told = key
        quantity, cost = sums[key]
        if quantity <= 0:
            negative += quantity < 0
            continue
        apart = [f"{name}={value}" for name, value in told if name != "workload"]
        rows.append(
            {
                "hour": hour,
                "meter": meter,
                "quantity": plain(quantity),
                "account": account,
                "zone": zone,
                "grain": "hour",
                "spot_share": "1" if spot else "",
                **dict.fromkeys(COLUMNS, ""),
                **dict(told),
                **{f"tag_{name}": value for name, value in zip(tags, named, strict=True)},
                "billed_cost": plain(cost),
                # Rows that a case tells apart by nothing else are told apart by this.
                "charge_id": ";".join([*(["spot"] if spot else []), *apart])
                if alike[_named(key)] > 1
                else "",
            }
        )
    if negative:
        remark(report, "gcp usage", "left out: hours whose corrections exceed their use", negative)
    return pd.DataFrame(rows, columns=None if rows else ["hour", "meter", "quantity"])


def _named(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what tells two rows of a case apart, but for the charge."""
    *place, _, told = key
    return (*place, dict(told).get("workload", ""))


def _facts(one: Ran) -> dict[str, str]:
    """Return what labels state; a machine's restart is paid once, by its GPUs."""
    told = stated(one.labels)
    whole = told.pop("restart_cost", None)
    if whole is not None:
        shape = machines()[one.machine].parts if one.machine in machines() else {}
        count = shape.get(one.part, Decimal(0)) if one.part == "gpu" else Decimal(0)
        if count:
            told["restart_cost"] = plain(exact(whole) / count)
    return told
