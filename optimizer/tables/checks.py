# SPDX-License-Identifier: Apache-2.0
"""Checks across the rows and tables of a case; each is one function and one error.

Laws, and prices that only some question needs, are not checked here: who needs them
refuses their absence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optimizer.errors import DataError
from optimizer.tables import routing_checks
from optimizer.tables.hours import format_hour
from optimizer.tables.reader import Store
from optimizer.tables.settings import Settings

# The columns whose values together name a row; an absent value counts as a value.
KEYS: dict[str, tuple[str, ...]] = {
    "meters": ("meter",),
    "offers": ("offer",),
    "covers": ("offer", "meter"),
    "commitments": ("commitment",),
    "workloads": ("workload", "hour"),
    "deployments": ("deployment", "workload", "input_upto", "output_upto", "meter"),
    "substitutes": ("from_meter", "to_meter", "workload"),
    "jobs": ("job",),
    "limits": ("limit", "meter", "hour_from"),
    "agreements": ("agreement", "start"),
    "routes_today": ("workload", "deployment"),
    "quality": ("model", "quality_task"),
    "lengths": ("workload", "input_upto", "output_upto"),
    "budgets": ("budget", "tag", "value", "month"),
}
USAGE_KEY = ("hour", "meter", "account", "zone", "workload", "deployment", "job", "charge_id")

# (table, column, table that has to have the value, its column)
REFERENCES = (
    ("usage", "meter", "meters", "meter"),
    ("covers", "offer", "offers", "offer"),
    ("covers", "meter", "meters", "meter"),
    ("commitments", "offer", "offers", "offer"),
    ("deployments", "meter", "meters", "meter"),
    ("deployments", "workload", "workloads", "workload"),
    ("substitutes", "from_meter", "meters", "meter"),
    ("substitutes", "to_meter", "meters", "meter"),
    ("jobs", "meter", "meters", "meter"),
    ("limits", "meter", "meters", "meter"),
    ("routes_today", "workload", "workloads", "workload"),
    ("routes_today", "deployment", "deployments", "deployment"),
    ("lengths", "workload", "workloads", "workload"),
    ("initiatives", "meter", "meters", "meter"),
    ("initiatives", "workload", "workloads", "workload"),
    ("price_scenarios", "meter", "meters", "meter"),
)
# History may name a deployment or a job that is gone; demand that is given may not.
GIVEN_REFERENCES = (
    ("usage", "deployment", "deployments", "deployment"),
    ("usage", "job", "jobs", "job"),
)

# (table, first hour, the hour after the last)
SPANS = (
    ("commitments", "start", "end"),
    ("agreements", "start", "end"),
    ("initiatives", "start", "end"),
    ("jobs", "earliest", "deadline"),
    ("limits", "hour_from", "hour_until"),
    ("offers", "available_from", "available_until"),
)

MOST_QUANTITY = 1e12
MOST_USAGE_HOURS = 30 * 8784
MOST_IN_MEMORY = 50_000_000  # rows of which hours and series are compared outside of DuckDB


def _at(store: Store, table: str, row: int, column: str, problem: str, mend: str) -> DataError:
    return DataError(problem, mend=mend, file=store.tables[table].file, row=row, column=column)


def _given(store: Store, table: str, *columns: str) -> bool:
    """Whether the case has the table and the table has these columns: else none is filled."""
    return table in store.tables and store.tables[table].given.issuperset(columns)


def _duplicate(store: Store, table: str, key: list[str], shown: tuple[str, ...]) -> None:
    columns = ", ".join(f'"{name}"' for name in key)
    found = store.rows(
        f'SELECT min(_row) FROM "{table}" GROUP BY {columns} HAVING count(*) > 1 ORDER BY 1 LIMIT 1'
    )
    if not found:
        return
    first = found[0][0]
    same = " AND ".join(f'a."{name}" IS NOT DISTINCT FROM b."{name}"' for name in key)
    second = store.rows(
        f'SELECT min(b._row) FROM "{table}" AS a JOIN "{table}" AS b ON {same}'
        f" WHERE a._row = {first} AND b._row > {first}"
    )[0][0]
    raise _at(
        store,
        table,
        second,
        shown[0],
        f"rows {first} and {second} have the same {', '.join(shown)}",
        "keep one of the two rows, or add their values up",
    )


def check_keys(store: Store, settings: Settings) -> None:
    """Refuse a second row with the same key, naming both rows."""
    for table, key in KEYS.items():
        if table in store.tables:
            given = [name for name in key if name in store.tables[table].given]
            _duplicate(store, table, given, tuple(given))


def check_usage_keys(store: Store, settings: Settings) -> None:
    """Refuse a second usage row of the same hour, meter, place, purpose, charge and tags."""
    if "usage" not in store.tables:
        return
    usage = store.tables["usage"]
    given = [name for name in USAGE_KEY if name in usage.given]
    tags = [(name, inner) for name, inner in usage.extras if name.startswith("tag_")]
    columns = [*given, *(inner for _, inner in tags)]
    if not _surely_unique(store, columns):
        shown = (*given, *(name for name, _ in tags))
        _duplicate(store, "usage", columns, shown)


def _surely_unique(store: Store, columns: list[str]) -> bool:
    """Whether no two rows have one hour and one series, however these columns tell them apart."""
    held = store.usage
    labels = ", ".join(f'"{name}"' for name in held.labels if name in columns)
    places = store.run(
        f"SELECT CAST(dense_rank() OVER (ORDER BY {labels}) AS BIGINT) AS place FROM {held.series}"
        " ORDER BY _series"
    ).fetchnumpy()["place"]
    if store.rows(f"SELECT count(*) FROM {held.rows}")[0][0] > MOST_IN_MEMORY:
        return False
    rows = store.run(f"SELECT _series, hour FROM {held.rows}").fetchnumpy()
    hour = np.asarray(rows["hour"])
    if not len(hour):
        return True
    key = np.asarray(places)[rows["_series"]]
    if int(key.max()) * (int(np.ptp(hour)) + 1) >= 1 << 62:
        return False
    key *= int(np.ptp(hour)) + 1
    key += hour - hour.min()
    key.sort()
    return not bool((key[1:] == key[:-1]).any())


def check_references(store: Store, settings: Settings) -> None:
    """Refuse a value that the table it refers to does not have."""
    for table, column, other, key in REFERENCES:
        # Workloads and their kin are part of a case only where it is about routing.
        if other in store.tables or other in ("meters", "offers"):
            _reference(store, table, column, other, key, "")
    for table, column, other, key in GIVEN_REFERENCES:
        if other in store.tables:
            _reference(store, table, column, other, key, f"AND hour >= {settings.as_of}")


def _reference(store: Store, table: str, column: str, other: str, key: str, where: str) -> None:
    if table not in store.tables or column not in store.tables[table].given:
        return
    known = f'AND "{column}" NOT IN (SELECT "{key}" FROM "{other}")'
    found = store.rows(
        f'SELECT _row, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL'
        f" {known if other in store.tables else ''} {where} ORDER BY _row LIMIT 1"
    )
    if found:
        row, value = found[0]
        problem = f"{other} has no {key} '{value}'"
        raise _at(store, table, row, column, problem, f"add it to {other}, or correct the name")


def check_spans(store: Store, settings: Settings) -> None:
    """Refuse a time that ends before, or when, it starts."""
    for table, start, end in SPANS:
        if not _given(store, table, start, end):
            continue
        found = store.rows(
            f'SELECT _row, "{start}", "{end}" FROM "{table}" WHERE "{end}" <= "{start}"'
            " ORDER BY _row LIMIT 1"
        )
        if found:
            row, first, last = found[0]
            problem = f"{end} {format_hour(last)} is not after {start} {format_hour(first)}"
            mend = f"write {end} as the hour after the last"
            raise _at(store, table, row, end, problem, mend)


def check_currency(store: Store, settings: Settings) -> None:
    """Refuse a meter whose prices are in another currency than the case's."""
    if not _given(store, "meters", "currency"):
        return
    found = store.rows(
        "SELECT _row, meter, currency FROM meters WHERE currency <> ? ORDER BY _row LIMIT 1",
        [settings.currency],
    )
    if found:
        row, meter, currency = found[0]
        problem = f"the prices of '{meter}' are in {currency}, the case is in {settings.currency}"
        raise _at(store, "meters", row, "currency", problem, "convert all prices to one currency")


def check_offer_prices(store: Store, settings: Settings) -> None:
    """Refuse an offer that states neither upfront, hourly nor monthly."""
    if "offers" not in store.tables:
        return
    found = store.rows(
        "SELECT _row, offer FROM offers WHERE upfront IS NULL AND hourly IS NULL"
        " AND monthly IS NULL ORDER BY _row LIMIT 1"
    )
    if found:
        row, offer = found[0]
        problem = f"offer '{offer}' has no upfront, no hourly and no monthly price"
        raise _at(store, "offers", row, "hourly", problem, "state what it costs; 0 if it is free")


def check_offer_coverage(store: Store, settings: Settings) -> None:
    """Refuse an offer that covers no meter."""
    if "offers" not in store.tables:
        return
    covered = "WHERE offer NOT IN (SELECT offer FROM covers)" if "covers" in store.tables else ""
    found = store.rows(f"SELECT _row, offer FROM offers {covered} ORDER BY _row LIMIT 1")
    if found:
        row, offer = found[0]
        problem = f"offer '{offer}' covers no meter"
        mend = "add a row with its draw to covers, or remove the offer"
        raise _at(store, "offers", row, "offer", problem, mend)


def check_offer_amounts(store: Store, settings: Settings) -> None:
    """Refuse an offer whose maximum is below its minimum."""
    if not _given(store, "offers", "minimum", "maximum"):
        return
    low, high = (f"CAST({name} AS DOUBLE)" for name in ("minimum", "maximum"))
    found = store.rows(
        f"SELECT _row, minimum, maximum FROM offers WHERE {high} < {low} ORDER BY _row LIMIT 1"
    )
    if found:
        row, minimum, maximum = found[0]
        problem = f"the maximum {maximum} is below the minimum {minimum}"
        raise _at(store, "offers", row, "maximum", problem, "exchange the two")


def check_offer_terms(store: Store, settings: Settings) -> None:
    """Refuse a term of more than thirty years, whose hours would fill the memory."""
    if "offers" not in store.tables:
        return
    found = store.rows(
        f"SELECT _row, term_hours FROM offers WHERE term_hours > {MOST_USAGE_HOURS}"
        " ORDER BY _row LIMIT 1"
    )
    if found:
        row, hours = found[0]
        problem = f"the term of {hours} hours is longer than 30 years"
        raise _at(store, "offers", row, "term_hours", problem, "write hours; a year has 8760")


def check_usage_quantity(store: Store, settings: Settings) -> None:
    """Refuse a quantity too large to be summed exactly."""
    if "usage" not in store.tables:
        return
    found = store.rows(
        f"SELECT _row, quantity FROM {store.usage.rows} WHERE quantity >= {MOST_QUANTITY}"
        " ORDER BY _row LIMIT 1"
    )
    if found:
        row, quantity = found[0]
        problem = f"the quantity {quantity:g} is not below {MOST_QUANTITY:g}"
        raise _at(store, "usage", row, "quantity", problem, "use a larger unit, as 1M Tokens")


def check_usage_days(store: Store, settings: Settings) -> None:
    """Refuse a daily usage row that does not begin at midnight."""
    if not _given(store, "usage", "grain"):
        return
    found = store.rows(
        "SELECT _row, hour FROM usage WHERE grain = 'day' AND hour % 24 <> 0 ORDER BY _row LIMIT 1"
    )
    if found:
        row, hour = found[0]
        problem = f"a daily row begins at {format_hour(hour)}"
        raise _at(store, "usage", row, "hour", problem, "write the day's hour 00:00:00Z")


def check_usage_span(store: Store, settings: Settings) -> None:
    """Refuse usage over more than thirty years: one mistyped year would fill the memory."""
    if "usage" not in store.tables:
        return
    rows = store.usage.rows
    found = store.rows(
        f"SELECT _row, hour FROM {rows} WHERE (SELECT max(hour) - min(hour) FROM {rows}) >"
        f" {MOST_USAGE_HOURS} ORDER BY abs(hour - {settings.as_of}) DESC, _row LIMIT 1"
    )
    if found:
        row, hour = found[0]
        problem = f"the usage spans more than 30 years, up to {format_hour(hour)}"
        raise _at(store, "usage", row, "hour", problem, "correct the year")


def check_one_filled(store: Store, settings: Settings) -> None:
    """Refuse rows of which not exactly one of some columns is filled."""
    for table, columns in (
        ("initiatives", ("meter", "workload")),
        ("price_scenarios", ("meter", "family", "provider")),
    ):
        if table not in store.tables:
            continue
        filled = " + ".join(f'CAST("{name}" IS NOT NULL AS INTEGER)' for name in columns)
        found = store.rows(
            f"SELECT _row, {filled} FROM {table} WHERE {filled} <> 1 ORDER BY _row LIMIT 1"
        )
        if found:
            row, count = found[0]
            problem = f"{count} of {', '.join(columns)} are filled"
            raise _at(store, table, row, columns[0], problem, "fill exactly one of them")


def check_months(store: Store, settings: Settings) -> None:
    """Refuse a budget whose month is not like 2026-11."""
    if "budgets" not in store.tables:
        return
    found = store.rows(
        "SELECT _row, month FROM budgets"
        " WHERE NOT regexp_full_match(month, '[0-9]{4}-(0[1-9]|1[0-2])') ORDER BY _row LIMIT 1"
    )
    if found:
        row, month = found[0]
        problem = f"'{month}' is not a month"
        raise _at(store, "budgets", row, "month", problem, "write the month as in 2026-11")


CHECKS: tuple[Callable[[Store, Settings], Any], ...] = (
    check_currency,
    check_keys,
    check_usage_keys,
    check_references,
    check_spans,
    check_offer_prices,
    check_offer_coverage,
    check_offer_amounts,
    check_offer_terms,
    check_usage_quantity,
    check_usage_days,
    check_usage_span,
    check_one_filled,
    check_months,
    *routing_checks.CHECKS,
)


def check_all(store: Store, settings: Settings) -> None:
    """Run every check; the first refusal is raised."""
    for check in CHECKS:
        check(store, settings)
