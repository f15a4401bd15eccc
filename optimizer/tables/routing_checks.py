# SPDX-License-Identifier: Apache-2.0
"""Checks of ``deployments``, by row; each is one function and one error."""

from __future__ import annotations

from optimizer.errors import DataError
from optimizer.tables.reader import Store
from optimizer.tables.settings import Settings

# Scalars that agree over all rows of a deployment, and over those of one class or bucket.
OF_DEPLOYMENT = (
    "model",
    "kind",
    "tier",
    "minimum_replicas",
    "step_replicas",
    "maximum_replicas",
    "start_minutes",
    "capacity",
)
OF_PROFILE = ("requests_per_second", "ttft_ms", "tpot_ms")
PROFILE = ("deployment", "workload", "input_upto", "output_upto")


def _at(store: Store, row: int, column: str, problem: str, mend: str) -> DataError:
    file = store.tables["deployments"].file
    return DataError(problem, mend=mend, file=file, row=row, column=column)


def check_deployment_scalars(store: Store, _: Settings) -> None:
    """Refuse a deployment whose scalars differ between its rows; an absent one agrees."""
    if "deployments" not in store.tables:
        return
    given = store.tables["deployments"].given
    for columns, key in ((OF_DEPLOYMENT, ("deployment",)), (OF_PROFILE, PROFILE)):
        same = " AND ".join(
            f'a."{name}" IS NOT DISTINCT FROM b."{name}"' for name in key if name in given
        )
        for column in columns:
            if column not in given:
                continue
            found = store.rows(
                f'SELECT b._row, a._row, a."{column}", b."{column}", a.deployment'
                f" FROM deployments AS a JOIN deployments AS b ON {same}"
                f' WHERE a._row < b._row AND a."{column}" <> b."{column}"'
                " ORDER BY b._row, a._row LIMIT 1"
            )
            if found:
                row, first, known, value, name = found[0]
                problem = (
                    f"{column} of deployment '{name}' is {value} here and {known} in row {first}"
                )
                raise _at(store, row, column, problem, "write the same value in all its rows")


def check_replica_draws(store: Store, _: Settings) -> None:
    """Refuse a replica that draws a meter differently for different classes."""
    if "deployments" not in store.tables:
        return
    given = store.tables["deployments"].given
    per = (
        "coalesce({0}.per, CASE WHEN {0}.kind = 'replica' THEN 'replica_hour' ELSE 'request' END)"
        if "per" in given
        else "CASE WHEN {0}.kind = 'replica' THEN 'replica_hour' ELSE 'request' END"
    )
    found = store.rows(
        "SELECT b._row, a._row, a.meter_units, b.meter_units, a.deployment, a.meter"
        " FROM deployments AS a JOIN deployments AS b"
        " ON a.deployment = b.deployment AND a.meter = b.meter"
        " WHERE a._row < b._row AND a.meter_units <> b.meter_units"
        f" AND {per.format('a')} = 'replica_hour' AND {per.format('b')} = 'replica_hour'"
        " ORDER BY b._row, a._row LIMIT 1"
    )
    if found:
        row, first, known, value, name, meter = found[0]
        problem = (
            f"a replica of '{name}' draws {value:g} of '{meter}' here and {known:g} in row {first}"
        )
        mend = "a replica draws the same whatever it answers: write one number"
        raise _at(store, row, "meter_units", problem, mend)


def check_deployment_prices(store: Store, _: Settings) -> None:
    """Refuse a deployment on a meter that has no price and that no offer covers."""
    if "deployments" not in store.tables or "meters" not in store.tables:
        return
    meters = store.tables["meters"].given
    price = "m.on_demand IS NULL" if "on_demand" in meters else "TRUE"
    if "spot" in meters and "capacity" in store.tables["deployments"].given:
        price += " AND NOT (coalesce(d.capacity, 'on_demand') = 'spot' AND m.spot IS NOT NULL)"
    if "covers" in store.tables:
        price += " AND d.meter NOT IN (SELECT meter FROM covers)"
    found = store.rows(
        "SELECT d._row, d.deployment, d.meter FROM deployments AS d"
        f" JOIN meters AS m ON d.meter = m.meter WHERE {price} ORDER BY d._row LIMIT 1"
    )
    if found:
        row, name, meter = found[0]
        problem = f"deployment '{name}' draws meter '{meter}', which has no price"
        mend = f"fill on_demand of meter '{meter}', or an offer that covers it"
        raise _at(store, row, "meter", problem, mend)


def check_replica_range(store: Store, _: Settings) -> None:
    """Refuse a deployment whose greatest number of replicas is below its least."""
    if "deployments" not in store.tables:
        return
    given = store.tables["deployments"].given
    if not {"minimum_replicas", "maximum_replicas"} <= set(given):
        return
    found = store.rows(
        "SELECT _row, minimum_replicas, maximum_replicas FROM deployments"
        " WHERE maximum_replicas < minimum_replicas ORDER BY _row LIMIT 1"
    )
    if found:
        row, least, most = found[0]
        problem = f"maximum_replicas {most} is below minimum_replicas {least}"
        raise _at(store, row, "maximum_replicas", problem, "exchange the two")


CHECKS = (
    check_deployment_scalars,
    check_replica_draws,
    check_deployment_prices,
    check_replica_range,
)
