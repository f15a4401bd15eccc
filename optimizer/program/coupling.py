# SPDX-License-Identifier: Apache-2.0
"""Prices of the whole of a work, which its options share: Σ shares ≤ 1 in each epoch."""

from __future__ import annotations

import highspy
import numpy as np

from optimizer.program.problem import Floats


def coupling_prices(added: Floats, switch: Floats, caps: Floats) -> Floats:
    """(E,) prices ν ≥ 0 of the rows Σ_o shares ≤ 1 of one work; the duals of its own program.

    min Σ added·share + Σ switch·rise, 0 ≤ share ≤ cap, rise ≥ shareₑ − shareₑ₋₁.  Any answer
    of the solver is good enough: what is made of the prices is a bound whatever they are.

    Parameters
    ----------
    added, switch
        (E, O) dollars for having, and for moving, all of the work at an option in an epoch.
    caps
        (O,) the greatest shares.
    """
    epochs, options = added.shape
    count = epochs * options
    share = np.arange(count).reshape(epochs, options)
    scale = float(np.abs(added).max(initial=0.0)) or 1.0
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = 2 * count, epochs + count
    lp.col_cost_ = np.concatenate([added.ravel(), switch.ravel()]) / scale
    lp.col_lower_ = np.zeros(2 * count)
    lp.col_upper_ = np.concatenate([np.tile(caps, epochs), np.ones(count)])
    lp.row_lower_ = np.concatenate([np.full(epochs, -np.inf), np.zeros(count)])
    lp.row_upper_ = np.concatenate([np.ones(epochs), np.full(count, np.inf)])
    start, index, value = [0], [], []
    for epoch in range(epochs):
        index += share[epoch].tolist()
        value += [1.0] * options
        start.append(len(index))
    for epoch in range(epochs):
        for option in range(options):
            index += [count + int(share[epoch, option]), int(share[epoch, option])]
            value += [1.0, -1.0]
            if epoch:
                index.append(int(share[epoch - 1, option]))
                value.append(1.0)
            start.append(len(index))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = np.array(start), np.array(index)
    lp.a_matrix_.value_ = np.array(value)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(lp)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return np.zeros(epochs)
    duals = np.array(solver.getSolution().row_dual)[:epochs]
    return np.asarray(np.maximum(0.0, -duals) * scale)
