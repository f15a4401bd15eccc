# SPDX-License-Identifier: Apache-2.0
"""Costs of a window by the values of some columns, adding up to the replayed bill exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.attribution import Amounts, SeriesCosts, decimal_of, split
from optimizer.billing.attribution.costed import ALONE
from optimizer.errors import UsageError
from optimizer.planning.spend.shared import NEW, Grid, Shared, share_costs
from optimizer.planning.spend.spend import Basis, Rule, Spend
from optimizer.planning.spend.waterfall import Steps, steps_of
from optimizer.planning.spend.windows import Window, parse_window
from optimizer.tables import UsageCells, format_hour

ZERO = Decimal(0)
PARTS = ("on_demand", "spot", "commitments", "unused")

Ints = NDArray[np.int64]


class Unused(StrEnum):
    """What becomes of the cost of commitments that nothing used."""

    apart = "apart"  # a group of its own
    share = "share"  # in proportion to what was used of the same pool


@dataclass(frozen=True)
class Group:
    """Cost of the usage with these values (``None``: absent), in the order of the columns.

    ``kind`` is ``usage``, or ``unused``: commitments that nothing used.  ``shared`` is what
    the group was given of shared costs.
    """

    values: tuple[str | None, ...]
    kind: str
    on_demand: Decimal
    spot: Decimal
    commitments: Decimal
    unused: Decimal
    shared: Decimal
    steps: Steps | None = None

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.on_demand + self.spot + self.commitments + self.unused + self.shared


@dataclass(frozen=True)
class Spending:
    """The costs of a window in groups, the dearest first; their totals are the bill."""

    by: tuple[str, ...]
    window: Window
    rule: Rule
    unused: Unused
    shared: tuple[Shared, ...]
    groups: tuple[Group, ...]
    total: Decimal
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """All groups, in the shape of the document; money is exact."""
        return {
            "by": list(self.by),
            "window": {
                "words": self.window.words,
                "start": format_hour(self.window.first),
                "end": format_hour(self.window.last),
            },
            "rule": str(self.rule),
            "unused": str(self.unused),
            "shared": [rule.as_dict() for rule in self.shared],
            "total": self.total,
            "groups": [self._row(group) for group in self.groups],
            "notes": list(self.notes),
        }

    def _row(self, group: Group) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(self.by, group.values, strict=True))
        row |= {
            "kind": group.kind,
            "on_demand": group.on_demand,
            "spot": group.spot,
            "commitments": group.commitments,
            "unused": group.unused,
            "shared": group.shared,
            "total": group.total,
            "share": float(group.total / self.total) if self.total else None,
        }
        if group.steps is not None:
            row["waterfall"] = group.steps.as_dict()
        return row


def group_costs(
    spend: Spend,
    by: Sequence[str],
    window: Window | str,
    *,
    rule: Rule | str = Rule.used,
    unused: Unused | str = Unused.apart,
    shared: Sequence[Shared] = (),
    measure: str = "requests",
    waterfall: bool = False,
) -> Spending:
    """Group the costs of a window.

    Parameters
    ----------
    by
        Columns of ``Spend.columns``; none: the whole bill as one group.
    window
        Words of a window, or one.
    rule, unused, shared
        Whose cost is whose; see ``docs/costs.md``.
    measure
        What the rule ``requests`` divides shared deployments by.
    waterfall
        Also reckon the steps from list price to effective cost of each group.

    Raises
    ------
    UsageError
        For a column, rule or window that there is not.
    DataError
        If no usage is known in the window.
    """
    if len(set(by)) < len(by):
        raise UsageError(f"--by names a column twice: {', '.join(by)}. To mend it: name it once")
    wanted = spend.window(window)
    basis = Basis.of(rule, measure)
    handling = _unused(unused)
    costs = spend.costs(wanted, basis)
    cells = spend.divided(basis)
    labels = [spend.labels(column, basis) for column in by]
    grid = _grid(costs, [label.code.astype(np.int64) for label in labels])
    series = {
        "on_demand": costs.on_demand,
        "spot": costs.spot,
        "commitments": costs.commitments,
    }
    left = costs.unused
    if handling is Unused.share:
        series["unused"], left = _spread_unused(spend, cells, costs)
    parts = {name: grid.sums(amounts) for name, amounts in series.items()}
    parts.setdefault("unused", Amounts.zeros(grid.count))
    steps = steps_of(spend, wanted, basis, grid) if waterfall else None
    values = [label.values for label in labels]
    final, notes = share_costs(grid, by, values, parts, shared)
    groups = [
        Group(
            values=tuple(names[code] or None for names, code in zip(values, row, strict=True)),
            kind="usage",
            on_demand=on_demand,
            spot=spot,
            commitments=commitments,
            unused=idle,
            shared=more,
            steps=None if steps is None or origin == NEW else steps[origin],
        )
        for row, origin, on_demand, spot, commitments, idle, more in zip(
            final.codes.tolist(),
            final.origin.tolist(),
            *(final.parts[name].decimals() for name in PARTS),
            final.given.decimals(),
            strict=True,
        )
    ]
    if shared:
        groups = [group for group in groups if group.total]
    groups += _unused_groups(spend, by, left)
    groups.sort(
        key=lambda group: (-group.total, group.kind, [value or "" for value in group.values])
    )
    return Spending(
        by=tuple(by),
        window=wanted,
        rule=Rule(rule),
        unused=handling,
        shared=tuple(shared),
        groups=tuple(groups),
        total=decimal_of(costs.total),
        notes=(*_notes(spend, window, wanted, basis, costs), *notes),
    )


def _unused(word: Unused | str) -> Unused:
    if word not in tuple(Unused):
        raise UsageError(
            f"unused commitments cannot be '{word}'. To mend it: use one of {', '.join(Unused)}"
        )
    return Unused(word)


def _grid(costs: SeriesCosts, codes: list[Ints]) -> Grid:
    """The groups that ran or cost anything in the window."""
    alive = costs.quantity > 0
    for amounts in (costs.on_demand, costs.spot, costs.commitments):
        alive |= (amounts.whole != 0) | (amounts.pico != 0)
    chosen = np.flatnonzero(alive)
    if not codes:
        none = np.zeros((int(len(chosen) > 0), 0), np.int64)
        return Grid(chosen, np.zeros(len(chosen), np.int64), none)
    table = np.stack([code[chosen] for code in codes], axis=1)
    if table.shape[1] == 1:  # far faster than by rows
        found, inverse = np.unique(table[:, 0], return_inverse=True)
        found = found[:, None]
    else:
        found, inverse = np.unique(table, axis=0, return_inverse=True)
    return Grid(chosen, inverse.reshape(-1).astype(np.int64), found)


def _spread_unused(spend: Spend, cells: UsageCells, costs: SeriesCosts) -> tuple[Amounts, Amounts]:
    """Unused cost by series in proportion to used cost, pool by pool; and what stays.

    What a pool does not use stays where nothing of the pool was used in the window.
    """
    costed = spend.costed
    pool = costed.line_pool[cells.line]
    weight = costs.commitments.floats()
    used = np.bincount(np.maximum(pool, 0), weights=np.where(pool == ALONE, 0.0, weight),
                       minlength=costed.pools)  # fmt: skip
    totals = [0] * (costed.pools + 1)
    stays = []
    for holding, amount in enumerate(costs.unused.picos()):
        place = int(costed.holding_pool[holding])
        kept = place == ALONE or not used[place] > 0
        stays.append(amount if kept else 0)
        totals[place] += 0 if kept else amount
    group = np.where(pool == ALONE, costed.pools, pool)
    return split(totals, group, weight), Amounts.of(stays)


def _unused_groups(spend: Spend, by: Sequence[str], left: Amounts) -> list[Group]:
    """Unused commitments: one group, or one per provider where that is asked for."""
    sums: dict[tuple[str | None, ...], Decimal] = {}
    for holding, amount in zip(spend.costed.bill.holdings, left.decimals(), strict=True):
        values = tuple(holding.provider or None if name == "provider" else None for name in by)
        sums[values] = sums.get(values, ZERO) + amount
    return [
        Group(values, "unused", ZERO, ZERO, ZERO, amount, ZERO)
        for values, amount in sums.items()
        if amount
    ]


def _notes(
    spend: Spend, asked: Window | str, window: Window, basis: Basis, costs: SeriesCosts
) -> list[str]:
    notes = []
    whole = asked if isinstance(asked, Window) else _meant(spend, asked)
    if (whole.first, whole.last) != (window.first, window.last):
        notes.append(
            f"usage is known for {window.hours} of the {whole.hours} hours of {whole.text}"
        )
    if basis.by_request:
        notes += _undivided(spend, basis, costs)
    return notes


def _meant(spend: Spend, words: str) -> Window:
    return parse_window(words, spend.case.settings.as_of, spend.known)


def _undivided(spend: Spend, basis: Basis, costs: SeriesCosts) -> list[str]:
    """Say what of shared deployments could not be divided by request."""
    cells = spend.divided(basis)
    deployment, workload = (cells.labels.get(name) for name in ("deployment", "workload"))
    if deployment is None:
        return ["usage names no deployment: nothing is divided by request"]
    shared = np.array([bool(value) for value in deployment.values])[deployment.code]
    if workload is not None:
        shared &= ~np.array([bool(value) for value in workload.values])[workload.code]
    chosen = np.flatnonzero(shared)
    parts = (costs.on_demand, costs.spot, costs.commitments)
    amount = sum(part.take(chosen).total() for part in parts)
    if not amount:
        return []
    asked = spend.asked
    measure = basis.by_request
    column = (
        "columns input_tokens and output_tokens" if measure == "tokens" else f"column {measure}"
    )
    text = (
        f"{decimal_of(amount):.2f} of shared deployments stays with them: it is not known who "
        f"asked ({asked.file}, {column}; {asked.routes_file})"
    )
    return [text]
