# SPDX-License-Identifier: Apache-2.0
"""Risk: min (1−χ)·E[C] + χ·CVaR, by weighing the futures anew.

CVaR is the worst mean under odds ξ with 0 ≤ ξ ≤ p/(1−α) and Σξ = 1.  For any such ξ a plan's
measure is at least its mean under p' = (1−χ)p + χξ; so the certificate of the program with the
odds p' bounds every plan's measure from below, whoever picked ξ (``docs/program.md``, "Risk").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np

from optimizer.errors import SolverError
from optimizer.program.problem import Floats

# Share of a future's own odds that its weight keeps: hours without weight have no prices.
LEAST = 1e-3


@dataclass(frozen=True)
class Measure:
    """What is minimised over futures with odds p (S,).

    ``weight`` is χ, the share of the tail's mean; ``alpha`` the share of the odds that the
    tail leaves out.  With a weight of 0 it is the expected cost.
    """

    odds: Floats
    alpha: float = 0.9
    weight: float = 0.0

    def __post_init__(self) -> None:
        """The tail has to hold something."""
        if not 0 <= self.alpha < 1 or not 0 <= self.weight <= 1:
            msg = f"alpha {self.alpha} and weight {self.weight}: 0 ≤ alpha < 1, 0 ≤ weight ≤ 1"
            raise ValueError(msg)

    @property
    def most(self) -> Floats:
        """The most that each future may weigh in the tail: p / (1 − α)."""
        return self.odds / (1.0 - self.alpha)

    def tail(self, costs: Floats) -> Floats:
        """ξ: the tail's weights for these costs (S,), the dearest futures first."""
        left, weights = 1.0, np.zeros(len(costs))
        for future in np.argsort(-costs, kind="stable"):
            weights[future] = min(left, self.most[future])
            left -= weights[future]
        return weights

    def cvar(self, costs: Floats) -> float:
        """The mean of the dearest 1 − α of the odds."""
        return float(self.tail(costs) @ costs)

    def expected(self, costs: Floats) -> float:
        """Σ p·C."""
        return float(self.odds @ costs)

    def of(self, costs: Floats) -> float:
        """(1 − χ)·E[C] + χ·CVaR, in dollars."""
        return (1.0 - self.weight) * self.expected(costs) + self.weight * self.cvar(costs)

    def weighed(self, tail: Floats) -> Floats:
        """Odds p' = (1 − χ)p + χξ, with a trace of p in ξ, so that no future weighs nothing."""
        kept = (1.0 - LEAST) * tail + LEAST * self.odds
        return (1.0 - self.weight) * self.odds + self.weight * kept

    def next_tail(self, costs: Sequence[Floats]) -> tuple[Floats, Floats, float]:
        """The ξ at which the best of some plans costs most, and the mixture that this asks for.

        max over ξ of min over plans i of Σ p'(ξ)·C_i: a linear program, whose duals are
        shares of the plans.  Coverage is convex in the amounts, so that a mixture of the plans'
        amounts costs no more than the mixture of their costs, under free choice.

        Returns
        -------
        ξ (S,), the shares (plans,), and the program's value.
        """
        count = len(self.odds)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        size = max(float(np.abs(c).max(initial=0.0)) for c in costs) or 1.0
        for most in self.most:
            solver.addVar(0.0, float(most))
        solver.addVar(-highspy.kHighsInf, highspy.kHighsInf)
        solver.changeColCost(count, -1.0)
        every = np.arange(count, dtype=np.int32)
        solver.addRow(1.0, 1.0, count, every, np.ones(count))
        for each in costs:
            scaled = each / size
            # t − χ Σ ξ·C ≤ (1 − χ) Σ p·C
            fixed = (1.0 - self.weight) * float(self.odds @ scaled)
            index = np.append(every, np.int32(count))
            solver.addRow(
                -highspy.kHighsInf, fixed, count + 1, index, np.append(-self.weight * scaled, 1.0)
            )
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            msg = "the worst odds were not found. To mend it: report the case"
            raise SolverError(msg)
        answer = solver.getSolution()
        tail = np.clip(np.array(answer.col_value)[:count], 0.0, self.most)
        shares = np.abs(np.array(answer.row_dual)[1:])
        total = float(shares.sum())
        shares = shares / total if total > 0 else np.full(len(costs), 1.0 / len(costs))
        value = -float(solver.getInfo().objective_function_value) * size
        return self._filled(tail), shares, value

    def _filled(self, tail: Floats) -> Floats:
        """Weights that add up to one, none above its most: a solver's are near that."""
        total = float(tail.sum())
        if total >= 1.0:
            return tail / total
        room = self.most - tail
        return np.asarray(tail + room * ((1.0 - total) / float(room.sum())))


def quantile(values: Floats, odds: Floats, share: float) -> float:
    """The least value that is not exceeded with that probability."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(odds[order])
    at = int(np.searchsorted(reached, share * (1 - 1e-12), side="left"))
    return float(values[order[min(at, len(order) - 1)]])
