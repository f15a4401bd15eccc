# SPDX-License-Identifier: Apache-2.0
"""The tree of what is known when: nested, of what was observed, the same in any order."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.program.scenario_tree import LEAST_SHARE, ScenarioTree, observed_tree

HOURS = (100, 200, 300)


def paths(seed: int, futures: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.2, (futures, 3, 4)).cumsum(axis=2)
    steps[:, :, 0] = 0  # all are alike before the first step
    return np.exp(steps).repeat(100, axis=2)


@pytest.mark.parametrize("seed", range(6))
def test_nodes_are_nested_and_of_what_was_seen(seed: int) -> None:
    futures = paths(seed)
    odds = np.random.default_rng(seed).dirichlet(np.ones(20))
    tree = observed_tree(futures, odds, HOURS, worth=np.ones(3), most=6)
    assert tree.hours == (0, *HOURS)
    # Nothing was seen that differs: at the first step all are one.
    assert [len(tree.nodes(step)) for step in (0, 1)] == [1, 1]
    assert 1 < len(tree.nodes(2)) <= len(tree.leaves) <= 6
    for before, after in zip(tree.node, tree.node[1:], strict=False):
        for one in np.unique(after):
            assert len(np.unique(before[after == one])) == 1
    assert min(len(node) for node in tree.leaves) >= LEAST_SHARE * 20
    # What comes after the last step changes nothing.
    later = futures.copy()
    later[:, :, 300:] *= 7
    again = observed_tree(later, odds, HOURS, worth=np.ones(3), most=6)
    assert np.array_equal(again.node, tree.node)


def test_the_order_of_the_futures_changes_nothing() -> None:
    futures, odds = paths(1), np.full(20, 0.05)
    order = np.random.default_rng(0).permutation(20)
    one = observed_tree(futures, odds, HOURS, worth=np.ones(3))
    other = observed_tree(futures[order], odds[order], HOURS, worth=np.ones(3))
    for step in range(len(one.hours)):
        mine = {frozenset(node) for node in one.nodes(step)}
        theirs = {frozenset(int(order[s]) for s in node) for node in other.nodes(step)}
        assert mine == theirs


def test_paths_that_are_the_same_are_never_told_apart() -> None:
    futures = paths(2)
    futures[7] = futures[3]
    tree = observed_tree(futures, np.full(20, 0.05), HOURS, worth=np.ones(3), most=20)
    assert (tree.node[:, 7] == tree.node[:, 3]).all()


def test_the_ends() -> None:
    tree = observed_tree(paths(3), np.full(20, 0.05), HOURS, worth=np.ones(3))
    apart = tree.clairvoyant()
    assert [len(apart.nodes(step)) for step in range(4)] == [1, 20, 20, 20]
    assert ScenarioTree.alone(5).leaves == [(0, 1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("hours", "node"),
    [
        ((1, 2), [[0, 0], [0, 0]]),
        ((0, 5, 5), [[0, 0]] * 3),
        ((0, 5), [[0, 1], [0, 1]]),
        ((0, 5, 9), [[0, 0], [0, 1], [0, 0]]),
    ],
)
def test_what_is_no_tree_is_refused(hours: tuple[int, ...], node: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"step|node"):
        ScenarioTree(hours, np.array(node))
