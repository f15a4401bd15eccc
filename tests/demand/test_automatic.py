# SPDX-License-Identifier: Apache-2.0
"""The forecaster behind the extra ``forecast``; without it, an error that names the extra."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from optimizer.demand import History, forecaster_of
from optimizer.errors import UsageError

from . import series

WEEK = series.WEEK


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(UsageError, match=r"gpuopt\[forecast\]"):
        forecaster_of("statsforecast")


def test_paths_of_exponential_smoothing():
    pytest.importorskip("statsforecast")
    young = np.zeros(40 * WEEK)
    young[-3 * WEEK :] = 5.0
    history = History.of(
        np.stack([series.steady(40, 1, 0.02, noise=0.003), series.bursty(40, 2), young])
    )
    automatic = forecaster_of("statsforecast")
    found = automatic.paths(history, 8 * WEEK, 20, 7)
    assert found.shape == (20, 3, 8 * WEEK)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.tobytes() == automatic.paths(history, 8 * WEEK, 20, 7).tobytes()
    # Growth of 2 % a week that held for a year goes on, at least in part.
    ahead = np.median(found[:, 0, 7 * WEEK :].mean(axis=1))
    assert ahead > 1.05 * history.quantity[0, -WEEK:].mean()
