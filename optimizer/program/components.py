# SPDX-License-Identifier: Apache-2.0
"""Parts of a case that share no commitment: each is merged, solved and proven alone.

Two lines of usage belong together if some holding or offer may cover both, if offers that
are bought together may, or if a limit adds them up.  Hours of a part merge far better than
hours of the whole case, and the bounds of the parts add up to the bound of the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.billing import BillingLines, Catalogue, Holding, SharingModes, billing_lines
from optimizer.billing.order import reach_of
from optimizer.demand import HorizonDemand
from optimizer.program.problem import Ints
from optimizer.program.purchases import Column, planned
from optimizer.tables import Settings, UsageLines


@dataclass(frozen=True)
class Component:
    """Lines (indices into the usage), holdings and columns that belong together."""

    lines: Ints
    holdings: tuple[Holding, ...]
    columns: tuple[Column, ...]
    demand: HorizonDemand


@dataclass(frozen=True)
class Split:
    """The components, and the columns and holdings that meet no usage at all."""

    components: tuple[Component, ...]
    idle_columns: tuple[Column, ...]
    idle_holdings: tuple[Holding, ...]


def split_case(
    settings: Settings,
    catalogue: Catalogue,
    demand: HorizonDemand,
    holdings: Sequence[Holding],
    columns: Sequence[Column],
    together: Sequence[Sequence[int]] = (),
    joined: Sequence[Sequence[int]] = (),
) -> Split:
    """Split usage, holdings and columns into components, in the order of the lines.

    ``together`` are groups of lines that a limit links; ``joined`` those among which work
    may move: they count as used.
    """
    usage = demand.usage
    lines = billing_lines(usage, catalogue)
    hours = usage.first_hour + np.arange(usage.quantity.shape[1])
    modes = [mode for _, mode in SharingModes.of(settings, hours).groups]
    used = np.asarray(usage.quantity.any(axis=1))
    used[[line for group in joined for line in group]] = True
    parent = list(range(len(lines.meter)))
    held_lines = [_reached(catalogue, lines, [holding], modes, used) for holding in holdings]
    column_lines = []
    for column in columns:
        members = [planned(offer, offer.amount_step, settings.as_of) for offer, _ in column.members]
        column_lines.append(_reached(catalogue, lines, members, modes, used))
    for group in (*held_lines, *column_lines, *together, *joined):
        for line in group[1:]:
            parent[_root(parent, line)] = _root(parent, group[0])
    members_of: dict[int, list[int]] = {}
    for line in range(len(parent)):
        members_of.setdefault(_root(parent, line), []).append(line)
    components = []
    for root, index in sorted(members_of.items(), key=lambda item: item[1][0]):
        chosen = np.array(index, dtype=np.int64)
        components.append(
            Component(
                lines=chosen,
                holdings=tuple(
                    h
                    for h, reached in zip(holdings, held_lines, strict=True)
                    if reached and _root(parent, reached[0]) == root
                ),
                columns=tuple(
                    c
                    for c, reached in zip(columns, column_lines, strict=True)
                    if reached and _root(parent, reached[0]) == root
                ),
                demand=replace(demand, usage=_take(usage, chosen), given=demand.given[chosen]),
            )
        )
    return Split(
        tuple(components),
        tuple(c for c, reached in zip(columns, column_lines, strict=True) if not reached),
        tuple(h for h, reached in zip(holdings, held_lines, strict=True) if not reached),
    )


def _reached(
    catalogue: Catalogue,
    lines: BillingLines,
    holdings: Sequence[Holding],
    modes: Sequence[dict[str, str]],
    used: np.ndarray,
) -> list[int]:
    """Lines with usage that any of the holdings may cover in any sharing mode."""
    return [
        line
        for line, meter in enumerate(lines.meter)
        if used[line]
        and any(
            meter in catalogue.draws[holding.offer.name]
            and any(reach_of(holding, lines, line, mode) is not None for mode in modes)
            for holding in holdings
        )
    ]


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def _take(usage: UsageLines, index: Ints) -> UsageLines:
    """Some of the lines."""
    chosen = [int(line) for line in index]
    return replace(
        usage,
        meter=tuple(usage.meter[line] for line in chosen),
        account=tuple(usage.account[line] for line in chosen),
        zone=tuple(usage.zone[line] for line in chosen),
        lost_hours=usage.lost_hours[index],
        restart_cost=tuple(usage.restart_cost[line] for line in chosen),
        unmet_penalty=tuple(usage.unmet_penalty[line] for line in chosen),
        quantity=usage.quantity[index],
        spot=usage.spot[index],
        spot_taken=usage.spot_taken[index],
        tolerant=usage.tolerant[index],
        present=usage.present[index],
        daily=usage.daily[index],
    )
