# SPDX-License-Identifier: Apache-2.0
"""What cost is divided by: requests, tokens, runs, or the values of a tag; never a guess.

A denominator that is not known says which table and column would give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.planning.spend.classes import TAG, Asked
from optimizer.planning.spend.spend import MODEL, Basis, Spend
from optimizer.planning.spend.windows import Window

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RUNS = "runs"
METERED = "metered_tokens"
# Of a measure: how many make the unit that is shown, and its name.
UNITS = {
    "requests": (1000, "1,000 requests"),
    "input_tokens": (1_000_000, "1M input tokens"),
    "output_tokens": (1_000_000, "1M output tokens"),
    "tokens": (1_000_000, "1M tokens"),
    METERED: (1_000_000, "1M metered tokens"),
    RUNS: (1, "run"),
}
# Tokens in one unit of a token meter, by the meter's unit in lower case.
TOKEN_UNITS = {
    "tokens": 1,
    "token": 1,
    "1k tokens": 1000,
    "1000 tokens": 1000,
    "1m tokens": 1_000_000,
    "1000000 tokens": 1_000_000,
}


@dataclass(frozen=True)
class Denominator:
    """By group: how many, or why that is not known; and which series' cost is divided.

    Attributes
    ----------
    count
        (G,) nan where it is not known.
    missing
        (G,) what would tell it; ``""`` where it is known.
    series
        (S,) whether the cost of a series belongs to the numerator.
    """

    count: Floats
    missing: tuple[str, ...]
    series: Flags


def unit_of(measure: str) -> tuple[int, str]:
    """How many of a measure a unit cost is per, and the unit's name."""
    return UNITS.get(measure, (1, measure.removeprefix(TAG)))


def denominator(
    spend: Spend,
    window: Window,
    basis: Basis,
    measure: str,
    column: str | None,
    values: Sequence[str],
) -> Denominator:
    """Count a measure in a window for the values of a column (``None``: for all usage)."""
    if measure == METERED:
        return _metered(spend, window, basis, column, values)
    if measure == RUNS or measure.startswith(TAG):
        return _distinct(
            spend, window, basis, "job" if measure == RUNS else measure, column, values
        )
    asked = spend.asked
    cut = slice(window.first - spend.known[0], window.last - spend.known[0])
    counts = asked.count(measure)[:, cut] if asked.names else np.zeros((0, window.hours))
    found = [_asked_for(spend, column, value) for value in values]
    count = np.full(len(values), np.nan)
    missing = []
    for place, (shares, unasked) in enumerate(found):
        lacks = unasked or _unknown(asked, counts, shares, measure, window.hours)
        if not lacks:
            count[place] = sum(
                float(counts[asked.names.index(name)].sum()) * share
                for name, share in shares.items()
            )
        missing.append(lacks)
    return Denominator(count, tuple(missing), _serving(spend, basis))


def _asked_for(spend: Spend, column: str | None, value: str) -> tuple[dict[str, float], str]:
    """The classes of a value, each with the share of its requests; or what is missing."""
    asked = spend.asked
    if not asked.names:
        return {}, "the table workloads (what asked, hour by hour)"
    if column is None:
        return dict.fromkeys(asked.names, 1.0), ""
    if column == "workload":
        if value in asked.names:
            return {value: 1.0}, ""
        return {}, f"{asked.file}: rows of workload '{value}'" if value else "usage, workload"
    if column in ("deployment", MODEL):
        if not asked.shares:
            return {}, "the table routes_today (which deployment answers whom)"
        own = [value] if column == "deployment" else _of_model(asked, value)
        shares: dict[str, float] = {}
        for name in own:
            for workload, share in asked.shares.get(name, {}).items():
                shares[workload] = shares.get(workload, 0.0) + share
        lacks = f"{asked.routes_file}: rows of {column} '{value}'" if value else f"usage, {column}"
        return (shares, "") if shares else ({}, lacks)
    if column in asked.tags:
        shares = {
            name: 1.0
            for name, own in zip(asked.names, asked.tags[column], strict=True)
            if own == value
        }
        lacks = f"{asked.file}: a class with {column} '{value}'"
        return (shares, "") if shares else ({}, lacks)
    return {}, f"{asked.file}, column {column}"


def _of_model(asked: Asked, model: str) -> list[str]:
    return [name for name, own in asked.models.items() if own == model]


def _unknown(
    asked: Asked, counts: Floats, shares: dict[str, float], measure: str, hours: int
) -> str:
    """What is missing of the classes' hours; empty if nothing."""
    for name in shares:
        known = int((~np.isnan(counts[asked.names.index(name)])).sum())
        if known < hours:
            return (
                f"{asked.file}, {measure} of workload '{name}': {known} of {hours} hours of the "
                "window are known (0 where none came)"
            )
    return ""


def _serving(spend: Spend, basis: Basis) -> Flags:
    """(S,) usage that answers requests: it names a deployment or a class."""
    cells = spend.divided(basis)
    classes = set(spend.asked.names)
    serving = np.zeros(cells.count, np.bool_)
    if "deployment" in cells.labels:
        label = cells.labels["deployment"]
        serving |= np.array([bool(value) for value in label.values])[label.code]
    if "workload" in cells.labels:
        label = cells.labels["workload"]
        serving |= np.array([value in classes for value in label.values])[label.code]
    return serving


def _codes(
    spend: Spend, basis: Basis, column: str | None, values: Sequence[str]
) -> NDArray[np.int64]:
    """(S,) place of each series among the values."""
    if column is None:
        return np.zeros(spend.divided(basis).count, np.int64)
    label = spend.labels(column, basis)
    place = {value: index for index, value in enumerate(values)}
    codes = np.array([place.get(value, len(values)) for value in label.values], np.int64)
    return codes[label.code]


def _metered(
    spend: Spend, window: Window, basis: Basis, column: str | None, values: Sequence[str]
) -> Denominator:
    """Tokens that meters counted: those whose product is ``tokens``."""
    cells = spend.divided(basis)
    label = cells.labels["meter"]
    frame = spend.case.table("meters")
    tokens = frame[frame["product"] == "tokens"]
    units = {
        meter: TOKEN_UNITS.get(unit.lower())
        for meter, unit in zip(tokens["meter"], tokens["unit"], strict=True)
    }
    strange = [name for name in label.values if name in units and units[name] is None]
    factor = np.array([float(units.get(name) or 0) for name in label.values])[label.code]
    quantity = spend.costs(window, basis).quantity * factor
    codes = _codes(spend, basis, column, values)
    count = np.bincount(codes, weights=quantity, minlength=len(values) + 1)[: len(values)]
    lacks = (
        f"meters, unit of '{strange[0]}' (Tokens, 1K Tokens or 1M Tokens)"
        if strange
        else "usage of token meters (meters, product tokens)"
    )
    known = (count > 0) & (not strange)
    return Denominator(
        np.where(known, count, np.nan),
        tuple("" if ok else lacks for ok in known),
        factor > 0,
    )


def _distinct(
    spend: Spend,
    window: Window,
    basis: Basis,
    counted: str,
    column: str | None,
    values: Sequence[str],
) -> Denominator:
    """How many values of a column ran in the window: training runs, experiments, customers."""
    label = spend.labels(counted, basis)
    named = np.array([bool(value) for value in label.values])[label.code]
    ran = named & (spend.costs(window, basis).quantity > 0)
    codes = _codes(spend, basis, column, values)
    pairs = np.unique(np.stack([codes[ran], label.code[ran].astype(np.int64)], axis=1), axis=0)
    count = np.bincount(pairs[:, 0], minlength=len(values) + 1)[: len(values)].astype(np.float64)
    lacks = f"usage, column {counted}"
    if counted == "job":
        lacks += " (or name a tag that tells runs apart, as --per tag_run)"
    return Denominator(
        np.where(count > 0, count, np.nan),
        tuple("" if number else lacks for number in count),
        named,
    )
