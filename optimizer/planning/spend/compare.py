# SPDX-License-Identifier: Apache-2.0
"""A window's costs beside those of the window before, the largest first, the small ones in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimizer.planning.spend.groups import Group, Spending, Unused, group_costs
from optimizer.planning.spend.shared import Shared
from optimizer.planning.spend.spend import Rule, Spend
from optimizer.planning.spend.windows import Window

ZERO = Decimal(0)

Key = tuple[str, tuple[str | None, ...]]


@dataclass(frozen=True)
class Compared:
    """Groups of a window and what each cost in the window before (``None``: not known).

    ``gone`` is what groups cost before that cost nothing now.
    """

    now: Spending
    past: Spending | None
    before: dict[Key, Decimal]
    gone: Decimal

    def cost_before(self, group: Group) -> Decimal | None:
        """What a group cost in the window before; zero if it did not run then."""
        if self.past is None:
            return None
        return self.before.get(key_of(group), ZERO)


def key_of(group: Group) -> Key:
    """What names a group in every window."""
    return group.kind, group.values


def compare_costs(
    spend: Spend,
    by: Sequence[str],
    window: Window | str,
    *,
    rule: Rule | str = Rule.used,
    unused: Unused | str = Unused.apart,
    shared: Sequence[Shared] = (),
    measure: str = "requests",
    waterfall: bool = False,
) -> Compared:
    """Group a window and the one before it by the same rules; see :func:`group_costs`.

    The window before is told only where usage is known for all of it.
    """
    now = group_costs(
        spend,
        by,
        window,
        rule=rule,
        unused=unused,
        shared=shared,
        measure=measure,
        waterfall=waterfall,
    )
    earlier = now.window.before()
    if not earlier.within(*spend.known):
        return Compared(now, None, {}, ZERO)
    past = group_costs(spend, by, earlier, rule=rule, unused=unused, shared=shared, measure=measure)
    before = {key_of(group): group.total for group in past.groups}
    there = {key_of(group) for group in now.groups}
    gone = sum((cost for key, cost in before.items() if key not in there), ZERO)
    return Compared(now, past, before, gone)
