# SPDX-License-Identifier: Apache-2.0
"""The certificate once more, in loops: from its formula, and sharing no code with it.

    LB = Σ w[ Σₚ cost(d) − Σₛ λH ] + Σₚᵣ min over m of (ρ·m + Σ_{t∈r} w·cost((d − H − m)⁺))
       + Σₖ min over Q of (F − Σ wλg − Σ ρg/a)·Q

For problems without limits and linking rows, in which own sources are told by reach alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from optimizer.program.prices import Prices
from optimizer.program.problem import Problem


class SlowBound:
    """One problem and the prices that are to prove its bound."""

    def __init__(self, problem: Problem, prices: Prices) -> None:
        self.problem, self.prices = problem, prices
        pairs = list(zip(problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True))
        self.pairs = [(int(s), int(p), float(a)) for s, p, a in pairs]
        reach = [0] * len(problem.sources)
        for source, _, _ in self.pairs:
            reach[source] += 1
        self.own = [count == 1 for count in reach]
        shared = [source for source in range(len(reach)) if not self.own[source]]
        self.row = {source: row for row, source in enumerate(shared)}
        self.feeds = [
            (int(k), int(s), float(g))
            for k, s, g in zip(
                problem.member_column, problem.member_source, problem.member_ratio, strict=True
            )
        ]
        # Hours of one regime agree in prices and in what is in force.
        self.regime: list[int] = [int(problem.structure.regime[r]) for r in problem.period]
        self.lead = {regime: t for t, regime in reversed(list(enumerate(self.regime)))}

    def value(self) -> float:
        """The bound in dollars; ``inf`` if something cannot be served at all."""
        problem = self.problem
        total = 0.0
        for t in range(problem.hours):
            period = problem.period[t]
            for source, row in self.row.items():
                there = float(problem.held[source, period])
                total -= float(problem.weight[t] * self.prices.shared[row, t]) * there
        for pool in range(len(problem.pools)):
            total += self._pool(pool)
        return total + sum(self._column(column) for column in range(len(problem.columns)))

    def unit(self, pool: int, t: int) -> float:
        """π̂: the cheapest way for a unit that may not run on spot."""
        problem, period = self.problem, self.problem.period[t]
        ways = [float(problem.price[pool, period]), float(problem.penalty[pool])]
        for source, served, draw in self.pairs:
            usable = problem.held[source, period] > 0 or problem.active[source, period]
            if served == pool and not self.own[source] and usable:
                ways.append(draw * float(self.prices.shared[self.row[source], t]))
        return min(ways)

    def cost(self, pool: int, t: int, units: float, unit: float) -> float:
        """Least dollars of ``units`` in an hour; nothing costs nothing whatever the price."""
        tolerant = min(float(self.problem.tolerant[pool, t]), units)
        parts = [(tolerant, min(unit, float(self.problem.spot_price[pool])))]
        parts.append((units - tolerant, unit))
        return sum(amount * price for amount, price in parts if amount > 1e-12)

    def _pool(self, pool: int) -> float:
        problem = self.problem
        own = [(s, a) for s, p, a in self.pairs if p == pool and self.own[s]]
        unit = [self.unit(pool, t) for t in range(problem.hours)]
        need = [float(d) for d in problem.demand[pool]]
        if not own:
            hours = range(problem.hours)
            return math.fsum(
                float(problem.weight[t]) * self.cost(pool, t, need[t], unit[t]) for t in hours
            )
        held = [
            sum(float(problem.held[s, problem.period[t]]) / a for s, a in own)
            for t in range(problem.hours)
        ]
        total = 0.0
        for regime, lead in self.lead.items():
            hours = [t for t in range(problem.hours) if self.regime[t] == regime]
            rent = float(self.prices.rent[pool, regime])
            total += min(
                rent * m
                + math.fsum(
                    float(problem.weight[t])
                    * self.cost(pool, t, max(need[t] - held[t] - m, 0.0), unit[t])
                    for t in hours
                )
                for m in self._amounts(pool, own, lead, [need[t] - held[t] for t in hours], hours)
            )
        return total

    def _amounts(
        self, pool: int, own: list[tuple[int, float]], lead: int, left: list[float], hours: list
    ) -> Iterator[float]:
        """All amounts of own capacity at which the least may be."""
        problem, most, steps = self.problem, 0.0, []
        for source, draw in own:
            for column, fed, ratio in self.feeds:
                if fed != source:
                    continue
                whole = bool(problem.integer[column])
                steps.append(float(problem.step[column]) * ratio / draw if whole else 0.0)
                if problem.active[source, problem.period[lead]]:
                    most += float(problem.needed()[column]) * ratio / draw
        grid = min(steps, default=0.0)
        if grid > 0 and all(abs(s / grid - round(s / grid)) < 1e-9 for s in steps):
            for count in range(math.floor(most / grid + 1e-9) + 1):
                yield count * grid
                if count * grid > max(left, default=0.0):
                    return  # a piecewise linear function that only rises from here
            return
        yield 0.0
        yield most
        soft = [z - float(problem.tolerant[pool, t]) for z, t in zip(left, hours, strict=True)]
        yield from (z for z in (*left, *soft) if 0 < z < most)

    def _column(self, column: int) -> float:
        problem = self.problem
        bracket = float(problem.cost[column])
        for bought, source, ratio in self.feeds:
            if bought != column:
                continue
            if self.own[source]:
                pool, draw = next((p, a) for s, p, a in self.pairs if s == source)
                for regime, lead in self.lead.items():
                    if problem.active[source, problem.period[lead]]:
                        bracket -= float(self.prices.rent[pool, regime]) * ratio / draw
            elif source in self.row:
                for t in range(problem.hours):
                    if problem.active[source, problem.period[t]]:
                        price = float(self.prices.shared[self.row[source], t])
                        bracket -= float(problem.weight[t]) * price * ratio
        step, least = float(problem.step[column]), float(problem.minimum[column])
        most = float(problem.needed()[column])
        amounts = [0.0]
        if problem.integer[column]:
            counts = range(math.floor(most / step + 1e-9) + 1)
            amounts += [n * step for n in counts if n * step >= least - 1e-9]
        elif least <= most:
            amounts += [least, most]
        return min(bracket * amount for amount in amounts)
