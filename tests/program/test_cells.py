# SPDX-License-Identifier: Apache-2.0
"""Cells and levels by hand: who shares what, and which hours become one."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.program.cells import Grain, Refinement, intersect
from optimizer.program.hours import HourOracle
from optimizer.program.levels import MOST_POOLS, Levels
from optimizer.program.problem import Problem
from tests.benchmarks.instances import make_instance

from .small import simple


def test_labels_of_both() -> None:
    cells = intersect(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.ones(4), 0.0)
    assert cells.tolist() == [0, 1, 2, 3]
    same = intersect(np.array([1, 0, 1]), np.array([2, 2, 2]), np.ones(3), 0.0)
    assert len(set(same.tolist())) == 2
    assert intersect(np.array([0, 1]), np.array([0, 0]), np.ones(2), 0.0).tolist() == [0, 1]


def test_a_sliver_joins_the_nearest_sibling() -> None:
    """Labels 0, 3 and 9 of parent 0; 3 weighs nothing much and is nearer to 0."""
    parent = np.array([0, 0, 0, 1])
    child = np.array([0, 3, 9, 3])
    cells = intersect(parent, child, np.array([5.0, 0.1, 5.0, 0.2]), 1.0)
    assert cells[1] == cells[0] != cells[2]
    # The hour of parent 1 is a sliver too, but it has no sibling: it stays where it is.
    assert cells[3] not in cells[:3]


def test_slivers_without_a_sibling_of_weight_join_the_heaviest() -> None:
    cells = intersect(np.zeros(4, int), np.arange(4), np.array([0.1, 0.3, 0.2, 0.1]), 1.0)
    assert set(cells.tolist()) == {0}


@pytest.mark.parametrize("seed", range(50))
def test_cells_stay_within_their_parents_and_lose_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hours, least = int(rng.integers(5, 200)), float(rng.choice([0.0, 0.5, 3.0]))
    parent = rng.integers(0, 5, hours)
    child, weight = rng.integers(0, 9, hours), rng.uniform(0.01, 1.0, hours)
    cells = intersect(parent, child, weight, least)
    count = int(cells.max()) + 1
    sums = np.bincount(cells, weight, minlength=count)
    assert (np.bincount(cells) > 0).all()  # labels without gaps
    assert sums.sum() == pytest.approx(weight.sum())
    for cell in range(count):
        above = set(parent[cells == cell].tolist())
        assert len(above) == 1
        # Below the least weight only what is all of its parent.
        whole = float(weight[parent == above.pop()].sum())
        assert sums[cell] >= min(least, whole) - 1e-12
    # Hours of one parent and one label are never told apart.
    pairs = {(p, c): set() for p, c in zip(parent.tolist(), child.tolist(), strict=True)}
    for p, c, cell in zip(parent.tolist(), child.tolist(), cells.tolist(), strict=True):
        pairs[p, c].add(cell)
    assert all(len(found) == 1 for found in pairs.values())


def shared_by(pools: int, *sources: list[int]) -> Problem:
    """Sources over the pools that are named; every pool is used."""
    pairs = [(s, pool, 1.0) for s, reached in enumerate(sources) for pool in reached]
    columns = [{"cost": 1.0}] * len(sources)
    return simple([[1.0, 2.0]] * pools, [2.0] * pools, pairs, columns)


def groups(levels: Levels) -> list[tuple[list[int], list[int]]]:
    return [(group.pools.tolist(), group.sources.tolist()) for group in levels.groups]


def test_laminar_offers_make_groups_and_wide_sources() -> None:
    """Two families of two pools, one pool alone, and a plan over all of them."""
    levels = Levels.of(shared_by(5, [0], [0, 1], [2, 3], [3, 2], [0, 1, 2, 3, 4]))
    assert groups(levels) == [([0, 1], [1]), ([2, 3], [2, 3]), ([4], [])]
    assert levels.wide.tolist() == [4]
    assert levels.group_of.tolist() == [0, 0, 1, 1, 2]


def test_a_source_that_joins_what_shares_already_is_wide() -> None:
    """A chain: 0-1 and 2-3 share, so that 1-2 would tie two groups into one."""
    levels = Levels.of(shared_by(4, [0, 1], [2, 3], [1, 2]))
    assert groups(levels) == [([0, 1], [0]), ([2, 3], [1])]
    assert levels.wide.tolist() == [2]


def test_nested_sources_of_one_group_stay_narrow() -> None:
    """One pair of pools, then three with them: nothing else shares, it is all one group."""
    alone = Levels.of(shared_by(2, [0, 1], [1, 0]))
    assert groups(alone) == [([0, 1], [0, 1])]
    assert alone.wide.tolist() == []


def test_a_group_has_at_most_so_many_pools() -> None:
    pools = MOST_POOLS + 1
    over, under = list(range(pools)), list(range(MOST_POOLS))
    assert Levels.of(shared_by(pools, over)).wide.tolist() == [0]
    levels = Levels.of(shared_by(pools, under))
    assert levels.wide.tolist() == []
    assert groups(levels) == [(under, [0]), ([MOST_POOLS], [])]


def test_the_levels_of_a_fleet_are_its_families() -> None:
    problem = make_instance(20, 48, seed=4).problem
    levels = Levels.of(problem)
    assert {problem.sources[s].split()[0] for s in levels.wide} == {"compute"}
    for group in levels.groups:
        assert {problem.sources[s].split()[0] for s in group.sources} == {"instance"}
        for source in group.sources:
            reached = problem.pair_pool[problem.pair_source == source]
            assert sorted(reached.tolist()) == group.pools.tolist()


def test_cells_are_never_coarser_than_what_is_in_force() -> None:
    """Refined twice, they divide regimes and the wide cells, and stay within the grain."""
    problem = make_instance(12, 400, seed=2).problem
    grain = Grain(wide=6, group=4, history=2)
    oracle = HourOracle(problem)
    refined = Refinement(problem, Levels.of(problem), oracle.chain, grain)
    regime = problem.structure.regime[problem.period]
    guess = np.zeros((len(problem.structure.shared), problem.hours))
    for share in (0.2, 0.1):
        amounts = share * problem.needed()
        refined.add(amounts, oracle.run(amounts, guess))
        cells = refined.meet()
        for wide in range(int(cells.wide.max()) + 1):
            assert len(set(regime[cells.wide == wide].tolist())) == 1
        for label, parent in zip(cells.group, cells.parent, strict=True):
            assert np.array_equal(parent[label], cells.wide)
            assert label.max() + 1 == len(parent)
    assert cells.count == sum(len(parent) for parent in cells.parent)
