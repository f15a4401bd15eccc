# SPDX-License-Identifier: Apache-2.0
"""The engine for large problems: a small program over cells, the hour oracle, and a proof.

Round after round the master program over cells proposes amounts and prices; the oracle
serves every hour with them, which gives the true free-choice cost and shows where the cells
are too coarse; the certificate turns the prices into a bound.  It stops when cost and bound
meet, on work done or when the watch says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.program.branch import certified_bound
from optimizer.program.cellmeans import Knots
from optimizer.program.cells import Refinement
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.grains import grain_of
from optimizer.program.hours import HourOracle, Hours
from optimizer.program.idle import idle_sources
from optimizer.program.levels import Levels
from optimizer.program.master import Master, Proposal
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Floats, Problem
from optimizer.program.sample import Sample
from optimizer.program.search import on_step
from optimizer.program.sparse import Basis
from optimizer.program.warm import Learnt, WarmStart
from optimizer.program.watch import Watch

ROUNDS = 6
# Of futures with purchases that differ between them, whose programs are large.
FUTURES_ROUNDS = 4
TWICE_BELOW = 300_000
# And up to which hours are labelled at the proposal too, not only where the line search ends.
TWO_LABELS_BELOW = 5_000_000
# Rows of the last master program up to which whole units are searched for, up to which it is
# branched on, and how much.  An integer program without presolve takes long before its first
# node.
WHOLE_ROWS = 4_000
BRANCH_ROWS = 20_000
WHOLE_NODES = 300
BRANCH_NODES = 60
# Rows × nodes: nodes of a large program take long too.
BRANCH_WORK = 150_000
# Times the wanted gap by which a round may seem to miss it and still be worth a proof.
FAR = 3.0
# First rounds that may go without; from then on whoever watches is told how near it is.
UNPROVEN = 2
# How far a line search may go from the last amounts to the proposed ones.
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
# Share of what is left to gain that a round must gain, for its kind of cells to go on.
SLOW = 0.25
# How near a program's value must be to what its amounts cost, for its prices to be near those
# of the next one.
NEAR = 0.005
# Pools up to which cells are split from the first round on; of more, labels by load are fewer.
SPLIT_AT_ONCE = 24
# Amounts of own capacity, of those that regimes have, around which segments end.
MOST_LEVELS = 5
# Hours up to which labels tell enough of them apart.
LABELLED = 1_000
# Cells × pools up to which cells may be split without any being joined.
SPLIT_BELOW = 1_000_000


@dataclass(frozen=True)
class Engine:
    """The engine's answer.

    Attributes
    ----------
    feasible
        Whether any amounts were found.
    quantity, relaxed
        (K,) amounts that may be bought, and the fractional ones they were rounded from.
    free
        Dollars of ``quantity`` under free choice, from coverage that is feasible.
    bound, prices
        The best certificate, and its prices (with nodes, those of the root).
    rounds, cells, rows, nodes
        Work: rounds, cells of all groups and rows of the last master program, nodes of
        branching.
    learnt
        What the next solve of a similar problem can start from.
    """

    feasible: bool
    quantity: Floats
    relaxed: Floats
    free: float
    bound: float
    prices: Prices
    rounds: int
    cells: int
    rows: int
    nodes: int
    learnt: Learnt | None = field(default=None, repr=False)


def hours_apart(problem: Problem) -> bool:
    """Whether hours are separate and unlimited once the amounts are fixed.

    Then the oracle's coverage is a plan; otherwise it only shows how the hours behave.
    """
    links = problem.links
    return (
        not problem.limits.names
        and bool((problem.availability >= 1.0).all())
        and not (links.on_demand.any() or links.spot.any() or links.covered.any())
    )


def solve_engine(
    problem: Problem,
    *,
    gap: float,
    constant: float = 0.0,
    start: WarmStart | None = None,
    watch: Watch | None = None,
    rounds: int | None = None,
) -> Engine:
    """Find amounts whose free-choice cost is within ``gap`` of a proven bound.

    Parameters
    ----------
    gap
        Relative, of the free-choice cost and ``constant`` together.
    constant
        Cost that no decision changes.
    start
        An earlier plan to start from: its hours shape the first cells.
    rounds
        Most rounds; with fewer than there may be, units are not branched on either.
    """
    watch = watch or Watch()
    return _Run(problem, gap, constant, watch, rounds or ROUNDS).solve(start)


class _Run:
    """One solve and its state."""

    def __init__(
        self, problem: Problem, gap: float, constant: float, watch: Watch, rounds: int = ROUNDS
    ) -> None:
        self.problem, self.gap, self.constant, self.watch = problem, gap, constant, watch
        self.rounds = min(rounds, FUTURES_ROUNDS if len(problem.member_active) else ROUNDS)
        self.levels = Levels.of(problem)
        self.oracle = HourOracle(problem)
        self.cells = Refinement(problem, self.levels, self.oracle.chain, grain_of(problem, 0))
        self.knots = Knots(problem)
        self.box = whole_box(problem)
        self.bound, self.prices = -np.inf, zero_prices(problem)
        self.best: tuple[float, Floats] = (np.inf, np.zeros(len(problem.columns)))
        self.relaxed: Floats = self.best[1]
        self.asked: Floats = self.best[1]
        self.nodes, self.proposed = 0, False
        self.value = np.inf  # of the last amounts, under free choice
        # Between amounts that may be bought lie cheaper ones that may not.  A warm start is of
        # the first kind and its one round has to end there.
        self.whole_first = False
        self.unproven: Prices | None = None  # of the last proposal, not yet through the proof
        self.apart = hours_apart(problem)
        self.idle = np.zeros(len(problem.sources), dtype=bool)
        self.sampled = Sample(problem)

    def solve(self, start: WarmStart | None) -> Engine:
        """Round after round until cost and bound meet."""
        problem, watch = self.problem, self.watch
        spread, rounds, rows, highest = 0.08, 0, 0, -np.inf
        known = start is not None
        basis = None if start is None else self._warm(start, spread)
        near: Prices | None = None
        strongest = self.cells.cells
        lost = len(problem.pools) <= SPLIT_AT_ONCE and problem.hours > LABELLED
        # After a program that is as fine as an earlier solve's last, none is coarser.
        finer = 0 if basis is None else 2
        with ThreadPoolExecutor(max_workers=1) as beside:
            for number in range(self.rounds):
                master = Master(problem, self.levels, self.cells.cells, self.knots, idle=self.idle)
                proposal = master.solve(watch.left(), basis, near)
                rounds, rows, basis = number + 1, master.rows, None
                if not proposal.feasible and master.idle.any() and not watch.stop():
                    # What was left out may be what it lacks.
                    self.idle = np.zeros_like(self.idle)
                    master = Master(
                        problem, self.levels, self.cells.cells, self.knots, idle=self.idle
                    )
                    proposal, rows = master.solve(watch.left(), None, None), master.rows
                if not proposal.feasible:
                    # Prices of nothing still bound it.
                    zero = zero_prices(problem)
                    self.bound = max(self.bound, lower_bound(problem, zero, self.box))
                    break
                # Cells of a program that is worth less than an earlier one's have lost what told
                # hours apart, and of one that gains little they miss it: back to the strongest,
                # and split those where they are wrong.
                gained = proposal.objective - highest
                slow = number > 1 and gained < SLOW * (self.value - highest)
                lost = lost or slow or gained < -self.gap * abs(highest)
                if gained >= 0:
                    highest, strongest = proposal.objective, self.cells.cells
                self._round(proposal, known, number + finer, rounds == self.rounds, beside)
                known = True
                missed = self.value - proposal.objective
                near = proposal.prices if missed < NEAR * abs(self.value) else None
                self.idle = idle_sources(problem, proposal.quantity, self.relaxed)
                if proposal.woken is not None:
                    self.idle &= ~proposal.woken
                self._tell(f"round {rounds}, {rows:,} rows")
                if self._closed() or watch.stop() or rounds == self.rounds:
                    self._prove(beside)
                    break
                small = strongest.count * len(problem.pools) <= SPLIT_BELOW
                self.cells.cells = (
                    self.cells.split(
                        strongest,
                        self.hours,
                        proposal.prices.shared,
                        problem.capacity(self.relaxed),
                    )
                    if lost and small
                    else self.cells.meet()
                )
                spread /= 2
                self._focus([self.relaxed, self.asked], spread)
        whole = rows and rows <= BRANCH_ROWS and self.rounds == ROUNDS
        if whole and not self._closed() and not watch.stop():
            self._whole(master)
        free, quantity = self.best
        ended = master.basis()
        return Engine(
            feasible=bool(np.isfinite(free)) or (not self.apart and self.proposed),
            quantity=quantity,
            relaxed=self.relaxed,
            free=free,
            bound=min(self.bound, free),
            prices=self.prices,
            rounds=rounds,
            cells=self.cells.cells.count,
            rows=rows,
            nodes=self.nodes,
            learnt=None
            if ended is None
            else Learnt.of(problem, self.cells, self.knots, master.idle, ended),
        )

    def _warm(self, start: WarmStart, spread: float) -> Basis | None:
        """Begin at an earlier plan's amounts.

        If prices are what they were, with its cells and where its last program ended, which
        is returned; else its amounts' hours shape the first cells.
        """
        problem, learnt = self.problem, start.learnt
        self.relaxed = np.minimum(on_step(problem, start.amounts(problem)), self.box.upper)
        if learnt is not None and learnt.fits(problem, len(self.levels.groups)):
            learnt.scale(self.knots)
            self.whole_first = True
            self.cells.kept, self.cells.cells = list(learnt.kept), learnt.cells
            self.idle = learnt.idle & idle_sources(problem, self.relaxed)
            return learnt.basis
        self._focus([self.relaxed], spread)
        return None

    def _round(
        self,
        proposal: Proposal,
        known: bool,
        number: int,
        last: bool,
        beside: ThreadPoolExecutor,
    ) -> None:
        """Bound by the proposal's prices, serve its hours, keep the best amounts, label hours.

        What does not wait for each other runs in two threads: NumPy does the work.
        """
        problem, prices = self.problem, proposal.prices
        self.proposed = True
        share = 1.0
        if known and self.apart:
            share = self._line_search(proposal.quantity, prices)
        if share < 1.0:
            self.relaxed = self.relaxed + share * (proposal.quantity - self.relaxed)
        else:
            self.relaxed = proposal.quantity
        self.hours = hours = self._serve(self.relaxed, prices.shared)
        self.unproven, self.asked = prices, proposal.quantity
        # Proof and whole amounts cost passes over all hours: where the program's own value is
        # far below what the hours cost, they would only say so again.
        value = self._cost(self.relaxed, hours, problem) if self.apart else np.inf
        self.value = value
        far = value - proposal.objective > FAR * self.gap * abs(value + self.constant)
        if not (far and self.apart and number < UNPROVEN and not last):
            self._prove(beside)
            if self._closed():
                return
        self.cells.grain = grain_of(problem, number)
        if share < 1.0 and len(problem.pools) * problem.hours <= TWO_LABELS_BELOW:
            self.cells.add(proposal.quantity, self._serve(proposal.quantity, prices.shared))
        self.cells.add(self.relaxed, hours)

    def _prove(self, beside: ThreadPoolExecutor) -> None:
        """Bound by the last proposal's prices, and round its amounts: in two threads."""
        prices = self.unproven
        if prices is None:
            return
        self.unproven = None
        # Between amounts that may be bought lie cheaper ones that may not: what was proposed is
        # mostly of the first kind, where the line search ended mostly of the other.
        trying = beside.submit(self._try, (self.relaxed, self.asked), prices.shared)
        bound = lower_bound(self.problem, prices, self.box)
        if bound > self.bound:
            self.bound, self.prices = bound, prices
        trying.result()

    def _whole(self, master: Master) -> None:
        """Whole units over the last cells, and branching on what is not whole.

        Where units are few and dear, as boxes of eight GPUs are, rounding a linear program
        and its bound leave the gap open.
        """
        problem, watch = self.problem, self.watch
        watch.report("whole units")
        if master.rows <= WHOLE_ROWS:
            found = master.best_whole(gap=0.2 * self.gap, nodes=WHOLE_NODES, seconds=watch.left())
            if found is not None:
                self._try_one(found, self.prices.shared)
        if self._closed() or not self.apart or watch.stop():
            return
        value = self.best[0]
        bounded = certified_bound(
            problem,
            master,
            lambda prices: prices,
            target=value - 0.9 * self.gap * abs(value + self.constant),
            nodes=min(BRANCH_NODES, BRANCH_WORK // master.rows),
            stop=watch.stop,
        )
        self.nodes = bounded.nodes
        if bounded.bound > self.bound:
            self.bound, self.prices = bounded.bound, bounded.prices
        self._tell(f"{bounded.nodes} nodes")

    def _tell(self, phase: str) -> None:
        """Report the best amounts and the bound, where there are any yet."""
        best, bound = self.best[0] + self.constant, self.bound + self.constant
        self.watch.report(
            phase, best if np.isfinite(best) else None, bound if np.isfinite(bound) else None
        )

    def _closed(self) -> bool:
        if not self.apart:
            return False
        value = self.best[0]
        if not np.isfinite(value):
            return False
        return value - self.bound <= self.gap * max(abs(value + self.constant), 1e-12)

    def _serve(self, amounts: Floats, guess: Floats, *, priced: bool = True) -> Hours:
        """Serve the hours; of a small problem twice, the second time at its own prices."""
        small = len(self.problem.pools) * self.problem.hours <= TWICE_BELOW
        hours = self.oracle.run(amounts, guess, priced=priced or small)
        if not small:
            return hours
        finite = np.where(np.isfinite(hours.prices), hours.prices, guess)
        again = self.oracle.run(amounts, finite)
        return replace(again, cost=np.minimum(again.cost, hours.cost))

    def _try(self, every: Iterable[Floats], guess: Floats) -> None:
        """Round amounts to what may be bought and keep them if they are the best yet."""
        tried: list[Floats] = []
        for amounts in every:
            if not any(np.array_equal(amounts, before) for before in tried):
                tried.append(amounts)
                self._try_one(amounts, guess)

    def _try_one(self, amounts: Floats, guess: Floats) -> None:
        problem = self.problem
        rounded = np.minimum(on_step(problem, amounts), self.box.upper)
        if not self.apart:
            self.best = (np.inf, rounded)  # the last proposal; only the law can price it
            return
        value = self._cost(rounded, self._serve(rounded, guess, priced=False), problem)
        if not np.isfinite(value):  # usage without a price: rounded down it may stay unserved
            upwards = on_step(problem, np.ceil(amounts / problem.step - 1e-9) * problem.step)
            rounded = np.minimum(upwards, self.box.upper)
            value = self._cost(rounded, self._serve(rounded, guess, priced=False), problem)
        if not np.isfinite(value) and not np.isfinite(self.best[0]):
            rounded = self.box.upper
            value = self._cost(rounded, self._serve(rounded, guess, priced=False), problem)
        if value < self.best[0]:
            self.best = (value, rounded)

    def _line_search(self, amounts: Floats, prices: Prices) -> float:
        """How far to go from the last amounts to the proposed ones, of ``SHARES``."""
        sample = self.sampled
        guess = prices.shared[:, sample.hours]
        values = []
        for share in SHARES:
            at = self.relaxed + share * (amounts - self.relaxed)
            if self.whole_first:
                at = on_step(self.problem, at)
            values.append(
                self._cost(at, sample.oracle.run(at, guess, priced=False), sample.problem)
            )
        self.whole_first = False
        return SHARES[int(np.argmin(values))]

    @staticmethod
    def _cost(amounts: Floats, hours: Hours, problem: Problem) -> float:
        return float(problem.cost @ amounts + problem.weight @ hours.cost)

    def _focus(self, every: Iterable[Floats], spread: float) -> None:
        """Put the knots of every pool's own capacity around what it has at some amounts."""
        problem = self.problem
        # All that is bought of each source, in force together or not.
        bought = [
            np.bincount(
                problem.member_source,
                weights=problem.member_ratio * amounts[problem.member_column],
                minlength=len(problem.sources),
            )
            for amounts in every
        ]
        for pool, pairs in enumerate(problem.structure.own_pairs):
            if not len(pairs):
                continue
            source, draw = problem.pair_source[pairs], problem.pair_draw[pairs]
            if len(problem.member_active):
                self._focus_levels(pool, self.relaxed, spread)
            else:
                self.knots.narrow(pool, [float((b[source] / draw).sum()) for b in bought], spread)

    def _focus_levels(self, pool: int, amounts: Floats, spread: float) -> None:
        """Put knots around what a pool has of its own in each regime: futures differ in it."""
        problem, lead = self.problem, self.problem.structure.lead
        has = np.zeros(len(lead))
        for pair in problem.structure.own_pairs[pool]:
            for column, ratio, active in problem.feeds[problem.pair_source[pair]]:
                has += active[lead] * ratio * amounts[column] / problem.pair_draw[pair]
        self.knots.spread(pool, np.quantile(has, np.linspace(0.0, 1.0, MOST_LEVELS)), spread)
