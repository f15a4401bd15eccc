# SPDX-License-Identifier: Apache-2.0
"""The source ``aws``: usage, prices, offers and commitments of one or several accounts."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from connectors.aws.blocks import add_blocks
from connectors.aws.commitments import commitment_rows
from connectors.aws.holdings import find_holdings
from connectors.aws.machines import machine_gpus
from connectors.aws.offers import Shelf, add_plans, add_reserved
from connectors.aws.places import account_paths, regions_of
from connectors.aws.prices import Place, Spot, list_prices, placement_scores, spot_prices
from connectors.aws.session import Cloud, Options, open_cloud
from connectors.aws.usage import read_usage
from connectors.aws.words import IDLE, Row, Wanted, machines_of, meter_of, read_on, size_of
from connectors.gpus import gpu_types
from connectors.pulled import Pulled, Remark, Report, Request
from connectors.values import plain_or_none

# Regional reservations and plans apply to idle capacity reservations too; zonal ones do not.
ON_IDLE = ("aws.reserved.regional", "aws.savings.compute", "aws.savings.instance")


def pull(request: Request, report: Report) -> Pulled:
    """Ask AWS for everything that a case needs; read-only.

    ``request.accounts`` are roles to assume (``arn:aws:iam::111122223333:role/gpuopt``);
    the settings are those of :class:`connectors.aws.session.Options`.

    Raises
    ------
    UsageError
        If there are no credentials, or a setting is wrong. Anything else that does not
        answer is a line of the report.
    """
    options = Options.of(request.settings)
    cloud = open_cloud(request.accounts, options, report)
    as_of = read_on(request)
    report.progress("reading the organization")
    paths = account_paths(cloud, report)
    regions = regions_of(cloud, request.regions, report)
    usage, meters = read_usage(cloud, request, regions, paths, report)
    regions = regions or sorted(machines_of(meters["meter"]))
    report.progress("asking what is held")
    holdings = find_holdings(cloud, regions, report)
    wanted = wanted_machines(
        [*meters["meter"], *request.kept_meters], holdings.machines, options, regions
    )
    report.progress("asking for prices and offers")
    listed = list_prices(cloud, wanted, report)
    # A machine without a price is not sold there: nothing else needs to be asked about it.
    sold = only_sold(wanted, listed, [*meters["meter"], *request.kept_meters])
    spot = spot_prices(cloud, sold, request, report)
    placement_scores(cloud, sold, report)
    shelf = Shelf()
    add_reserved(cloud, sold, shelf, as_of, report)
    add_plans(cloud, sold, shelf, as_of, report)
    add_blocks(cloud, sold, shelf, request, as_of, report)
    rows = meter_rows(cloud, meters, sold, listed, spot, as_of, report, request.kept_meters)
    names = {row["meter"] for row in rows} | set(request.kept_meters)
    held = commitment_rows(cloud, holdings, shelf, names, paths, as_of, report)
    return Pulled(_tables(usage, rows, shelf, held, names))


def wanted_machines(
    meters: Iterable[str],
    held: Mapping[str, set[str]],
    options: Options,
    regions: list[str],
) -> Wanted:
    """Return the machine types to ask about: in use, held, or named by the setting ``types``."""
    found = machines_of(meters)
    for region, machines in held.items():
        found.setdefault(region, set()).update(machines)
    for pattern in options.types:
        for region in regions:
            found.setdefault(region, set()).update(fnmatch.filter(gpu_types("aws"), pattern))
    return {r: tuple(sorted(found[r])) for r in sorted(found) if r in regions and found[r]}


def only_sold(wanted: Wanted, listed: Mapping[Place, Any], used: Iterable[str]) -> Wanted:
    """Return the machine types that have a list price, or are in use in spite of that."""
    in_use = machines_of(used)
    kept = {
        region: tuple(
            m for m in machines if (region, m) in listed or m in in_use.get(region, set())
        )
        for region, machines in wanted.items()
    }
    return {region: machines for region, machines in kept.items() if machines}


def meter_rows(
    cloud: Cloud,
    meters: pd.DataFrame,
    sold: Wanted,
    listed: Mapping[Place, Decimal],
    spot: Mapping[Place, Spot],
    as_of: str,
    report: Report,
    kept: tuple[str, ...],
) -> list[Row]:
    """Return ``meters``: those of the usage and all machines on sale, with their prices.

    What this customer pays is what the rows of the usage say; where none says it, the list
    price stands for it, and a remark tells. Meters of kept months stay as they were.
    """
    rows: dict[str, Row] = {
        row["meter"]: {str(k): v for k, v in row.items()} for row in meters.to_dict("records")
    }
    gpus = machine_gpus(cloud, sold, report)
    at_list = []
    for region, machines in sold.items():
        for machine in machines:
            name = meter_of(region, machine)
            if name not in rows and name in kept:
                continue
            row = rows.setdefault(
                name,
                {
                    "meter": name,
                    "provider": "aws",
                    "region": region,
                    "family": machine.partition(".")[0],
                    "product": "instance",
                    "unit": "Instance-Hours",
                },
            )
            price = listed.get((region, machine))
            if price is not None:
                row["list_price"] = plain_or_none(price)
            if not row.get("on_demand") and price is not None:
                row["on_demand"] = plain_or_none(price)
                at_list.append(name)
            offered = spot.get((region, machine))
            if offered is not None and offered.interruption is not None:
                row["spot"] = plain_or_none(offered.price)
                row["spot_interruption"] = plain_or_none(offered.interruption)
            size = size_of(machine)
            row["size"] = None if size is None else float(size)
            gpu = gpus.get(machine)
            if gpu is not None:
                row["gpu"], row["gpus"] = gpu.model, float(gpu.count)
            row["source"] = "contract: usage; list: pricing GetProducts; spot: EC2 price history"
            row["as_of"] = as_of
    for name, row in rows.items():
        # An idle reservation is a machine that did not run: it has the machine's price.
        for key in (
            ("on_demand", "list_price", "size", "gpu", "gpus") if name.endswith(IDLE) else ()
        ):
            if not row.get(key):
                row[key] = rows.get(name.removesuffix(IDLE), {}).get(key)
    if at_list:
        text = f"no contract price in the usage, the list price is taken: {', '.join(at_list)}"
        report.remarks.append(Remark("prices", text, len(at_list)))
    return [rows[name] for name in sorted(rows)]


def _tables(
    usage: pd.DataFrame, rows: list[Row], shelf: Shelf, held: list[Row], names: set[str]
) -> dict[str, pd.DataFrame]:
    """Return the tables; an offer covers only meters of the case, and at least one."""
    covers = [
        {"offer": offer, "meter": name, "draw": plain_or_none(draw)}
        for offer, draws in shelf.draws.items()
        for meter, draw in draws.items()
        for name in (meter, *([meter + IDLE] if shelf.offers[offer]["law"] in ON_IDLE else ()))
        if name in names
    ]
    covering = {row["offer"] for row in covers}
    offers = [row for name, row in shelf.offers.items() if name in covering]
    tables = {
        "meters": rows,
        "offers": offers,
        "covers": covers,
        "commitments": [row for row in held if row["offer"] in covering],
    }
    frames = {name: pd.DataFrame(part, dtype=object) for name, part in tables.items() if part}
    return {**frames, "usage": usage}
