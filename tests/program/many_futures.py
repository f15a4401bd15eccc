# SPDX-License-Identifier: Apache-2.0
"""Small random cases of several futures: steady months, so that few hours are distinct."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.demand import Scenarios, demand_of_horizon
from optimizer.planning.uncertain import Ground, PartProgram, build_part, ground_of, split_futures
from optimizer.program.later import without_later
from optimizer.program.problem import Problem
from optimizer.program.purchases import Column, open_columns
from optimizer.program.scenario_tree import ScenarioTree

from .folders import Row, at
from .memory import RowCase, memory_case

MONTH = 730
MONTHS = 3


@dataclass(frozen=True)
class Futures:
    """A case, its futures, and what its programs are made from."""

    case: RowCase
    scenarios: Scenarios
    ground: Ground

    def programs(self, tree: ScenarioTree | None = None) -> list[PartProgram]:
        """The program of each part, with another tree if one is given."""
        ground = self.ground if tree is None else replace(self.ground, tree=tree)
        columns = [c for c in self.columns if c.name in ground.open_now]
        parts = split_futures(ground, columns, ()).components
        return [build_part(ground, part) for part in parts]

    @property
    def columns(self) -> list[Column]:
        """What may be bought now."""
        return open_columns(self.case, self.ground.catalogue)[0]

    def problems(self, how: str) -> list[Problem]:
        """Of ``tree``, ``clairvoyant`` (every future is known after now) or ``none`` (no later)."""
        if how == "clairvoyant":
            return [p.law.problem for p in self.programs(self.ground.tree.clairvoyant())]
        programs = self.programs()
        if how == "none":
            return [without_later(p.law.problem, p.columns) for p in programs]
        return [p.law.problem for p in programs]


def draw_futures(seed: int, toml: str = "", count: int = 4) -> Futures:
    """Two meters, reservations of one to three months, sometimes a plan over both."""
    rng = np.random.default_rng(seed)
    price = [float(rng.integers(8, 13)), float(rng.integers(3, 7))]
    meters: list[Row] = [
        {"meter": name, "on_demand": p, "provider": "aws", "product": "instance", "unit": "h"}
        for name, p in zip("ab", price, strict=True)
    ]
    offers: list[Row] = []
    covers: list[Row] = []
    for meter, p in zip("ab", price, strict=True):
        for months in rng.choice([1, 2, 3], size=2, replace=False):
            name = f"ri-{meter}-{months}"
            rate = p * float(rng.integers(80, 95) - 10 * months) / 100
            upfront = round(rate * 730 * months, 2) if rng.random() < 0.4 else 0
            offers.append(
                {
                    "offer": name,
                    "law": "aws.reserved.regional",
                    "measure": "units",
                    "term_hours": MONTH * int(months),
                    "upfront": upfront,
                    "hourly": 0 if upfront else round(rate, 4),
                }
            )
            covers.append({"offer": name, "meter": meter, "draw": 1})
    if seed % 2:
        plan = {"law": "aws.savings.compute", "measure": "money", "hourly": 1}
        offers.append({"offer": "sp", "term_hours": 3 * MONTH, **plan})
        covers += [
            {"offer": "sp", "meter": m, "draw": round(0.75 * p, 4)}
            for m, p in zip("ab", price, strict=True)
        ]
    usage = [{"hour": at(0), "meter": m, "quantity": 4} for m in "ab"]
    case = memory_case(
        MONTHS * MONTH,
        "[ladder]\nsteps = [1, 2]\n" + toml,
        meters=meters,
        usage=usage,
        offers=offers,
        covers=covers,
    )
    base = demand_of_horizon(case)
    level = rng.integers(2, 7, (count, 2, MONTHS)).astype(np.float64)
    level[:, :, 0] = level[:1, :, 0]
    if count > 2:
        level[1, :, :2] = level[0, :, :2]  # alike until the second step
    odds = rng.integers(1, 4, count).astype(np.float64)
    scenarios = Scenarios(
        base,
        tuple(f"f{s}" for s in range(count)),
        odds / odds.sum(),
        level.repeat(MONTH, axis=2),
        np.zeros((count, 2, MONTHS * MONTH)),
    )
    return Futures(case, scenarios, ground_of(case, scenarios, None, {})[0])
