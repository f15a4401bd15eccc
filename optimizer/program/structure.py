# SPDX-License-Identifier: Apache-2.0
"""What in a problem stands alone and what is shared: derived once, read by every way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optimizer.program.problem import Problem

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Structure:
    """Which sources are own, and the pairs of each pool.

    Attributes
    ----------
    own
        (S,) sources that cover one pool alone, a plain one.
    shared, row
        The other sources, and for each source its place among them (−1 for own ones).
    plain
        (P,) pools that no hourly limit, linking row or moving work touches.
    pairs, own_pairs
        For each pool its pairs with shared and with own sources.
    regime, lead
        The regime of each period: periods of one have the same prices and the same
        purchases in force, and may differ in what is held; and the first period of each.
    """

    own: NDArray[np.bool_]
    shared: Ints
    row: Ints
    plain: NDArray[np.bool_]
    pairs: tuple[Ints, ...]
    own_pairs: tuple[Ints, ...]
    regime: Ints
    lead: Ints

    @property
    def regimes(self) -> int:
        """Number of regimes."""
        return len(self.lead)

    @classmethod
    def of(cls, problem: Problem) -> Structure:
        """Classify the sources of a problem."""
        sources, pools = len(problem.sources), len(problem.pools)
        plain = np.asarray((problem.availability >= 1.0).all(axis=1))
        plain[problem.limits.entry_pool] = False
        if problem.arriving is not None:
            plain &= problem.arriving <= 0
        if problem.links.names:
            touched = np.any(problem.links.covered != 0, axis=0)
            plain[problem.pair_pool[touched]] = False
        reach = np.bincount(problem.pair_source, minlength=sources)
        pool_of = np.zeros(sources, dtype=np.int64)
        pool_of[problem.pair_source] = problem.pair_pool
        own = (reach == 1) & plain[pool_of]
        row = np.full(sources, -1)
        shared = np.flatnonzero(~own)
        row[shared] = np.arange(len(shared))
        by_pool = np.argsort(problem.pair_pool, kind="stable")
        ends = np.searchsorted(problem.pair_pool[by_pool], np.arange(pools + 1))
        groups = [by_pool[ends[p] : ends[p + 1]] for p in range(pools)]
        _, lead, regime = np.unique(
            np.vstack(
                [
                    problem.price,
                    problem.active,
                    *([problem.member_active] if len(problem.member_active) else []),
                    *([problem.links.window[:, : problem.periods]] if problem.links.names else []),
                ]
            ),
            axis=1,
            return_index=True,
            return_inverse=True,
        )
        return cls(
            regime=np.asarray(regime, dtype=np.int64).reshape(-1),
            lead=np.asarray(lead, dtype=np.int64),
            own=own,
            shared=shared,
            row=row,
            plain=plain,
            pairs=tuple(g[~own[problem.pair_source[g]]] for g in groups),
            own_pairs=tuple(g[own[problem.pair_source[g]]] for g in groups),
        )
