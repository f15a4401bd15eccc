# SPDX-License-Identifier: Apache-2.0
"""What can be bought: resource-based commitments in bundles, and flexible ones by model."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources

from connectors.gcp.names import PARTS, Way, meter_name, series_of, smallest
from connectors.gcp.prices import Prices
from connectors.values import plain

YEAR = 8760
TERMS = (1, 3)
NINE = 9  # Google's prices have nine decimals
Row = dict[str, str]


def offer_name(region: str, family: str, part: str, years: int) -> str:
    """Return our name of a resource-based commitment to one part."""
    return f"gcp/{region}/cud-{family}/{part}/{years}y"


def resources_based(
    places: Iterable[tuple[str, str]], prices: Prices, metered: frozenset[str], as_of: str
) -> tuple[list[Row], list[Row]]:
    """Return the rows of ``offers`` and ``covers`` for resource-based commitments.

    Parameters
    ----------
    places
        (region, family).  A family with GPUs is bought in whole machines: its parts are a
        bundle in the proportion of its smallest machine, because Google demands a GPU
        commitment's vCPUs and memory, and a reservation that matches.
    """
    offers: list[Row] = []
    covers: list[Row] = []
    for region, family in sorted(set(places)):
        machine = smallest(family)
        parts = [part for part in PARTS if meter_name(region, family, part) in metered]
        for years in TERMS:
            listed = {
                part: sku
                for part in parts
                if (sku := prices.find(region, family, part, Way.COMMITTED, years)) is not None
            }
            whole = machine is not None and set(listed) >= set(parts) & {"gpu", "vcpu", "memory"}
            if machine is not None and not whole:
                continue  # a part of the machine cannot be committed: no bundle can be bought
            for part, sku in listed.items():
                count = plain(machine.parts[part]) if machine else "1"
                name = offer_name(region, family, part, years)
                offers.append(
                    {
                        "offer": name,
                        "provider_offer_id": sku.sku_id,
                        "law": "gcp.resource",
                        "measure": "units",
                        "term_hours": str(years * YEAR),
                        "payment": "none",
                        "hourly": plain(prices.paid(sku), NINE),
                        "minimum": count,
                        "step": count,
                        "scope": "shared",
                        "bundle": _bundle(region, family, years) if machine else "",
                        "bundle_ratio": count if machine else "",
                        "guarantees_capacity": "true" if part == "gpu" else "false",
                        "source": f"Cloud Billing catalogue, SKU {sku.sku_id}: {sku.description}"
                        f"; {'own price' if sku.sku_id in prices.own else 'public price'}",
                        "as_of": as_of,
                    }
                )
                covers += [
                    {"offer": name, "meter": meter, "draw": "1"}
                    for meter in _with_unused(meter_name(region, family, part), metered)
                ]
    return offers, covers


def _bundle(region: str, family: str, years: int) -> str:
    return f"gcp-{region}-{family}-{years}y"


def _with_unused(meter: str, metered: frozenset[str]) -> list[str]:
    """Return a meter and that of its idle reservations, which the same offers cover."""
    return [name for name in (meter, f"{meter}/unused") if name in metered]


@functools.cache
def flexible_shares() -> dict[tuple[str, int], tuple[Decimal, str]]:
    """Return the published discount and its source by (series, years)."""
    text = resources.files("connectors.gcp").joinpath("flexible.csv").read_text("utf-8")
    return {
        (row["series"], int(row["years"])): (
            Decimal(row["share"]),
            f"{row['source']} {row['as_of']}",
        )
        for row in csv.DictReader(text.splitlines())
    }


def flexible(
    meters: Iterable[Mapping[str, str]], prices: Prices, as_of: str, *, legacy: bool
) -> tuple[list[Row], list[Row]]:
    """Return the rows of ``offers`` and ``covers`` for flexible commitments.

    Two models: since 2025 a commitment of 1.00 is 1.00 of *discounted* spend an hour, and
    a meter draws its discounted price.  Before (``legacy``) it was 1.00 of *list* spend,
    which costs 1 − the discount: one offer for each discount.
    """
    draws: dict[tuple[int, Decimal], dict[str, Decimal]] = {}
    said: dict[tuple[int, Decimal], str] = {}
    for meter in meters:
        price = meter["list_price"] if legacy else meter["on_demand"]
        series = series_of(meter["family"])
        for years in TERMS:
            share, source = flexible_shares().get((series, years), (Decimal(0), ""))
            if not share or meter["product"] not in ("vcpu", "memory") or not price:
                continue
            key = (years, share if legacy else Decimal(0))
            rate = Decimal(price) if legacy else Decimal(price) * (1 - share)
            draws.setdefault(key, {})[meter["meter"]] = rate
            said[key] = source
    offers: list[Row] = []
    covers: list[Row] = []
    for (years, share), drawn in sorted(draws.items()):
        name = f"gcp/flexible-cud/{years}y-none"
        if legacy:
            name = f"gcp/flexible-cud-legacy-{plain(share * 100)}/{years}y-none"
        fee = prices.fee(years)
        offers.append(
            {
                "offer": name,
                "provider_offer_id": fee.sku_id if fee else "",
                "law": "gcp.flexible.legacy" if legacy else "gcp.flexible",
                "measure": "money",
                "term_hours": str(years * YEAR),
                "payment": "none",
                "hourly": plain(1 - share) if legacy else "1",
                "minimum": "0.001",
                "step": "0.001",
                "scope": "shared",
                "guarantees_capacity": "false",
                "source": f"discount by series: {said[years, share]}; eligibility by that list",
                "as_of": as_of,
            }
        )
        covers += [
            {"offer": name, "meter": meter, "draw": plain(rate, NINE)}
            for meter, rate in sorted(drawn.items())
        ]
    return offers, covers
