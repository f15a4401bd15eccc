# SPDX-License-Identifier: Apache-2.0
"""Whether any plan serves the usage within the limits: proven, not believed.

A first-phase program asks for the least usage that must stay unserved, and for the least
excess over rows that may not be exceeded; nothing else costs anything.  The certificate of
that program (:func:`~optimizer.program.certificate.lower_bound`, plain NumPy) holds for any
prices: where it is above zero, no plan exists, whatever a solver said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from optimizer.program.arrays import ArrayProgram, Box
from optimizer.program.certificate import lower_bound, whole_box
from optimizer.program.peaks import at_peaks, peak_hours, purchase_rows
from optimizer.program.prices import Prices, zero_prices
from optimizer.program.problem import Problem

# Bounds below this share of all usage are rounding.
TOLERANCE = 1e-9
Spread = Callable[[Prices], Prices]


def first_phase(problem: Problem) -> Problem:
    """The same rows with the cost of what may not be: a unit unserved that must be served.

    Every row that may not be exceeded may be, at 1 for all of its own size.  The optimum
    is zero if and only if the problem has a plan.
    """
    links = problem.links
    size = np.maximum(1.0, np.abs(links.most))
    return replace(
        problem,
        cost=np.zeros_like(problem.cost),
        price=np.where(np.isfinite(problem.price), 0.0, np.inf),
        spot_price=np.where(np.isfinite(problem.spot_price), 0.0, np.inf),
        penalty=np.where(np.isfinite(problem.penalty), 0.0, 1.0),
        links=replace(
            links, excess_price=np.where(np.isfinite(links.excess_price), 0.0, 1.0 / size)
        ),
    )


def proven_empty(
    problem: Problem, box: Box, program: ArrayProgram | None = None, spread: Spread = lambda p: p
) -> bool:
    """Whether the certificate of the first phase proves that no plan lies in the box.

    Parameters
    ----------
    problem
        The problem; its amounts within ``box`` are asked about, fractions included.
    program, spread
        A program that supplies prices for the first phase of the problem, of its cells
        perhaps; by default one of its own hours.
    """
    phase = first_phase(problem)
    relaxed = (program or ArrayProgram(phase)).relax(box)
    if not relaxed.feasible:
        return False  # without prices there is no proof
    return lower_bound(phase, spread(relaxed.prices), box) > rounding(problem)


def proven_at_peaks(problem: Problem) -> bool:
    """Whether the prices of the peak hours alone prove that the whole problem has no plan.

    The other hours are priced at zero; the certificate is that of all hours.
    """
    hours = peak_hours(problem)
    phase = first_phase(problem)
    relaxed = ArrayProgram(at_peaks(phase, hours)).relax(whole_box(problem))
    if not relaxed.feasible:
        return False
    prices = zero_prices(phase)
    # Own sources of the peaks may be shared in the whole: then these prices say nothing.
    if (
        relaxed.prices.shared.shape[0] != prices.shared.shape[0]
        or relaxed.prices.rent.shape != prices.rent.shape
    ):
        return False
    prices.shared[:, hours] = relaxed.prices.shared
    prices.limits[:, hours] = relaxed.prices.limits
    prices.links[purchase_rows(problem)] = relaxed.prices.links
    prices.rent[:] = relaxed.prices.rent
    return lower_bound(phase, prices) > rounding(problem)


def rounding(problem: Problem) -> float:
    """What a first phase of nothing may come to by rounding, in units."""
    return TOLERANCE * (1.0 + float(problem.demand.sum(axis=0) @ problem.weight))
