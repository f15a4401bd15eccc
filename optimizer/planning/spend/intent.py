# SPDX-License-Identifier: Apache-2.0
"""Intent: what was planned to be tried, used and retired, beside what it did cost.

An initiative is found in history by what its rows name: a meter or a workload, and every
``tag_*`` that they fill.  Usage belongs to one initiative at most: to the one that names most
(ties by name); what is left belongs to none, so that the stages add up to the bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.billing.attribution import decimal_of
from optimizer.billing.catalogue import rows
from optimizer.planning.spend.classes import TAG
from optimizer.planning.spend.spend import Basis, Rule, Spend
from optimizer.planning.spend.windows import Window
from optimizer.tables import format_hour

PLACES = Decimal("1e-12")
NONE = "none"  # the stage of what belongs to no initiative
STAGES = ("explore", "exploit", "retire")

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """One row of ``initiatives`` and what is known of it in a window.

    ``planned`` and ``actual`` are units of the meter, or requests of the workload; of a
    retiring row, what it takes away and what still runs.  ``planned_cost`` is at the
    contract's on-demand price (``None`` for a workload, or without a price).
    """

    initiative: str
    stage: str
    what: str
    row: int
    hours: int
    planned: float
    actual: float | None
    planned_cost: Decimal | None
    actual_cost: Decimal
    note: str


@dataclass(frozen=True)
class Stage:
    """Cost of a stage; ``none`` is what belongs to no initiative, unused commitments too."""

    stage: str
    cost: Decimal
    share: float | None


@dataclass(frozen=True)
class Intent:
    """Planned beside actual by initiative and stage; the stages add up to the bill."""

    window: Window
    parts: tuple[Part, ...]
    stages: tuple[Stage, ...]
    total: Decimal
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """In the shape of the document."""
        return {
            "window": {
                "start": format_hour(self.window.first),
                "end": format_hour(self.window.last),
            },
            "total": self.total,
            "stages": [
                {"stage": stage.stage, "cost": stage.cost, "share": stage.share}
                for stage in self.stages
            ],
            "initiatives": [
                {
                    "initiative": part.initiative,
                    "stage": part.stage,
                    "what": part.what,
                    "row": part.row,
                    "hours": part.hours,
                    "planned": part.planned,
                    "actual": part.actual,
                    "planned_cost": part.planned_cost,
                    "actual_cost": part.actual_cost,
                    "note": part.note or None,
                }
                for part in self.parts
            ],
            "notes": list(self.notes),
        }


def intent_of(spend: Spend, window: Window | str, *, rule: Rule | str = Rule.used) -> Intent | None:
    """Match ``initiatives`` to what ran in a window; ``None`` without that table.

    Raises
    ------
    UsageError, DataError
        For a rule or window that there is not.
    """
    case = spend.case
    if not case.has("initiatives"):
        return None
    wanted = spend.window(window)
    basis = Basis.of(rule)
    told = list(rows(case, "initiatives"))
    tags = [name for name in (told[0] if told else ()) if name.startswith(TAG)]
    order = sorted(told, key=lambda row: (-_named(row, tags), row["initiative"], row["row"]))
    count = spend.divided(basis).count
    cuts = sorted(
        {wanted.first, wanted.last}
        | {hour for row in told for hour in (row["start"], row["end"])
           if wanted.first < hour < wanted.last}
    )  # fmt: skip
    spans = list(pairwise(cuts))
    free = np.ones((count, len(spans)), np.bool_)
    parts = {}
    for row in order:
        parts[row["row"]] = _part(spend, basis, row, tags, spans, free, wanted)
    found = tuple(parts[row["row"]] for row in told)
    total = decimal_of(spend.costs(wanted, basis).total)
    stages = []
    for stage in STAGES:
        cost = sum((part.actual_cost for part in found if part.stage == stage), Decimal(0))
        stages.append((stage, cost))
    rest = total - sum((cost for _, cost in stages), Decimal(0))
    return Intent(
        window=wanted,
        parts=found,
        stages=tuple(
            Stage(stage, cost, float(cost / total) if total else None)
            for stage, cost in [*stages, (NONE, rest)]
        ),
        total=total,
        notes=_notes(found),
    )


def _named(row: dict[str, Any], tags: list[str]) -> int:
    """How many columns an initiative's row names."""
    return 1 + sum(1 for tag in tags if row[tag])


def _part(
    spend: Spend,
    basis: Basis,
    row: dict[str, Any],
    tags: list[str],
    spans: list[tuple[int, int]],
    free: Flags,
    window: Window,
) -> Part:
    """What one row came to; takes its usage out of ``free`` (S, spans)."""
    first, last = max(row["start"], window.first), min(row["end"], window.last)
    hours = max(0, last - first)
    column = "meter" if row["meter"] else "workload"
    what = row[column]
    planned = float(row["quantity"]) * hours
    matched, lacks = _matched(spend, basis, row, tags, column)
    cost, units, contested = 0, 0.0, False
    ran = False
    for place, (begin, end) in enumerate(spans):
        if not (first <= begin and end <= last):
            continue
        mine = matched & free[:, place]
        costs = spend.costs(Window(begin, end, "part"), basis)
        contested |= bool((matched & ~mine & (costs.quantity > 0)).any())
        chosen = np.flatnonzero(mine)
        for part in (costs.on_demand, costs.spot, costs.commitments):
            cost += part.take(chosen).total()
        units += float(costs.quantity[chosen].sum())
        ran |= bool((costs.quantity[chosen] > 0).any())
        free[matched, place] = False
    actual: float | None = units
    price = None
    if column == "workload":
        actual, unknown = _requests(spend, what, first, last)
        lacks = lacks or unknown
    else:
        price = spend.costed.catalogue.meters[what].on_demand
    return Part(
        initiative=row["initiative"],
        stage=row["stage"],
        what=what,
        row=row["row"],
        hours=hours,
        planned=planned,
        actual=actual,
        planned_cost=None if price is None else (Decimal(repr(planned)) * price).quantize(PLACES),
        actual_cost=decimal_of(cost),
        note=_note(row, tags, hours, ran, contested, lacks),
    )


def _matched(
    spend: Spend, basis: Basis, row: dict[str, Any], tags: list[str], column: str
) -> tuple[Flags, str]:
    """(S,) usage that has all that the row names; and what usage lacks for that."""
    matched = np.ones(spend.divided(basis).count, np.bool_)
    for name in [column, *(tag for tag in tags if row[tag])]:
        if name not in spend.columns or (name not in spend.divided(basis).labels):
            return np.zeros_like(matched), f"usage has no column {name}"
        label = spend.labels(name, basis)
        same = np.array([value == row[name] for value in label.values], np.bool_)
        matched &= same[label.code]
    return matched, ""


def _requests(spend: Spend, workload: str, first: int, last: int) -> tuple[float | None, str]:
    asked = spend.asked
    if workload not in asked.names or last <= first:
        return None, ""
    start = spend.known[0]
    counts = asked.counts["requests"][asked.names.index(workload), first - start : last - start]
    if np.isnan(counts).any():
        return None, f"{asked.file} does not tell its requests in all of these hours"
    return float(counts.sum()), ""


def _note(
    row: dict[str, Any], tags: list[str], hours: int, ran: bool, contested: bool, lacks: str
) -> str:
    if not hours:
        return "outside the window"
    if lacks:
        return lacks
    if contested:
        return "some usage belongs to another initiative that names more"
    if not ran:
        return "no usage matches"
    if not any(row[tag] for tag in tags):
        column = "meter" if row["meter"] else "workload"
        return f"matched by {column} alone: a tag_* would tell it from other usage"
    return ""


def _notes(parts: tuple[Part, ...]) -> tuple[str, ...]:
    unmatched = [part.initiative for part in parts if part.hours and not part.actual_cost]
    if not unmatched:
        return ()
    names = ", ".join(sorted(set(unmatched)))
    return (f"nothing in history could be matched to: {names}",)
