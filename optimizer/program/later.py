# SPDX-License-Identifier: Apache-2.0
"""Later purchases: what may be bought at each step of a tree, node by node.

A later purchase is a column like any other.  It is in force from its step on, in the futures
of its information node alone, and is paid with the node's odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.billing import Catalogue, Holding
from optimizer.program.problem import Floats, Links, Problem
from optimizer.program.purchases import Column
from optimizer.program.renewal import renewals, without_undercut
from optimizer.program.scenario_tree import ScenarioTree
from optimizer.tables import Settings, UsageLines, format_hour

MONTH = 730
QUARTER = 2190  # hours, of upfront cash


@dataclass(frozen=True)
class Recourse:
    """What may be bought after now: later purchases, then renewals behind the horizon."""

    later: tuple[Column, ...]
    renewed: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Both."""
        return (*self.later, *self.renewed)


def recourse_of(
    settings: Settings,
    catalogue: Catalogue,
    usage: UsageLines,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
    by_step: Sequence[Sequence[Column]],
    tree: ScenarioTree,
) -> Recourse:
    """The columns of every node behind now.

    Parameters
    ----------
    columns
        What may be bought now.
    by_step
        What may be bought at each later step, of the same usage.

    Notes
    -----
    The window ends with the last of what is bought now, or of a later purchase whose term is
    no longer than the horizon, which so counts in full.  Of longer terms bought later only
    the part within the window is charged and used.
    """
    as_of, end = settings.as_of, settings.as_of + settings.horizon_hours
    now_until = max([end, *(column.term(as_of)[1] for column in columns)])
    starts = [as_of + hour for hour in tree.hours[1:]]
    ends = [
        start + column.members[0][0].term_hours
        for start, offered in zip(starts, by_step, strict=True)
        for column in offered
        if column.members[0][0].term_hours <= settings.horizon_hours
    ]
    last = end if settings.after_horizon == "prorata" else max([now_until, *ends])
    later = []
    for step, (start, offered) in enumerate(zip(starts, by_step, strict=True), start=1):
        chosen = [c for c in offered if all(offer.starts is None for offer, _ in c.members)]
        if settings.limits.upfront_cash is None:  # else what is paid when makes a difference
            chosen = without_undercut(settings, catalogue, chosen, same_term=True)
        for number, futures in enumerate(tree.nodes(step), start=1):
            later += [
                replace(
                    column,
                    name=f"{column.name} from {format_hour(start)} in node {step}.{number}",
                    renewed=(start, min(start + column.members[0][0].term_hours, last)),
                    decided=start,
                    futures=futures,
                )
                for column in chosen
            ]
    again = renewals(settings, catalogue, usage, holdings, columns, until=last, expiring=later)
    leaves = tree.leaves
    renewed = [
        replace(column, name=f"{column.name} in node {number}", futures=futures)
        if len(leaves) > 1
        else column
        for column in again
        for number, futures in enumerate(leaves, start=1)
    ]
    return Recourse(tuple(later), tuple(renewed))


def node_odds(columns: Sequence[Column], odds: Floats) -> Floats:
    """(K,) the chance that each column is paid for."""
    return np.array(
        [1.0 if c.futures is None else float(odds[list(c.futures)].sum()) for c in columns]
    )


def cash_links(settings: Settings, columns: Sequence[Column], links: Links) -> Links:
    """ladder.cash[date, ν]: Σ upfront·Q ≤ ``upfront_cash`` along the path to a node.

    Of what is bought in one quarter, by the time of its last step; the first quarter holds
    what is bought now.  Rows that another one contains are left out.
    """
    cash = settings.limits.upfront_cash
    if cash is None:
        return links
    as_of = settings.as_of
    asked = np.array(
        [float(sum(offer.upfront * ratio for offer, ratio in c.members)) for c in columns]
    )
    rows: dict[tuple[int, tuple[int, ...]], Floats] = {}  # by the last purchase of the path
    for last in columns:
        if last.decided is None or last.futures is None:
            continue
        quarter = (last.decided - as_of) // QUARTER
        if (last.decided, last.futures) in rows:
            continue
        row = np.zeros(len(columns))
        for index, column in enumerate(columns):
            if column.renewed is not None and column.decided is None:
                continue  # behind the horizon
            hour = as_of if column.decided is None else column.decided
            within = column.futures is None or set(last.futures) <= set(column.futures)
            if (hour - as_of) // QUARTER == quarter and hour <= last.decided and within:
                row[index] = asked[index]
        rows[last.decided, last.futures] = row
    kept = [
        (key, row)
        for key, row in rows.items()
        if row.any()
        and not any(
            other is not row and ((other >= row).all() and (other > row).any())
            for other in rows.values()
        )
    ]
    if not kept:
        return links
    more = len(kept)

    def wider(values: Floats) -> Floats:
        return np.vstack([values, np.zeros((more, values.shape[1]))])

    return Links(
        names=(
            *links.names,
            *(
                f"ladder.cash[{format_hour(hour)[:10]}, node of future {futures[0] + 1}]"
                for (hour, futures), _ in kept
            ),
        ),
        most=np.concatenate([links.most, np.full(more, float(cash))]),
        excess_price=np.concatenate([links.excess_price, np.full(more, np.inf)]),
        purchase=np.vstack([links.purchase, [row for _, row in kept]]),
        on_demand=wider(links.on_demand),
        spot=wider(links.spot),
        covered=wider(links.covered),
        window=np.vstack([links.window, np.zeros((more, links.window.shape[1]), dtype=bool)]),
        demand=wider(links.demand),
    )


def without_later(problem: Problem, columns: Sequence[Column]) -> Problem:
    """The same problem in which nothing is bought between now and the end of the horizon."""
    later = np.array([column.decided is not None for column in columns], dtype=bool)
    return replace(problem, maximum=np.where(later, 0.0, problem.maximum))
