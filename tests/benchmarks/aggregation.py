# SPDX-License-Identifier: Apache-2.0
"""A made-up fleet in many futures, planned on a few of them and proven on all: time and memory."""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from optimizer.demand import Scenarios, demand_of_horizon
from optimizer.planning import make_plan
from optimizer.planning.uncertain_plan import UncertainPlan

from ..program.folders import Row, at
from ..program.memory import RowCase, memory_case

YEAR = 8760


def fleet(meters: int, toml: str) -> RowCase:
    """Meters with reservations of one and three years, and savings plans over all of them."""
    rng = np.random.default_rng(1)
    prices = [round(float(p), 4) for p in rng.uniform(0.1, 30.0, meters)]
    names = [f"m{number}" for number in range(meters)]
    offers: list[Row] = []
    covers: list[Row] = []
    for name, price in zip(names, prices, strict=True):
        for years, off in ((1, 0.36), (3, 0.55)):
            offer = f"ri-{name}-{years}"
            rate = round(price * (1 - off), 6)
            term = {"measure": "units", "term_hours": years * YEAR, "hourly": rate}
            offers.append({"offer": offer, "law": "aws.reserved.regional", **term})
            covers.append({"offer": offer, "meter": name, "draw": 1})
    for years, off in ((1, 0.27), (3, 0.47)):
        term = {"measure": "money", "term_hours": years * YEAR, "hourly": 1}
        offers.append({"offer": f"sp-{years}", "law": "aws.savings.compute", **term})
        covers += [
            {"offer": f"sp-{years}", "meter": name, "draw": round(price * (1 - off), 6)}
            for name, price in zip(names, prices, strict=True)
        ]
    return memory_case(
        YEAR,
        toml,
        meters=[
            {"meter": n, "on_demand": p, "provider": "aws", "product": "instance", "unit": "h"}
            for n, p in zip(names, prices, strict=True)
        ],
        usage=[{"hour": at(0), "meter": name, "quantity": 4} for name in names],
        offers=offers,
        covers=covers,
    )


def futures_of(case: RowCase, count: int) -> Scenarios:
    """Levels that wander from month to month, a week's shape, and noise, in whole units."""
    rng = np.random.default_rng(2)
    base = demand_of_horizon(case)
    lines = len(base.usage.meter)
    hour = np.arange(YEAR)
    size = rng.uniform(5.0, 60.0, lines)
    shape = 1.0 + 0.25 * np.sin(2 * np.pi * hour / 24) + 0.1 * np.sin(2 * np.pi * hour / 168)
    months = -(-YEAR // 730)
    quantity = np.empty((count, lines, YEAR))
    for future in range(count):
        common = np.cumsum(rng.normal(0.01, 0.05, months))
        for line in range(lines):
            level = np.exp(common + np.cumsum(rng.normal(0.0, 0.06, months)))
            noise = rng.normal(0.0, 0.08, YEAR)
            path = size[line] * np.repeat(level, 730)[:YEAR] * (shape + noise)
            quantity[future, line] = np.round(np.maximum(path, 0.0))
    odds = np.full(count, 1.0 / count)
    names = tuple(f"f{future}" for future in range(count))
    return Scenarios(base, names, odds, quantity, np.zeros(quantity.shape))


def main(meters: int, count: int, planned: int, gap: float) -> None:
    """Plan one fleet and print what it took."""
    toml = f"[solve]\ngap = {gap}\nseconds = 600.0\n[demand]\nplanned = {planned}\n"
    case = fleet(meters, toml)
    scenarios = futures_of(case, count)
    start, cpu = time.perf_counter(), time.process_time()

    def tell(text: str) -> None:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{time.process_time() - cpu:7.1f} s  {memory:.2f} GB  {text}", flush=True)

    plan = make_plan(case, tell, scenarios=scenarios)
    assert isinstance(plan, UncertainPlan)
    print(
        f"{meters} meters x {count} futures x {YEAR} h by {len(plan.scenarios)}: "
        f"{time.perf_counter() - start:.0f} s, {time.process_time() - cpu:.0f} s of CPU, "
        f"objective {plan.objective:,.0f}, gap of all {plan.gap_solver:.3%} "
        f"(of those planned for {plan.gap_planned:.3%}), "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:4]), float(sys.argv[4]))
