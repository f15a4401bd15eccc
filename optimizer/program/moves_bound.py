# SPDX-License-Identifier: Apache-2.0
"""Prices of work that may move: its cheapest placement, and the bound that it proves.

For any prices, LB = :func:`~optimizer.program.certificate.lower_bound` of what cannot move
+ Σ what each work and each job costs at least at the prices π̂ of the pools.  Proof: dualise
the shared rows as in the certificate.  Work arrives only in pools without own sources
(``Structure``), in which a unit costs at least its price whichever way it is served; so the
Lagrangian falls apart into the certificate of the fixed demand and one problem for each
work and job, and the least of each is a bound (``docs/program.md``, "Work that may move").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.program.arrays import Box
from optimizer.program.certificate import ROUNDING, lower_bound
from optimizer.program.coupling import coupling_prices
from optimizer.program.moves import Job, Moves, Placement, Work, link_hours
from optimizer.program.prices import Prices, unit_costs
from optimizer.program.problem import Flags, Floats, Problem
from optimizer.program.runs import cheapest_run, run_floor


def moves_bound(problem: Problem, moves: Moves, prices: Prices, box: Box | None = None) -> float:
    """Lower bound of every plan and every placement, in dollars, for any prices ≥ 0.

    ``problem`` has the demand that cannot move, and knows what may arrive
    (:func:`~optimizer.program.moves.with_moves`).

    Raises
    ------
    ValueError
        If the problem does not know what may arrive, or if a price is none.
    """
    if problem.arriving is None:
        msg = "the problem must know how much work may arrive"
        raise ValueError(msg)
    # Where work arrives, all of the market is open to all: less than what is asked for.
    relaxed = replace(
        problem,
        availability=np.where((problem.arriving > 0)[:, None], 1.0, problem.availability),
    )
    fixed = lower_bound(relaxed, prices, box)
    if not np.isfinite(fixed):
        return fixed
    unit = MovePrices(relaxed, prices)
    parts = [unit.work_floor(moves, work) for work in moves.works]
    parts += [_job_floor(job, unit.of_job(job)) for job in moves.jobs]
    return fixed + float(sum(parts)) - ROUNDING * float(np.abs(parts).sum() if parts else 0.0)


def cheapest_placement(problem: Problem, moves: Moves, prices: Prices) -> Placement:
    """The cheapest placement of every work and job at these prices."""
    unit = MovePrices(problem, prices)
    return Placement(
        tuple(unit.cheapest_shares(moves, work) for work in moves.works),
        tuple(cheapest_run(job, unit.of_job(job)) for job in moves.jobs),
    )


def marginal_prices(problem: Problem, prices: Prices, quantity: Floats) -> Prices:
    """The prices, with what one more unit costs where a plan has no usage at all.

    A relaxation has no row, and so no price, where nothing is used; there a source is worth
    nothing if it has capacity, and what it would save on demand if it has none.
    """
    hours = problem.period
    capacity = problem.capacity(quantity)[:, hours]
    used = np.zeros(capacity.shape)
    saved = np.full(capacity.shape, np.inf)
    for source, pool, draw in zip(
        problem.pair_source, problem.pair_pool, problem.pair_draw, strict=True
    ):
        used[source] += draw * problem.demand[pool]
        price = np.minimum(problem.price[pool], problem.penalty[pool])[hours]
        saved[source] = np.where(np.isinf(saved[source]), 0.0, saved[source])
        np.maximum(saved[source], price / draw, out=saved[source])
    most = 1e3 * (1.0 + float(np.where(np.isfinite(saved), saved, 0.0).max(initial=0.0)))
    # At the largest saving among its pools each of them pays the market.
    lifted = np.where(capacity > 0, 0.0, np.minimum(saved, most))
    shared = problem.structure.shared
    return replace(prices, shared=np.where(used[shared] > 0, prices.shared, lifted[shared]))


def _job_floor(job: Job, price: Floats) -> float:
    """What a job costs at least, where linking rows may make an hour's price negative.

    A run may be longer than it has to be, so that all such hours are counted in full.
    """
    gain = np.minimum(price, 0.0)
    return run_floor(job, price - gain) + job.most * float(gain.sum())


class MovePrices:
    """What a unit of work costs in each pool and hour: firm, and if it may run on spot."""

    def __init__(self, problem: Problem, prices: Prices) -> None:
        costs = unit_costs(problem, prices, np.arange(len(problem.pools)))
        firm, spot = costs.firm, np.minimum(costs.spot, costs.firm)
        if problem.links.demand.any():
            # A unit that arrives makes room in the rows whose right-hand side it adds to.
            hourly = prices.links[:, None] * link_hours(problem) / problem.weight
            room = np.einsum("ip,in->pn", problem.links.demand, hourly)
            firm, spot = firm - room, spot - room
        # A place that cannot be had is dearer than all others; a finite price bounds too.
        known = firm[np.isfinite(firm)]
        dear = 1e3 * (1.0 + float(known.max(initial=0.0)))
        self.firm = np.where(np.isfinite(firm), firm, dear) * problem.weight
        self.spot = np.where(np.isfinite(spot), spot, dear) * problem.weight
        self.weight = problem.weight
        self.missing = ~np.isfinite(firm), ~np.isfinite(spot)

    def of_job(self, job: Job) -> Floats:
        """(H,) dollars for a unit of the job in each of its hours."""
        return np.asarray((self.spot if job.preemptible else self.firm)[job.pool, job.hours])

    def unavailable(self, job: Job) -> Flags:
        """(H,) hours in which nothing but what is not priced here could run the job."""
        firm, spot = self.missing
        return np.asarray((spot if job.preemptible else firm)[job.pool, job.hours])

    def of_work(self, work: Work, pool: int) -> Floats:
        """(N,) dollars of all the work, in its own units, at a pool's prices."""
        firm = work.units - work.tolerant
        return np.asarray(firm * self.firm[pool] + work.tolerant * self.spot[pool])

    def gains(self, moves: Moves, work: Work) -> tuple[float, Floats]:
        """What staying costs; and (E, O) what moving all of it adds, without switching."""
        stay = self.of_work(work, work.pool)
        added = np.zeros((moves.epochs, len(work.options)))
        for number, option in enumerate(work.options):
            cost = option.ratio * self.of_work(work, option.pool)
            cost += option.egress * work.units * self.weight - stay
            added[:, number] = np.bincount(
                moves.epoch, weights=cost * option.open, minlength=moves.epochs
            )
        return float(stay.sum()), added

    def work_floor(self, moves: Moves, work: Work) -> float:
        """What a work costs at least, wherever it goes; dollars.

        Σ_o shares ≤ 1 is dualised at ν ≥ 0 in each epoch, which leaves every option on its
        own: share · (cheapest path at the added cost + ν) − Σ ν.  Any ν bounds; those of the
        small program of the work itself are the best.
        """
        stay, added = self.gains(moves, work)
        caps = np.array([option.share for option in work.options])
        switch = np.stack([option.switch for option in work.options], axis=1)
        extra = np.zeros(moves.epochs)
        if caps.sum() > 1.0 and len(caps) > 1:
            extra = coupling_prices(added, switch, caps)
        floors = []
        for nu in (extra, np.zeros(moves.epochs)) if extra.any() else (extra,):
            floor = -float(nu.sum())
            for number, cap in enumerate(caps):
                one = slice(number, number + 1)
                path = _cheapest_path(added[:, one] + nu[:, None], switch[:, one], None)
                floor += float(cap) * path[0]
            floors.append(floor)
        return stay + max(floors)

    def cheapest_shares(self, moves: Moves, work: Work) -> Floats:
        """(E, O) shares: the cheapest way through the epochs takes what is open, then the next.

        Exact for one option, and where every option may take everything.
        """
        _, added = self.gains(moves, work)
        switch = np.stack([option.switch for option in work.options], axis=1)
        room = np.tile([option.share for option in work.options], (moves.epochs, 1))
        shares, left = np.zeros_like(room), 1.0
        while left > 1e-9:
            cost, path = _cheapest_path(added, switch, room > 1e-9)
            moved = np.flatnonzero(path >= 0)
            if cost >= 0 or not len(moved):
                break
            amount = min(left, float(room[moved, path[moved]].min()))
            shares[moved, path[moved]] += amount
            room[moved, path[moved]] -= amount
            left -= amount
        return shares


def _cheapest_path(
    added: Floats, switch: Floats, allowed: Flags | None
) -> tuple[float, np.ndarray]:
    """The cheapest sequence of places: −1 stays, o is an option; entering one costs switch.

    Returns
    -------
    Its cost beside staying, ≤ 0; and the place in every epoch.
    """
    epochs, options = added.shape
    open_ = np.ones(added.shape, dtype=np.bool_) if allowed is None else allowed
    value = np.concatenate([[0.0], np.full(options, np.inf)])
    origin = np.zeros((epochs, options + 1), dtype=np.int64)
    for epoch in range(epochs):
        come = int(np.argmin(value))
        fresh = np.empty(options + 1)
        fresh[0], origin[epoch, 0] = value[come], come
        for option in range(options):
            enter = value[come] + switch[epoch, option]
            remain = value[option + 1]
            origin[epoch, option + 1] = option + 1 if remain <= enter else come
            fresh[option + 1] = (
                min(remain, enter) + added[epoch, option] if open_[epoch, option] else np.inf
            )
        value = fresh
    place = int(np.argmin(value))
    cost = float(value[place])
    path = np.empty(epochs, dtype=np.int64)
    for epoch in range(epochs - 1, -1, -1):
        path[epoch] = place - 1
        place = int(origin[epoch, place])
    return cost, path
