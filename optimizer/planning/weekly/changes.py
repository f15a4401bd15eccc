# SPDX-License-Identifier: Apache-2.0
"""Why a week cost more or less than the one before: one thing exchanged at a time, replayed.

The replay of the week before is turned into that of the week step by step, in a fixed order;
each step is billed, and its change of the bill is that cause's. So the causes add up to the
difference exactly. Commitments that both serve are shared in that order: what an earlier cause
leaves uncovered is charged to it.

1. hours of the week before that have no rows are filled from the week
2. prices, meter by meter, where those of the week before are known
3. the same hours a week later: payments of months, sharing rules
4. commitments that ended, one by one; 5. commitments that began, one by one
6. demand, meter by meter, at the shares of spot of the week before
7. the share that ran on spot, of all lines together
8. hours of the week that have no rows are emptied again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

import numpy as np

from optimizer.billing import Bill, Catalogue, Holding, make_bill
from optimizer.errors import MissingPrice
from optimizer.planning.weekly.window import (
    Flags,
    Weeks,
    at_hours,
    hours_of,
    seen,
    with_hours_of,
    with_lines_of,
    with_spot_of,
)
from optimizer.tables import Case, UsageLines

MOST_METERS = 12  # exchanged alone; the others of a provider go together
_CELLS = 40_000_000  # lines × hours × replays that a report may take, about


class Cause(StrEnum):
    """What may have changed."""

    data = "data"
    price = "price"
    calendar = "calendar"
    ended = "commitment ended"
    began = "commitment began"
    demand = "demand"
    spot = "spot share"


@dataclass(frozen=True)
class Step:
    """One cause: dollars that it adds to the bill, and to the cost of what is unused in it."""

    cause: Cause
    name: str
    provider: str
    amount: Decimal
    waste: Decimal


@dataclass(frozen=True)
class Changes:
    """The causes in the order of the exchange; ``before + Σ amount = after``.

    ``priced`` says whether prices of the week before are known. ``states`` are the usage before
    and after the demand was exchanged, for other ways to divide that step.
    """

    before: Decimal
    after: Decimal
    steps: tuple[Step, ...]
    priced: bool
    states: DemandStep | None = None

    @property
    def change(self) -> Decimal:
        """What the week cost more than the one before."""
        return self.after - self.before

    def of(self, cause: Cause) -> Decimal:
        """All that a kind of cause adds."""
        return sum((step.amount for step in self.steps if step.cause is cause), Decimal(0))


@dataclass(frozen=True)
class DemandStep:
    """Demand of the week before and of the week, all else as in the week."""

    case: Case
    catalogue: Catalogue
    holdings: tuple[Holding, ...]
    was: UsageLines
    now: UsageLines


@dataclass
class Walk:
    """A replay that is changed step by step; steps that cannot be priced join the next."""

    case: Case
    catalogue: Catalogue
    holdings: Sequence[Holding]
    usage: UsageLines
    bill: Bill
    steps: list[Step] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def take(self, cause: Cause, name: str, provider: str = "") -> None:
        """Bill what is now, and charge the difference to a cause."""
        try:
            bill = make_bill(self.case, self.catalogue, self.usage, self.holdings)
        except MissingPrice:
            self.waiting.append(name)
            return
        amount = bill.total - self.bill.total
        waste = bill.unused_cost - self.bill.unused_cost
        if amount or waste:
            whole = ", ".join([*self.waiting, name])
            self.steps.append(Step(cause, whole, provider, amount, waste))
            self.waiting = []
        self.bill = bill

    def finish(self, bill: Bill) -> None:
        """End in a bill that is known; nothing is left over where all could be priced."""
        amount = bill.total - self.bill.total
        waste = bill.unused_cost - self.bill.unused_cost
        if amount or waste:
            name = ", ".join(self.waiting) or "rounding"
            self.steps.append(Step(Cause.demand, name, "", amount, waste))


def explain_change(
    case: Case,
    weeks: Weeks,
    before: Bill,
    after: Bill,
    *,
    old: Catalogue,
    holdings: Sequence[Holding],
    priced: bool,
) -> Changes:
    """Return why ``after``, the bill of the week, is not ``before``.

    Parameters
    ----------
    before, after
        The replays of the two weeks.
    old
        The catalogue with the prices of the week before; that of the week is ``after``'s.
    priced
        Whether those prices are known, and not those of the week in their place.
    """
    whole = case.usage_lines()
    was = hours_of(whole, weeks.before, weeks.start)
    now = hours_of(whole, weeks.start, weeks.end)
    walk = Walk(case, old, holdings, was, before)
    gap_before, gap_now = ~seen(was), ~seen(now)
    missing = gap_before & ~gap_now
    if missing.any():
        walk.usage = was = with_hours_of(was, at_hours(now, was.first_hour), missing)
        walk.take(Cause.data, f"{missing.sum()} hours of the week before have no rows")
    missing = gap_now & ~gap_before
    filled = with_hours_of(now, at_hours(was, now.first_hour), missing)
    _prices(walk, after.catalogue)
    walk.usage = was = at_hours(was, weeks.start)
    _commitments(walk, weeks)
    states = DemandStep(case, after.catalogue, tuple(holdings), was, with_spot_of(filled, was))
    _demand(walk, states)
    walk.usage = filled
    if not np.array_equal(states.now.spot, filled.spot):
        walk.take(Cause.spot, "share of usage that ran on spot")
    if missing.any():
        walk.usage = now
        walk.take(Cause.data, f"{missing.sum()} hours of the week have no rows")
    walk.finish(after)
    return Changes(before.total, after.total, tuple(walk.steps), priced, states)


def _prices(walk: Walk, new: Catalogue) -> None:
    """Exchange the prices of meters, one after the other; those that the week used."""
    old = walk.catalogue
    used = {name for i, name in enumerate(walk.usage.meter) if walk.usage.quantity[i].any()}
    changed = [
        name for name, meter in sorted(new.meters.items()) if meter != old.meters.get(name, meter)
    ]
    meters = dict(old.meters)
    for name in [name for name in changed if name in used][:MOST_METERS]:
        meters = {**meters, name: new.meters[name]}
        walk.catalogue = replace(walk.catalogue, meters=meters)
        walk.take(Cause.price, name, new.meters[name].provider)
    walk.catalogue = new
    if changed:
        walk.take(Cause.price, "other prices")


def _commitments(walk: Walk, weeks: Weeks) -> None:
    """Exchange the commitments of the week before for those of the week."""
    shift = weeks.start - weeks.before
    held = list(walk.holdings)
    ended = [i for i, h in enumerate(held) if weeks.before < h.end < weeks.end]
    began = [i for i, h in enumerate(held) if weeks.before < h.start < weeks.end]
    moved = list(held)
    for index in {*ended, *began}:
        mine = held[index]
        moved[index] = replace(mine, start=mine.start + shift, end=mine.end + shift)
    walk.holdings = tuple(moved)
    walk.take(Cause.calendar, "payments and rules of the calendar")
    for cause, those in ((Cause.ended, ended), (Cause.began, began)):
        for index in those:
            moved[index] = held[index]
            walk.holdings = tuple(moved)
            walk.take(cause, held[index].name, _provider(walk.catalogue, held[index]))


def _demand(walk: Walk, states: DemandStep) -> None:
    """Exchange the demand: the meters that changed most alone, the others by provider."""
    meters = states.catalogue.meters
    groups = exchange_groups(states, dict(enumerate(states.was.meter)))
    usage = states.was
    of_line = np.array([meters[name].provider for name in usage.meter], dtype=object)
    for name, chosen in groups:
        if name:
            walk.usage = usage = with_lines_of(usage, states.now, chosen)
            walk.take(Cause.demand, name, meters[name].provider)
            continue
        for provider in sorted(set(of_line[chosen])):
            some = chosen & (of_line == provider)
            walk.usage = usage = with_lines_of(usage, states.now, some)
            walk.take(Cause.demand, f"other meters of {provider}", str(provider))
    walk.usage = states.now


def affordable(usage: UsageLines, most: int) -> int:
    """How many groups may be replayed one by one: fewer of a large fleet."""
    lines, hours = usage.quantity.shape
    return max(1, min(most, int(_CELLS / max(1, lines * hours)) - 8))


def exchange_groups(
    states: DemandStep, name_of: Mapping[int, str], most: int = MOST_METERS
) -> list[tuple[str, Flags]]:
    """Group lines by a name: the groups that changed most, then ``""`` with all others.

    What changed is weighed at on-demand prices, hour by hour; lines that are the same in both
    weeks are in no group. Providers come one after the other, so that subtotals are of a piece.
    """
    was, now = states.was, states.now
    lines = len(was.meter)
    most = affordable(was, most)
    price = np.array([float(states.catalogue.meters[m].on_demand or 1) for m in was.meter])
    weight = np.abs(now.quantity - was.quantity).sum(axis=1) * price
    changed = np.zeros(lines, dtype=np.bool_)
    for mine, theirs in (
        (was.quantity, now.quantity), (was.spot, now.spot), (was.spot_taken, now.spot_taken)
    ):  # fmt: skip
        changed |= (mine != theirs).any(axis=1)
    sums: dict[str, float] = {}
    for index in np.flatnonzero(changed):
        name = name_of[int(index)]
        sums[name] = sums.get(name, 0.0) + float(weight[index])
    chosen = sorted(sums, key=lambda name: (-sums[name], name))[:most]
    named = np.array([name_of[i] for i in range(lines)], dtype=object)
    groups = [(name, changed & (named == name)) for name in sorted(chosen)]
    rest = changed & ~np.isin(named, chosen) if chosen else changed
    return [*groups, ("", rest)] if rest.any() else groups


def _provider(catalogue: Catalogue, holding: Holding) -> str:
    meters = catalogue.draws[holding.offer.name]
    return catalogue.meters[min(meters)].provider if meters else ""
