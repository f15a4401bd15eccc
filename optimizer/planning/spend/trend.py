# SPDX-License-Identifier: Apache-2.0
"""Costs of groups step by step: hours, days, weeks or months of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optimizer.errors import UsageError
from optimizer.planning.spend.compare import Key, key_of
from optimizer.planning.spend.groups import Spending, Unused, group_costs
from optimizer.planning.spend.shared import Shared
from optimizer.planning.spend.spend import Rule, Spend
from optimizer.planning.spend.windows import Window, length_of
from optimizer.tables import format_hour, month_hours, month_of

ZERO = Decimal(0)
MOST_STEPS = 1000
MONTH = "month"


@dataclass(frozen=True)
class Course:
    """The costs of one group in each step; ``key`` is its kind and its values."""

    key: Key
    costs: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """All steps."""
        return sum(self.costs, ZERO)


@dataclass(frozen=True)
class OverTime:
    """Costs step by step; in each step the groups add up to its bill."""

    by: tuple[str, ...]
    steps: tuple[Spending, ...]
    courses: tuple[Course, ...]

    def as_dict(self) -> list[dict[str, Any]]:
        """One row per step: its hours, its total and its groups."""
        return [
            {
                "start": format_hour(step.window.first),
                "end": format_hour(step.window.last),
                "total": step.total,
                "groups": [
                    dict(zip(self.by, group.values, strict=True))
                    | {"kind": group.kind, "total": group.total}
                    for group in step.groups
                ],
            }
            for step in self.steps
        ]


def costs_over_time(
    spend: Spend,
    by: Sequence[str],
    window: Window | str,
    step: str = "1d",
    *,
    rule: Rule | str = Rule.used,
    unused: Unused | str = Unused.apart,
    shared: Sequence[Shared] = (),
    measure: str = "requests",
) -> OverTime:
    """Group each step of a window; the dearest groups first.

    Parameters
    ----------
    step
        A length such as ``6h``, ``1d`` or ``1w`` (the last step may be shorter), or ``month``.

    Raises
    ------
    UsageError
        For a step that there is not, or more than 1,000 of them.
    """
    wanted = spend.window(window)
    steps = tuple(
        group_costs(spend, by, each, rule=rule, unused=unused, shared=shared, measure=measure)
        for each in _steps(wanted, step)
    )
    costs: dict[Key, list[Decimal]] = {}
    for place, found in enumerate(steps):
        for group in found.groups:
            row = costs.setdefault(key_of(group), [ZERO] * len(steps))
            row[place] = group.total
    courses = [Course(key, tuple(row)) for key, row in costs.items()]
    courses.sort(key=lambda course: (-course.total, course.key[0], str(course.key[1])))
    return OverTime(tuple(by), steps, tuple(courses))


def _steps(window: Window, step: str) -> list[Window]:
    hours = None if step == MONTH else length_of(step)
    if step != MONTH and hours is None:
        raise UsageError(f"'{step}' is no step. To mend it: write 6h, 1d, 1w or month")
    found = []
    first = window.first
    while first < window.last:
        end = month_hours(*month_of(first))[1] if hours is None else first + hours
        found.append(Window(first, min(end, window.last), step))
        first = end
        if len(found) > MOST_STEPS:
            raise UsageError(
                f"steps of {step} in {window.text} are more than {MOST_STEPS}. "
                "To mend it: take longer steps or a shorter window"
            )
    return found
