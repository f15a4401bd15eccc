# SPDX-License-Identifier: Apache-2.0
"""Shared costs: what belongs to nobody in particular, left, or spread over the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.attribution import Amounts, split
from optimizer.errors import UsageError

Ints = NDArray[np.int64]
UNTAGGED = "untagged"
MOST_CELLS = 5_000_000


class How(StrEnum):
    """How a shared cost is spread over those that are not shared."""

    even = "even"  # to each alike
    proportional = "proportional"  # by what each costs itself


@dataclass(frozen=True)
class Shared:
    """A value of a column whose cost is shared; ``""`` is usage without a value.

    ``column`` is empty for the first column that is grouped by.
    """

    value: str
    how: How = How.proportional
    column: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The rule in the shape of the document."""
        return {
            "column": self.column or None,
            "value": self.value or None,
            "how": str(self.how),
        }


def parse_shared(text: str) -> Shared:
    """``[COLUMN:]VALUE[=even|proportional]``; VALUE ``untagged`` is usage without a value.

    Raises
    ------
    UsageError
        If it is none of that.
    """
    name, _, how = text.rpartition("=") if "=" in text else (text, "", str(How.proportional))
    column, _, value = name.rpartition(":") if name.startswith("tag_") else ("", "", name)
    if how not in tuple(How) or not value:
        raise UsageError(
            f"--shared '{text}' is not understood. To mend it: write VALUE=even, "
            "VALUE=proportional or COLUMN:VALUE=even, as --shared untagged=proportional"
        )
    return Shared("" if value == UNTAGGED else value, How(how), column)


@dataclass(frozen=True)
class Grid:
    """G groups of series; B columns.

    Attributes
    ----------
    series, group
        The series that count, and the group of each.
    codes
        (G, B), the value of each column.
    """

    series: Ints
    group: Ints
    codes: Ints

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.codes)

    def sums(self, amounts: Amounts) -> Amounts:
        """(G,) sums of amounts by series."""
        return amounts.take(self.series).summed(self.group, self.count)


NEW = -1


@dataclass(frozen=True)
class Cells:
    """Groups while shared costs are spread.

    Attributes
    ----------
    codes
        (G, B), the value of each column.
    origin
        (G,) the group that it was before, or ``NEW``.
    parts, given
        (G,) cost of its own by part, and what it was given of shared costs.
    """

    codes: Ints
    origin: Ints
    parts: dict[str, Amounts]
    given: Amounts


def share_costs(
    grid: Grid,
    by: Sequence[str],
    values: Sequence[Sequence[str]],
    parts: Mapping[str, Amounts],
    rules: Sequence[Shared],
) -> tuple[Cells, list[str]]:
    """Spread shared values over the others of their column; the other columns stay.

    Returns
    -------
    The groups (more than before, if a group got what it had none of), and notes.
    """
    cells = Cells(grid.codes, np.arange(grid.count), dict(parts), Amounts.zeros(grid.count))
    notes: list[str] = []
    places = [(_column(rule, by), rule) for rule in rules]
    for column in sorted({place for place, _ in places}):
        own = [rule for place, rule in places if place == column]
        names = {name: code for code, name in enumerate(values[column])}
        codes_of = {rule: names[rule.value] for rule in own if rule.value in names}
        notes += [
            f"nothing costs anything under {by[column]} '{rule.value or UNTAGGED}'"
            for rule in own
            if rule not in codes_of
        ]
        common = np.array(sorted(codes_of.values()), np.int64)
        for how in How:
            chosen = [code for rule, code in codes_of.items() if rule.how is how]
            if chosen:
                cells, told = _spread(cells, column, np.array(chosen, np.int64), common, how)
                notes += [f"{by[column]}: {text}" for text in told]
    return cells, notes


def _column(rule: Shared, by: Sequence[str]) -> int:
    if not by:
        raise UsageError("--shared needs --by: name the column whose costs are shared")
    if rule.column and rule.column not in by:
        raise UsageError(
            f"--shared names {rule.column}, by which costs are not grouped. "
            f"To mend it: add it to --by {','.join(by)}"
        )
    return by.index(rule.column) if rule.column else 0


def _spread(
    cells: Cells, column: int, chosen: Ints, common: Ints, how: How
) -> tuple[Cells, list[str]]:
    """Spread the groups with the chosen values over the values that are not shared."""
    whole = cells.given
    for amounts in cells.parts.values():
        whole = whole + amounts
    codes = cells.codes
    source = np.flatnonzero(np.isin(codes[:, column], chosen))
    takers = np.setdiff1d(codes[:, column], common)
    if not len(source):
        return cells, []
    if not len(takers):
        return cells, ["there is nobody to share costs with: they are left"]
    if len(source) * len(takers) > MOST_CELLS:
        raise UsageError(
            f"sharing {len(source)} groups with {len(takers)} values makes too many groups. "
            "To mend it: group by fewer columns"
        )
    weight: NDArray[np.float64] = np.ones(len(takers))
    if how is How.proportional:
        place = np.minimum(np.searchsorted(takers, codes[:, column]), len(takers) - 1)
        taking = takers[place] == codes[:, column]
        floats = whole.floats()[taking]
        weight = np.bincount(place[taking], weights=floats, minlength=len(takers)).astype(
            np.float64
        )
    more = split(
        whole.take(source).picos(),
        np.repeat(np.arange(len(source)), len(takers)),
        np.tile(weight, len(source)),
    )
    target = np.repeat(codes[source], len(takers), axis=0)
    target[:, column] = np.tile(takers, len(source))
    kept = np.setdiff1d(np.arange(len(codes)), source)
    some = (more.whole != 0) | (more.pico != 0)
    both = np.concatenate([codes[kept], target[some]])
    merged, inverse = np.unique(both, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    old, new = inverse[: len(kept)], inverse[len(kept) :]
    count = len(merged)
    origin = np.full(count, NEW, np.int64)
    origin[old] = cells.origin[kept]
    parts = {name: amounts.take(kept).summed(old, count) for name, amounts in cells.parts.items()}
    given = cells.given.take(kept).summed(old, count) + more.take(some).summed(new, count)
    return Cells(merged, origin, parts, given), []
