# SPDX-License-Identifier: Apache-2.0
"""The made-up fleets with several futures, and purchases at later steps of their tree."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from optimizer.program.balance import Balanced
from optimizer.program.engine import solve_engine
from optimizer.program.problem import Problem
from optimizer.program.scenario_tree import ScenarioTree, observed_tree

from .instances import KINDS, YEAR, make_instance

MONTH = 730


def with_recourse(problem: Problem, futures: int, hours: int, tree: ScenarioTree) -> Problem:
    """The fleet's problem with the cheapest purchases of each term in every later node.

    Costs are in proportion to the hours in force, as those of the fleet are.
    """
    hour = np.tile(np.arange(hours), futures)
    step = np.searchsorted(np.array(tree.hours), hour, side="right") - 1
    future = np.repeat(np.arange(futures), hours)
    leaf = np.zeros(futures, dtype=np.int64)
    for number, members in enumerate(tree.leaves):
        leaf[list(members)] = number
    told = np.stack([leaf[future], step, problem.period])
    label, first, period = np.unique(told, axis=1, return_index=True, return_inverse=True)
    period, old = period.reshape(-1), problem.period[first]
    count = len(problem.columns)
    pools = len(problem.pools)
    cheapest = [
        k for k in range(count) if k >= len(KINDS) * pools or KINDS[k % len(KINDS)].endswith("all")
    ]
    columns, cost, active = [], [], []
    for number in range(1, len(tree.hours)):
        for node in tree.nodes(number):
            leaves = {int(leaf[s]) for s in node}
            there = np.isin(label[0], list(leaves)) & (label[1] >= number)
            share = float(problem.weight[there[period]].sum() / problem.weight.sum())
            for k in cheapest:
                columns.append(k)
                cost.append(problem.cost[k] * share)
                active.append(there)
    more = np.array(columns, dtype=np.int64)
    always = np.ones((count, len(first)), dtype=bool)

    def both(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[more]])

    return replace(
        problem,
        columns=(*problem.columns, *(f"later {i}" for i in range(len(more)))),
        period=period,
        price=problem.price[:, old],
        availability=problem.availability[:, old],
        held=problem.held[:, old],
        active=problem.active[:, old],
        cost=np.concatenate([problem.cost, cost]),
        minimum=both(problem.minimum),
        maximum=both(problem.maximum),
        step=both(problem.step),
        integer=both(problem.integer),
        member_column=np.arange(count + len(more)),
        member_source=both(problem.member_source),
        member_ratio=both(problem.member_ratio),
        member_active=np.vstack([always, *active]),
    )


def main(pools: int, futures: int, most: int, gap: float) -> None:
    """Solve one fleet and print what it took."""
    problem = make_instance(pools, YEAR, futures, seed=1).problem
    paths = problem.demand.reshape(pools, futures, YEAR).transpose(1, 0, 2)
    tree = observed_tree(
        paths,
        np.full(futures, 1 / futures),
        [MONTH * month for month in (1, 3, 6, 9)],
        worth=problem.price[:, 0],
        most=most,
    )
    whole = with_recourse(problem, futures, YEAR, tree)
    print(
        f"{pools} pools x {futures} futures x {YEAR} h, nodes "
        f"{[len(tree.nodes(k)) for k in range(len(tree.hours))]}, {len(whole.columns)} columns, "
        f"{whole.structure.regimes} regimes"
    )
    for name, each in (("tree", whole), ("no recourse", problem)):
        start, cpu = time.perf_counter(), time.process_time()
        balanced = Balanced.of(each)
        found = solve_engine(balanced.problem, gap=gap)
        print(
            f"{name}: {time.perf_counter() - start:.1f} s, {time.process_time() - cpu:.1f} s of "
            f"CPU, {found.free * balanced.money:,.0f}, bound {found.bound * balanced.money:,.0f}, "
            f"gap {(found.free - found.bound) / found.free:.3%}, {found.rounds} rounds, "
            f"{found.rows:,} rows, "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
        )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:4]), float(sys.argv[4]))
