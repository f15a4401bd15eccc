# SPDX-License-Identifier: Apache-2.0
"""A case's history, replayed once and grouped as often as one likes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

import numpy as np

from optimizer.billing.attribution import (
    Benefit,
    CostedHours,
    SeriesCosts,
    Worth,
    attribute,
    cost_hours,
    worth,
)
from optimizer.billing.catalogue import rows
from optimizer.errors import UsageError
from optimizer.planning.spend.classes import TAG, Asked, read_asked
from optimizer.planning.spend.kept import Kept
from optimizer.planning.spend.requests import by_request
from optimizer.planning.spend.windows import Window, parse_window
from optimizer.tables import Case, Labels, UsageCells

USAGE_COLUMNS = ("account", "deployment", "job", "meter", "workload", "zone")
METER_COLUMNS = ("family", "gpu", "product", "provider", "region")
MODEL = "model"
_PATH = re.compile(r"account/([1-9])")
BY = ("requests", "tokens", "input_tokens", "output_tokens")
# Windows whose attribution is kept: about 100 bytes a series, so at most some hundred MB.
LEAST_KEPT, MOST_KEPT, SERIES_KEPT = 4, 64, 4_000_000
MEASURES = 4  # ways to divide by request


class Rule(StrEnum):
    """Whose cost is whose.

    ``used``: commitment cost goes to the usage it covered.  ``even``: the benefit of all
    commitments of a pool is spread over what they could have covered.  ``requests``: as
    ``used``, and shared deployments are divided by what their classes asked for.
    """

    used = "used"
    even = "even"
    requests = "requests"


@dataclass(frozen=True)
class Basis:
    """How costs are attributed: whose benefit, and whether shared platforms are divided.

    ``by_request`` is the measure by which (``requests``, ``tokens``, …); empty: not.
    """

    benefit: Benefit = Benefit.used
    by_request: str = ""

    @classmethod
    def of(cls, rule: Rule | str, measure: str = "requests") -> Basis:
        """The basis of a rule.

        Raises
        ------
        UsageError
            If there is no such rule.
        """
        if rule not in tuple(Rule):
            raise UsageError(f"'{rule}' is no rule. To mend it: use one of {', '.join(Rule)}")
        if measure not in BY:
            raise UsageError(
                f"costs cannot be divided by '{measure}'. To mend it: use one of {', '.join(BY)}"
            )
        if rule == Rule.requests:
            return cls(Benefit.used, measure)
        return cls(Benefit(rule))


@dataclass(frozen=True, eq=False)
class Spend:
    """The replay of a case's usage hours, ready to be attributed and grouped.

    Building it is the slow part (the replay); what it is asked for afterwards takes
    milliseconds and is kept.  It may be asked by several threads.
    """

    case: Case
    costed: CostedHours
    cells: UsageCells
    asked: Asked
    _divided: Kept[UsageCells] = field(init=False, repr=False)
    _costs: Kept[SeriesCosts] = field(init=False, repr=False)
    _worth: Kept[Worth] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make room for answers: fewer, the more series each is of."""
        most = max(LEAST_KEPT, min(MOST_KEPT, SERIES_KEPT // max(1, self.cells.count)))
        object.__setattr__(self, "_divided", Kept(MEASURES))
        object.__setattr__(self, "_costs", Kept(most))
        object.__setattr__(self, "_worth", Kept(most))

    @property
    def known(self) -> tuple[int, int]:
        """The hours ``[first, last)`` of the replay."""
        return self.costed.first_hour, self.costed.first_hour + self.costed.hours

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that costs can be grouped by."""
        tags = {name for name in (*self.cells.labels, *self.asked.tags) if name.startswith(TAG)}
        return (*USAGE_COLUMNS, *METER_COLUMNS, MODEL, *sorted(tags))

    def labels_of(self, column: str) -> tuple[str, ...]:
        """The values of a column of usage; none where usage has no such column."""
        found = self.cells.labels.get(column)
        return tuple(value for value in found.values if value) if found else ()

    def window(self, words: str | Window) -> Window:
        """The window of some words, as far as usage is known in it.

        Raises
        ------
        UsageError
            If the words mean no window.
        DataError
            If no usage is known in it.
        """
        if isinstance(words, str):
            words = parse_window(words, self.case.settings.as_of, self.known)
        return words.clipped(*self.known)

    def divided(self, basis: Basis) -> UsageCells:
        """The cells as the basis sees them: shared platforms by request, or as they are."""
        if not basis.by_request:
            return self.cells
        measure = basis.by_request
        return self._divided.get(measure, lambda: by_request(self.cells, self.asked, measure))

    def costs(self, window: Window, basis: Basis) -> SeriesCosts:
        """The costs of a window by series of `divided`."""
        first, last = window.first, window.last

        def make() -> SeriesCosts:
            return attribute(self.costed, self.divided(basis), first, last, basis.benefit)

        return self._costs.get((first, last, basis), make)

    def worth(self, window: Window, basis: Basis) -> Worth:
        """What the usage of a window is worth at list and on-demand prices, by series."""

        def make() -> Worth:
            return worth(self.costed, self.divided(basis), self.costs(window, basis))

        return self._worth.get((window.first, window.last, basis), make)

    def labels(self, column: str, basis: Basis) -> Labels:
        """One column of the series; those of meters and models are looked up.

        ``account/2`` is the first two parts of the account's path.

        Raises
        ------
        UsageError
            If costs cannot be grouped by the column.
        """
        cells = self.divided(basis)
        if column in cells.labels:
            return cells.labels[column]
        path = _PATH.fullmatch(column)
        if path and "account" in cells.labels:
            names = cells.labels["account"]
            parts = {name: "/".join(name.split("/")[: int(path[1])]) for name in names.values}
            return _mapped(names, parts)
        if column in METER_COLUMNS:
            return _mapped(cells.labels["meter"], self._meters(column))
        if column == MODEL and "deployment" in cells.labels:
            return _mapped(cells.labels["deployment"], self.asked.models)
        if column in self.columns or path:
            return Labels(("",), np.zeros(cells.count, np.int32))
        near = get_close_matches(column, self.columns, n=1)
        hint = f"; '{near[0]}' may be meant" if near else ""
        raise UsageError(
            f"usage has no column '{column}'{hint}. To mend it: use "
            f"{', '.join(self.columns)}, or add the column to usage"
        )

    def _meters(self, column: str) -> Mapping[str, str]:
        return {row["meter"]: row[column] for row in rows(self.case, "meters")}


def spend_of(case: Case) -> Spend:
    """Replay all usage hours of a case, for their costs to be grouped.

    Raises
    ------
    DataError
        If the case has no usage, or the bill needs a price that is absent.
    """
    costed = cost_hours(case)
    return Spend(
        case=case,
        costed=costed,
        cells=case.usage_cells(),
        asked=read_asked(case, costed.first_hour, costed.hours),
    )


def kept_spend(case: Case) -> Spend:
    """As `spend_of`; the last few are kept by snapshot, for pages that ask again and again."""
    return _SPENDS.get(case.snapshot, lambda: spend_of(case))


def _mapped(labels: Labels, found: Mapping[str, str]) -> Labels:
    """Other words for the values of a column; ``""`` where there is none."""
    texts = [found.get(value, "") for value in labels.values]
    values = sorted(set(texts)) or [""]
    code = {value: index for index, value in enumerate(values)}
    new = np.array([code[text] for text in texts], np.int32)
    return Labels(tuple(values), new[labels.code] if len(new) else labels.code)


_SPENDS: Kept[Spend] = Kept(2)  # a year of 500 meters is several hundred MB
