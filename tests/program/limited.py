# SPDX-License-Identifier: Apache-2.0
"""Random small problems with limits: penalties, availability, quotas, shares, cash, shortfalls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.problem import Counts, Floats, HourlyLimits, Links, Problem

from .small import hourly, random_problem


def limited_problem(seed: int) -> Problem:
    """A random problem of ``small.random_problem`` with some of the limits added."""
    rng = np.random.default_rng(10_000 + seed)
    base = random_problem(seed).expand()
    pools, hours = base.demand.shape
    penalty = np.where(rng.random(pools) < 0.4, rng.integers(8, 60, pools) / 8, np.inf)
    availability = np.ones((pools, hours))
    for pool in np.flatnonzero(rng.random(pools) < 0.3):
        availability[pool] = rng.choice([0.25, 0.5, 0.8])
        if rng.random() < 0.3:
            availability[pool, hours // 2 :] = 1.0
    if rng.random() < 0.85:  # most problems with too little capacity have a way out
        short = (availability < 1).any(axis=1) & np.isinf(penalty)
        penalty = np.where(short, rng.integers(8, 60, pools) / 8, penalty)
    return hourly(
        **{
            name: getattr(base, name)
            for name in Problem.__dataclass_fields__
            if name not in ("period", "limits", "links", "arriving")
        }
        | {
            "count": np.where(rng.random() < 0.5, np.ones(hours), rng.choice([1.0, 2.0], hours)),
            "penalty": penalty,
            "availability": availability,
            "secures": rng.random(len(base.sources)) < 0.4,
            "limits": _limits(rng, base),
            "links": _links(rng, base),
        }
    )


def _limits(rng: np.random.Generator, base: Problem) -> HourlyLimits:
    pools, hours = base.demand.shape
    names, most, entries = [], [], []
    for counts in rng.permutation(3)[: rng.integers(0, 3)]:
        members = np.flatnonzero(rng.random(pools) < 0.7)
        weight = rng.choice([1.0, 1.0, 0.5, 2.0], len(members))
        load = weight @ base.demand[members]
        row = np.full(hours, float(np.round(rng.choice([0.4, 0.7, 0.9]) * load.max(initial=1), 2)))
        if rng.random() < 0.4:
            row[rng.integers(0, hours) :] = np.inf
        entries += [
            (len(names), pool, counts, each) for pool, each in zip(members, weight, strict=True)
        ]
        names.append(f"coverage.limit {Counts(counts).name.lower()}")
        most.append(row)
    return HourlyLimits(
        tuple(names),
        np.array(most, dtype=np.float64).reshape(len(names), hours),
        np.array([e[0] for e in entries], dtype=np.int64),
        np.array([e[1] for e in entries], dtype=np.int64),
        np.array([e[2] for e in entries], dtype=np.int64),
        np.array([e[3] for e in entries], dtype=np.float64),
    )


def _links(rng: np.random.Generator, base: Problem) -> Links:
    """Cash, spot share, unused share and shortfall, each with a chance."""
    pools, hours = base.demand.shape
    price = np.where(np.isfinite(base.price[:, 0]), base.price[:, 0], 3.0)
    window = np.ones(hours, dtype=bool)
    window[rng.integers(1, hours) :] = rng.random() < 0.5
    inside = window.astype(np.float64)
    columns, pairs = len(base.columns), len(base.pair_source)
    rate = np.full(len(base.sources), 1.0)  # dollars per unit-hour of each source
    spent = base.demand @ inside @ price
    rows: list[tuple[str, float, float, Floats, Floats, Floats, Floats]] = []

    def add(name: str, most: float, excess: float, **parts: Floats) -> None:
        sizes = {"purchase": columns, "on_demand": pools, "spot": pools, "covered": pairs}
        factors = [parts.get(part, np.zeros(size)) for part, size in sizes.items()]
        rows.append((name, most, excess, *factors))

    if rng.random() < 0.3:
        cash = rng.integers(0, 5, columns) / 2
        add("purchase.cash", float(rng.integers(0, 10)) / 2, np.inf, purchase=cash)
    if rng.random() < 0.3:
        add("coverage.spot_share", float(rng.choice([0.1, 0.3])) * spent, np.inf, spot=price)
    if rng.random() < 0.3:
        share = float(rng.choice([0.05, 0.2, 0.4]))
        in_force = (base.active * inside).sum(axis=1)
        bought = _bought(base, rate * in_force)
        held = float((rate[:, None] * base.held * inside).sum())
        covered = -rate[base.pair_source] * base.pair_draw
        add(
            "coverage.unused",
            -(1 - share) * held if rng.random() < 0.3 else share * held,
            np.inf,
            purchase=(1 - share) * bought,
            covered=covered,
        )
    if rng.random() < 0.4:
        counted = float(rng.choice([0.5, 1.0]))
        in_force = (base.active * inside).sum(axis=1)
        bought = _bought(base, rate * in_force)
        spot = np.where(np.isfinite(base.spot_price), base.spot_price, 0.0)
        add(
            "agreement.shortfall",
            -float(rng.choice([0.5, 0.9])) * spent,
            float(rng.choice([0.3, 0.8])),
            # never more than the purchase costs: nobody pays to be billed
            purchase=-counted * np.minimum(bought, base.cost),
            on_demand=-counted * np.minimum(price, base.price.min(axis=1)),
            spot=-counted * spot,
        )
    if not rows:
        return Links(window=np.zeros((0, hours), dtype=bool))
    return Links(
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
        *(np.stack([np.asarray(row[part]) for row in rows]) for part in (3, 4, 5, 6)),
        np.tile(window, (len(rows), 1)),
    )


def without_limits(problem: Problem) -> Problem:
    """The same problem when nothing limits it; penalties stay."""
    hours = problem.periods
    return replace(
        problem,
        availability=np.ones_like(problem.availability),
        limits=HourlyLimits(most=np.zeros((0, hours))),
        links=Links(window=np.zeros((0, hours), dtype=bool)),
    )


def _bought(base: Problem, each: Floats) -> Floats:
    """What a unit of each column brings, where a unit of a source is worth ``each``; (K,)."""
    return np.bincount(
        base.member_column,
        weights=base.member_ratio * each[base.member_source],
        minlength=len(base.columns),
    ).astype(np.float64)
