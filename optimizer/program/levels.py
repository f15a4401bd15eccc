# SPDX-License-Identifier: Apache-2.0
"""Two levels of sharing: groups of few pools, and the wide sources above them.

Real offers nest: a reservation covers one meter, an instance plan a family in a region, a
compute plan everything.  Hours that are alike for one group need not be alike for another;
so every group has its own cells, and only the wide sources tie the groups together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from optimizer.program.problem import Ints, Problem

# Pools of a group at most: a group shares its cells, and a cell is as coarse as its pools differ.
MOST_POOLS = 24


@dataclass(frozen=True)
class Group:
    """Pools that share narrow sources or hourly limits.

    Attributes
    ----------
    pools, sources, limits
        Indices into the problem.
    """

    pools: Ints
    sources: Ints
    limits: Ints


@dataclass(frozen=True)
class Levels:
    """Groups in the order of their first pool, and the wide sources and limits above them."""

    groups: tuple[Group, ...]
    wide: Ints
    wide_limits: Ints
    group_of: Ints

    @classmethod
    def of(cls, problem: Problem) -> Levels:
        """Join pools along shared sources and limits, narrowest first.

        One that would join groups which already share something is wide.
        """
        structure, pools = problem.structure, len(problem.pools)
        reach: dict[int, list[int]] = {int(source): [] for source in structure.shared}
        for source, pool in zip(problem.pair_source, problem.pair_pool, strict=True):
            if int(source) in reach:
                reach[int(source)].append(int(pool))
        # Limits follow the sources in the numbering.
        first_limit = len(problem.sources)
        for limit, pool in zip(problem.limits.entry_limit, problem.limits.entry_pool, strict=True):
            reach.setdefault(first_limit + int(limit), []).append(int(pool))
        parent = list(range(pools))
        taken: set[int] = set()  # roots of groups that share a source

        def root(node: int) -> int:
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        wide: list[int] = []
        narrow: list[int] = []
        for source in sorted(reach, key=lambda s: (len(reach[s]), s)):
            roots = {root(pool) for pool in reach[source]}
            if len(roots) > 1 and (roots & taken or len(reach[source]) > MOST_POOLS):
                wide.append(source)
                continue
            narrow.append(source)
            if roots:
                first = min(roots)
                for other in roots - {first}:
                    parent[other] = first
                taken.add(first)
        members: dict[int, list[int]] = {}
        for pool in range(pools):
            members.setdefault(root(pool), []).append(pool)
        own: dict[int, list[int]] = {r: [] for r in members}
        for source in narrow:
            if reach[source]:
                own[root(reach[source][0])].append(source)
        group_of = np.zeros(pools, dtype=np.int64)
        groups = []
        for number, (first, chosen) in enumerate(sorted(members.items())):
            group_of[chosen] = number
            groups.append(
                Group(
                    np.array(chosen, dtype=np.int64),
                    _index(s for s in sorted(own[first]) if s < first_limit),
                    _index(s - first_limit for s in sorted(own[first]) if s >= first_limit),
                )
            )
        return cls(
            tuple(groups),
            _index(s for s in wide if s < first_limit),
            _index(s - first_limit for s in wide if s >= first_limit),
            group_of,
        )


def _index(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)
