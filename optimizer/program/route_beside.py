# SPDX-License-Identifier: Apache-2.0
"""Hours of routing beside commitments: what they draw is demand of the coverage rows.

With purchases fixed the hours are exact and decouple; with purchases as variables the
relaxation of all hours gives Q and the prices λ of every commitment in every hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimizer.program.linear import LinearAnswer, add_terms
from optimizer.program.prices import Prices
from optimizer.program.problem import Counts, Floats, Ints, Problem
from optimizer.program.route_hour import EVERYWHERE, Hours
from optimizer.program.route_program import RouteProgram
from optimizer.program.route_zone_limits import define_route_zone_limit
from optimizer.program.routing import Routing

Terms = dict[int, float]


@dataclass
class BesideProgram:
    """Routing with coverage; the numbers of the rows whose duals are prices."""

    written: RouteProgram
    problem: Problem
    purchases: dict[int, int] = field(default_factory=dict)
    draw_rows: dict[tuple[int, int], int] = field(default_factory=dict)
    limit_rows: dict[tuple[int, int], int] = field(default_factory=dict)

    def quantity(self, answer: LinearAnswer) -> Floats:
        """(K,) amounts of the columns."""
        amounts = np.zeros(len(self.problem.columns))
        for column, number in self.purchases.items():
            amounts[column] = max(0.0, float(answer.values[number]))
        return amounts

    def prices(self, duals: Floats) -> Prices:
        """The duals of capacity and limits, as prices of the certificate."""
        problem, structure = self.problem, self.problem.structure
        rents = np.zeros((len(problem.sources), problem.hours))
        for (source, hour), row in self.draw_rows.items():
            rents[source, hour] = max(0.0, -float(duals[row])) / problem.weight[hour]
        limits = np.zeros((len(problem.limits.names), problem.hours))
        for (limit, hour), row in self.limit_rows.items():
            limits[limit, hour] = max(0.0, -float(duals[row])) / problem.weight[hour]
        rent = np.zeros((len(problem.pools), structure.regimes))
        regime = structure.regime[problem.period]
        for pool, pairs in enumerate(structure.own_pairs):
            for pair in pairs:
                hourly = problem.pair_draw[pair] * rents[problem.pair_source[pair]]
                whole = np.bincount(regime, hourly * problem.weight, structure.regimes)
                rent[pool] = np.maximum(rent[pool], whole)
        return Prices(rents[structure.shared], rent, limits, np.zeros(len(problem.links.names)))


def beside(
    routing: Routing,
    hours: Hours,
    problem: Problem,
    pool_of: Ints,
    quantity: Floats | None = None,
) -> BesideProgram:
    """Write routing and coverage of some hours.

    Parameters
    ----------
    problem
        Has the same N hours, and as demand what is not routed.
    pool_of
        (lines,) the pool of each line of the routing.
    quantity
        (K,) what is bought; without it purchases are variables, continuous.
    """
    made = BesideProgram(RouteProgram.of(routing, hours), problem)
    program = made.written.program
    if quantity is None:
        most = problem.needed()
        for column, name in enumerate(problem.columns):
            if most[column] > 0:
                made.purchases[column] = program.column(
                    f"purchase[{name}]", cost=float(problem.cost[column]), upper=float(most[column])
                )
    bought = np.zeros(len(problem.columns)) if quantity is None else quantity
    capacity = problem.capacity(bought)
    for hour in range(problem.hours):
        program.block = hour
        _write_hour(made, routing, pool_of, capacity, hour)
    program.block = EVERYWHERE
    return made


def _write_hour(
    made: BesideProgram, routing: Routing, pool_of: Ints, capacity: Floats, hour: int
) -> None:
    """Coverage of one hour: the families of ``docs/program.md``, Coverage, for this hour."""
    problem, program = made.problem, made.written.program
    period, weight = int(problem.period[hour]), float(problem.weight[hour])
    used: list[Terms] = [{} for _ in problem.pools]
    tolerant: list[Terms] = [{} for _ in problem.pools]
    for line, terms in enumerate(made.written.usage(hour)):
        pool = int(pool_of[line])
        used[pool] = add_terms((used[pool], 1.0), (terms, 1.0))
        if routing.spot_lines[line]:
            tolerant[pool] = add_terms((tolerant[pool], 1.0), (terms, 1.0))
    served: list[Terms] = [{} for _ in problem.pools]
    market: list[Terms] = [{} for _ in problem.pools]
    on_spot: list[Terms] = [{} for _ in problem.pools]
    secured: list[Terms] = [{} for _ in problem.pools]
    drawn: dict[int, Terms] = {}
    idle = [
        not used[pool] and problem.demand[pool, hour] <= 0 for pool in range(len(problem.pools))
    ]
    for source, pool, draw in zip(
        problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True
    ):
        buyable = any(
            column in made.purchases and active[period]
            for column, _, active in problem.feeds[source]
        )
        if idle[pool] or not (capacity[source, period] > 0 or buyable):
            continue
        unit = program.column(f"covered[{problem.sources[source]},{problem.pools[pool]},{hour}]")
        served[pool][unit] = 1.0
        (secured if problem.secures[source] else market)[pool][unit] = 1.0
        drawn.setdefault(int(source), {})[unit] = float(draw)
    for pool, name in enumerate(problem.pools):
        if idle[pool]:
            continue
        price = float(problem.price[pool, period])
        if np.isfinite(price):
            unit = program.column(f"on_demand[{name},{hour}]", cost=price * weight)
            served[pool][unit] = market[pool][unit] = 1.0
        spot, most = float(problem.spot_price[pool]), float(problem.tolerant[pool, hour])
        if np.isfinite(spot) and (most > 0 or tolerant[pool]):
            unit = program.column(f"spot[{name},{hour}]", cost=spot * weight)
            served[pool][unit] = on_spot[pool][unit] = 1.0
            program.row(
                f"coverage.spot[{name},{hour}]",
                add_terms(({unit: 1.0}, 1.0), (tolerant[pool], -1.0)),
                high=most,
            )
        if np.isfinite(problem.penalty[pool]):
            unit = program.column(
                f"unmet[{name},{hour}]",
                cost=float(problem.penalty[pool]) * weight,
                upper=float(problem.demand[pool, hour]),
            )
            served[pool][unit] = 1.0
        asked = float(problem.demand[pool, hour])
        program.row(
            f"coverage.meet[{name},{hour}]",
            add_terms((served[pool], 1.0), (used[pool], -1.0)),
            low=asked,
        )
        share = float(problem.availability[pool, period])
        if share < 1.0:
            program.row(
                f"coverage.availability[{name},{hour}]",
                add_terms((market[pool], 1.0), (used[pool], -share)),
                high=share * asked,
            )
    _write_capacity(made, drawn, capacity, hour)
    _write_limits(made, market, on_spot, secured, hour)
    running = [
        add_terms((market[pool], 1.0), (on_spot[pool], 1.0), (secured[pool], 1.0))
        for pool in range(len(problem.pools))
    ]
    define_route_zone_limit(made.written, problem, pool_of, hour, market, running, used)


def _write_capacity(
    made: BesideProgram, drawn: dict[int, Terms], capacity: Floats, hour: int
) -> None:
    """coverage.draw: Σ a·y ≤ A."""
    problem, program = made.problem, made.written.program
    period = int(problem.period[hour])
    for source, terms in drawn.items():
        bought = {
            made.purchases[column]: -ratio
            for column, ratio, active in problem.feeds[source]
            if column in made.purchases and active[period]
        }
        row = program.row(
            f"coverage.draw[{problem.sources[source]},{hour}]",
            add_terms((terms, 1.0), (bought, 1.0)),
            high=float(capacity[source, period]),
        )
        if row is not None:
            made.draw_rows[source, hour] = row


def _write_limits(
    made: BesideProgram,
    market: list[Terms],
    on_spot: list[Terms],
    secured: list[Terms],
    hour: int,
) -> None:
    """coverage.limit: Σ weight · what counts ≤ most."""
    problem, program = made.problem, made.written.program
    limits, period = problem.limits, int(problem.period[hour])
    for limit, name in enumerate(limits.names):
        most = float(limits.most[limit, period])
        if not np.isfinite(most):
            continue
        total: Terms = {}
        for entry in np.flatnonzero(limits.entry_limit == limit):
            pool, counts = int(limits.entry_pool[entry]), Counts(int(limits.entry_counts[entry]))
            each = float(limits.entry_weight[entry])
            parts = {
                Counts.MARKET: (market[pool],),
                Counts.SPOT: (on_spot[pool],),
                Counts.RUNNING: (market[pool], on_spot[pool], secured[pool]),
            }[counts]
            total = add_terms((total, 1.0), *((part, each) for part in parts))
        row = program.row(f"{name},{hour}", total, high=most)
        if row is not None:
            made.limit_rows[limit, hour] = row
