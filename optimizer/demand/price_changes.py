# SPDX-License-Identifier: Apache-2.0
"""``price_scenarios``: list prices that may change within the horizon, each with its odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import DataError
from optimizer.tables import Case

Floats = NDArray[np.float64]

TABLE = "price_scenarios"
# A row that names a meter goes before one of its family, and that before its provider's.
SELECTORS = ("provider", "family", "meter")
_SLACK = 1e-9


@dataclass(frozen=True)
class PriceScenario:
    """One way that list prices may go; at most one of them comes.

    ``factor`` gives, for the meters that change, (T,) new price over today's.
    """

    name: str
    odds: float
    factor: dict[str, Floats]


def read_price_scenarios(case: Case) -> list[PriceScenario]:
    """Return the price scenarios in the order of their first rows.

    Raises
    ------
    DataError
        If rows of one scenario state different odds, the odds of all scenarios are more
        than 1, a family or provider has no meter, or two rows change the same price in
        the same hour.
    """
    if not case.has(TABLE):
        return []
    frame = case.table(TABLE)
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, record in zip(frame.index, frame.to_dict("records"), strict=True):
        values = {str(key): value for key, value in record.items()}
        rows.setdefault(values["scenario"], []).append((int(number), values))
    total = 0.0
    for group in rows.values():
        number, odds = group[0][0], float(group[0][1]["odds"])
        for other, row in group:
            if row["odds"] != odds:
                raise _refused(
                    case,
                    other,
                    "odds",
                    f"scenario {row['scenario']!r} has odds {odds:g} in row {number} and "
                    f"{row['odds']:g} here",
                    "give all rows of a scenario the same odds: it is one event",
                )
        total += odds
        if total > 1 + _SLACK:
            raise _refused(
                case,
                number,
                "odds",
                f"the odds of the scenarios up to this one add up to {total:g}, more than 1",
                "lower them: at most one scenario comes, and what is left is no change",
            )
    return [
        PriceScenario(name, float(group[0][1]["odds"]), _factors(case, group))
        for name, group in rows.items()
    ]


def _factors(case: Case, group: Sequence[tuple[int, dict[str, Any]]]) -> dict[str, Floats]:
    """The factor of each meter that a scenario changes, hour by hour of the horizon."""
    first, hours = case.settings.as_of, case.settings.horizon_hours
    found: dict[str, Floats] = {}
    # Of the rows in force the most exact one decides, and of those the latest.
    ordered = sorted(group, key=lambda item: (_exact(item[1]), item[1]["hour"], item[0]))
    seen: dict[tuple[str, str, int], int] = {}
    for number, row in ordered:
        column = SELECTORS[_exact(row)]
        key = (column, row[column], row["hour"])
        if key in seen:
            raise _refused(
                case,
                number,
                "hour",
                f"scenario {row['scenario']!r} changes {column} {row[column]!r} in this hour in "
                f"row {seen[key]} too",
                "keep one of the two rows",
            )
        seen[key] = number
        meters = _meters(case, column, row[column])
        if not meters:
            raise _refused(
                case,
                number,
                column,
                f"no meter has {column} {row[column]!r}",
                f"correct the name, or state the {column} of the meters",
            )
        for meter in meters:
            factor = found.setdefault(meter, np.ones(hours))
            factor[max(0, row["hour"] - first) :] = float(row["factor"])
    return {meter: factor for meter, factor in sorted(found.items()) if (factor != 1).any()}


def _exact(row: dict[str, Any]) -> int:
    return next(i for i, column in enumerate(SELECTORS) if row[column])


def _meters(case: Case, column: str, value: str) -> list[str]:
    frame = case.table("meters")
    return [str(meter) for meter in frame.loc[frame[column] == value, "meter"]]


def _refused(case: Case, row: int, column: str, problem: str, mend: str) -> DataError:
    return DataError(problem, mend=mend, file=case.file(TABLE), row=row, column=column)
