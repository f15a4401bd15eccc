# SPDX-License-Identifier: Apache-2.0
"""Usage as arrays: one line per meter, place and way of losing work, one column per hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.tables.money import decimal_string
from optimizer.tables.reader import Store
from optimizer.tables.sums import DAY, SUMMED, sums_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DEFAULT_LOST_HOURS = 0.5

# Taxes, credits and their like are charges, not usage: they are reconciled, not replayed.
IS_USAGE = "coalesce(lower(charge_category), 'usage') = 'usage'"


@dataclass(frozen=True)
class UsageLines:
    """Usage by line and hour; L lines, T hours.

    One line per distinct (meter, account, zone, lost_hours, restart_cost,
    unmet_penalty), in the order of these.  Sums do not depend on the order of rows.

    Parameters
    ----------
    meter, account, zone
        Length L; ``""`` where absent.
    lost_hours
        Shape (L,), hours of work lost per interruption.
    restart_cost
        Length L, in the currency of the case.
    unmet_penalty
        Length L, currency per unit; ``None``: must be met.
    first_hour
        The arrays cover the hours ``[first_hour, first_hour + T)``, from the first to
        the last usage hour; hours without a row are zero.
    quantity
        Shape (L, T), units of the meter within the hour.
    spot
        Shape (L, T), the part of ``quantity`` that did run on spot.
    spot_taken
        Shape (L, T), the part of ``spot`` that the provider took in its first hour.
    tolerant
        Shape (L, T), the part of ``quantity`` that may run on spot in a plan.
    present
        Shape (L, T), whether there is any row.
    daily
        Shape (L,), whether some row was a day's and was spread over its 24 hours.
    """

    meter: tuple[str, ...]
    account: tuple[str, ...]
    zone: tuple[str, ...]
    lost_hours: Floats
    restart_cost: tuple[Decimal, ...]
    unmet_penalty: tuple[Decimal | None, ...]
    first_hour: int
    quantity: Floats
    spot: Floats
    spot_taken: Floats
    tolerant: Floats
    present: Flags
    daily: Flags


def usage_hours(store: Store) -> tuple[int, int] | None:
    """Return the first and the last usage hour, or ``None`` without usage."""
    if "usage" not in store.tables:
        return None
    held = store.usage
    last, of_usage = "hour", held.rows
    if {"grain", "charge_category"} & set(held.labels):
        last = f"CASE WHEN grain = 'day' THEN hour + {DAY - 1} ELSE hour END"
        of_usage = f"{held.rows} JOIN {held.labelled} USING (_series) WHERE {IS_USAGE}"
    found = store.rows(f"SELECT min(hour), max({last}) FROM {of_usage}")[0]
    return None if found[0] is None else (found[0], found[1])


def usage_lines(store: Store, as_of: int, only: Mapping[str, str] | None = None) -> UsageLines:
    """Aggregate the usage of a store; without any usage L and T are 0 from ``as_of``.

    ``only`` takes the rows with these labels (``""``: absent); lines and hours are those of all
    usage, so that parts and the whole have one shape.
    """
    keys = line_keys(store)
    first, last = usage_hours(store) or (as_of, as_of - 1)
    shape = (len(keys), last - first + 1)
    daily = np.zeros(shape[0], dtype=np.bool_)
    present = np.zeros(shape, dtype=np.bool_)
    arrays = {name: np.zeros(shape) for name in SUMMED}
    if keys:
        lines = _lines_of_series(store, keys, only or {})
        for is_day, sums in sums_of(store, lines, first, shape).items():
            # Each cell occurs once among the rows of a grain, so += meets no twice.
            for k in range(DAY if is_day else 1):
                present.reshape(-1)[sums.cell + k] = True
                for name, values in sums.values.items():
                    arrays[name].reshape(-1)[sums.cell + k] += values / DAY if is_day else values
            if is_day:
                daily[sums.cell // shape[1]] = True
    lost = np.array([key[3] for key in keys], dtype=np.float64)
    fixed: tuple[NDArray[Any], ...] = (lost, daily, present, *arrays.values())
    for array in fixed:
        array.flags.writeable = False
    return UsageLines(
        meter=tuple(key[0] for key in keys),
        account=tuple(key[1] for key in keys),
        zone=tuple(key[2] for key in keys),
        lost_hours=lost,
        restart_cost=tuple(key[4] for key in keys),
        unmet_penalty=tuple(key[5] for key in keys),
        first_hour=first,
        present=present,
        daily=daily,
        **arrays,
    )


Key = tuple[str, str, str, float, Decimal, Decimal | None]

# 0.10 and 0.1 are two texts but one cost: the join goes through the texts.
LINE_TEXTS = (
    "coalesce(meter, '')",
    "coalesce(account, '')",
    "coalesce(zone, '')",
    f"coalesce(lost_hours, {DEFAULT_LOST_HOURS})",
    "coalesce(restart_cost, '0')",
    "coalesce(unmet_penalty, '')",
)


def line_keys(store: Store) -> dict[Key, list[tuple[Any, ...]]]:
    """Return the lines in their order, each with the rows of texts that stand for it."""
    if "usage" not in store.tables:
        return {}
    found: dict[Key, list[tuple[Any, ...]]] = {}
    labelled = store.usage.labelled
    for texts in store.rows(
        f"SELECT DISTINCT {', '.join(LINE_TEXTS)} FROM {labelled} WHERE {IS_USAGE}"
    ):
        penalty = Decimal(texts[5]) if texts[5] else None
        key = (*texts[:4], _plain(Decimal(texts[4])), None if penalty is None else _plain(penalty))
        found.setdefault(key, []).append(texts)
    order = sorted(found, key=lambda k: (*k[:5], k[5] is not None, k[5] or Decimal(0)))
    return {key: found[key] for key in order}


def _plain(amount: Decimal) -> Decimal:
    """Return an amount in its one shortest notation, so that equal amounts look equal."""
    text = decimal_string(amount)
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _lines_of_series(
    store: Store, keys: Mapping[Key, list[tuple[Any, ...]]], only: Mapping[str, str]
) -> tuple[str, list[Any]]:
    """The SQL of ``_series, line, of_day`` for the series that are wanted, and its parameters."""
    rows = [(i, *texts) for i, group in enumerate(keys.values()) for texts in group]
    types = ("INTEGER", "VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE", "VARCHAR", "VARCHAR")
    lists = ", ".join(f"unnest(?::{kind}[]) AS k{i}" for i, kind in enumerate(types))
    same = " AND ".join(f"{text} = k{i + 1}" for i, text in enumerate(LINE_TEXTS))
    chosen = "".join(f" AND coalesce({column}, '') = ?" for column in only)
    return (
        "SELECT _series, k0 AS line, coalesce(grain = 'day', false) AS of_day"
        f" FROM {store.usage.labelled} JOIN (SELECT {lists}) AS keys ON {same}"
        f" WHERE {IS_USAGE}{chosen}"
    ), [*(list(column) for column in zip(*rows, strict=True)), *only.values()]
