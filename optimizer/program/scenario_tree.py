# SPDX-License-Identifier: Apache-2.0
"""What is known when: futures that look alike until a step share its information node.

A purchase that is decided in a later step may depend on what was observed until then and on
nothing else.  If every future could be told apart after now, later purchases would see the
future, and the advice would be to wait too long (``docs/program.md``, "Ladder").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Nodes hold at least this share of the futures: one alone would know how its path goes on.
LEAST_SHARE = 0.1
# Distance, as a share of the size of what was observed, below which paths are the same.
SAME = 1e-9


@dataclass(frozen=True)
class ScenarioTree:
    """Steps at which something may be bought, and what can be told apart at each.

    Attributes
    ----------
    hours
        (K,) hours of the horizon; the first is 0, now.
    node
        (K, S) the node of each future at each step, 0 … n−1; steps only ever divide nodes.
    """

    hours: tuple[int, ...]
    node: NDArray[np.int64]

    def __post_init__(self) -> None:
        """A tree that is none is a defect of whoever made it."""
        ordered = all(a < b for a, b in pairwise(self.hours))
        if not self.hours or self.hours[0] != 0 or not ordered:
            msg = f"steps at hours {self.hours}: they must start at 0 and ascend"
            raise ValueError(msg)
        if self.node.shape[0] != len(self.hours) or self.node[0].any():
            msg = "there must be one node for each step and future, and a single one now"
            raise ValueError(msg)
        for before, after in pairwise(self.node):
            for one in np.unique(after):
                if len(np.unique(before[after == one])) > 1:
                    msg = "a node joins futures that were told apart before"
                    raise ValueError(msg)

    @property
    def scenarios(self) -> int:
        """Number of futures, S."""
        return int(self.node.shape[1])

    def nodes(self, step: int) -> list[tuple[int, ...]]:
        """The futures of each node of a step, in the order of their first future."""
        row = self.node[step]
        _, first = np.unique(row, return_index=True)
        return [tuple(int(s) for s in np.flatnonzero(row == row[at])) for at in np.sort(first)]

    @property
    def leaves(self) -> list[tuple[int, ...]]:
        """The futures that are never told apart."""
        return self.nodes(len(self.hours) - 1)

    def take(self, futures: Sequence[int]) -> ScenarioTree:
        """The same nodes with some of their futures, which are numbered anew."""
        return ScenarioTree(self.hours, self.node[:, list(futures)])

    @classmethod
    def alone(cls, scenarios: int) -> ScenarioTree:
        """Only now: nothing is bought later."""
        return cls((0,), np.zeros((1, scenarios), dtype=np.int64))

    def clairvoyant(self) -> ScenarioTree:
        """The same steps with every future known after now: a bound, and no policy."""
        apart = np.tile(np.arange(self.scenarios), (len(self.hours), 1))
        apart[0] = 0
        return ScenarioTree(self.hours, apart)


def observed_tree(
    paths: Floats,
    odds: Floats,
    hours: Sequence[int],
    *,
    worth: Floats,
    branches: int = 2,
    most: int = 8,
) -> ScenarioTree:
    """Cluster futures by what is seen of them until each step, step within step.

    What is seen until a step are the means of each line between the steps before it, in
    dollars at on-demand prices.  A node is divided along the direction in which it varies
    most, where that divides the variation best; the order of the futures changes nothing.

    Parameters
    ----------
    paths
        (S, L, T) units.
    hours
        Steps behind now, in hours of the horizon.
    worth
        (L,) dollars per unit.
    branches, most
        Parts of a node at most, and nodes of a step at most.
    """
    steps = (0, *sorted({int(hour) for hour in hours if 0 < hour < paths.shape[2]}))
    rows = [np.zeros(paths.shape[0], dtype=np.int64)]
    least = max(1, round(LEAST_SHARE * paths.shape[0]))
    for number in range(1, len(steps)):
        spans = list(pairwise(steps[: number + 1]))
        seen = np.concatenate(
            [paths[:, :, low:high].mean(axis=2) * worth for low, high in spans], axis=1
        )
        rows.append(_divided(rows[-1], seen, odds, branches, most, least))
    return ScenarioTree(steps, np.stack(rows))


def _divided(
    before: NDArray[np.int64], seen: Floats, odds: Floats, branches: int, most: int, least: int
) -> NDArray[np.int64]:
    """The nodes of a step: those before it, divided while there is room, the widest first."""
    parts = [np.flatnonzero(before == node) for node in np.unique(before)]
    origin = list(range(len(parts)))
    while len(parts) < most:
        cuts = []
        for at, part in enumerate(parts):
            if origin.count(origin[at]) < branches:
                found = _best_cut(seen[part], odds[part], least)
                if found is not None:
                    gain, low = found
                    cuts.append((gain, -at, part[low], part[~low]))
        if not cuts:
            break
        _, at, one, other = max(cuts, key=lambda cut: cut[:2])
        parts[-at] = one
        parts.append(other)
        origin.append(origin[-at])
    divided = np.zeros(len(before), dtype=np.int64)
    for number, part in enumerate(sorted(parts, key=lambda futures: int(futures.min()))):
        divided[part] = number
    return divided


def _best_cut(seen: Floats, odds: Floats, least: int) -> tuple[float, NDArray[np.bool_]] | None:
    """Where two parts differ most: the variation between them, and the futures of the lower."""
    if len(seen) < 2 * least:
        return None
    weight = odds / odds.sum()
    centred = seen - weight @ seen
    size = float(np.abs(seen).max(initial=0.0))
    if float(np.abs(centred).max(initial=0.0)) <= SAME * size:
        return None
    _, _, directions = np.linalg.svd(centred * np.sqrt(weight)[:, None], full_matrices=False)
    along = directions[0]
    # Either sign is the same direction; upwards is where more is spent.
    along = along if along.sum() >= 0 else -along
    score = centred @ along
    order = np.lexsort((np.arange(len(score)), np.round(score, 12)))
    mass = np.cumsum(odds[order])
    moment = np.cumsum((odds * score)[order])
    best: tuple[float, int] | None = None
    for count in range(least, len(order) - least + 1):
        if score[order[count]] - score[order[count - 1]] <= SAME * size:
            continue  # the same path must not be on both sides
        low, high = mass[count - 1], mass[-1] - mass[count - 1]
        gain = (moment[count - 1] / low - (moment[-1] - moment[count - 1]) / high) ** 2
        gain *= low * high / mass[-1]
        if best is None or gain > best[0] * (1 + 1e-12):
            best = float(gain), count
    if best is None:
        return None
    lower = np.zeros(len(seen), dtype=bool)
    lower[order[: best[1]]] = True
    return best[0], lower
