# SPDX-License-Identifier: Apache-2.0
"""Calibration of the demand forecast on hourly demand of a real company.

``GPUOPT_SHAVEDICE=FOLDER python -m pytest -s tests/benchmarks/test_forecast.py`` with the
folder of ``regions_1_2_hourly.parquet`` and ``total_hourly.parquet`` (derived from
Snowflake-Labs/shavedice-dataset, CC BY 4.0).  Other files of the same columns may be named
in ``GPUOPT_SHAVEDICE_REGIONS``.  The parameters were chosen on the first 104 weeks.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.demand import History, Seasonal, forecast_quality, forecaster_of

from .parquet import read_parquet

WEEK = 168
CHOSEN_ON = 104  # weeks
FOLDER = os.environ.get("GPUOPT_SHAVEDICE", "")
REGIONS = os.environ.get("GPUOPT_SHAVEDICE_REGIONS", "regions_1_2_hourly.parquet")

needs_data = pytest.mark.skipif(
    not FOLDER, reason="GPUOPT_SHAVEDICE does not name the folder of the demand data"
)


def regions() -> History:
    """One line for each region and machine type, zero where there is no row."""
    frame = read_parquet(Path(FOLDER) / REGIONS)
    hours = pd.date_range(frame["hour"].min(), frame["hour"].max(), freq="h")
    table = frame.pivot_table(
        index="hour", columns=["region", "type"], values="count", aggfunc="sum"
    ).reindex(hours)
    return History.of(table.fillna(0.0).to_numpy().T.copy())


def total() -> History:
    frame = read_parquet(Path(FOLDER) / "total_hourly.parquet")
    return History.of(frame["total"].to_numpy(dtype=float)[None].copy())


def shown(capsys, name: str, quality) -> None:
    with capsys.disabled():
        print(f"\n{name}: {quality.origins} origins")
        for lead, of in quality.pooled.items():
            print(
                f"  {lead:2d} weeks ahead: P10-P90 holds {100 * of.coverage:.1f} % of "
                f"{of.outcomes}; pinball {of.pinball:.3f}, seasonal-naive {of.naive:.3f} "
                f"(x {of.pinball / of.naive:.3f})"
            )


@needs_data
@pytest.mark.parametrize("scenarios", [20, 100])
@pytest.mark.parametrize("part", ["chosen on", "the rest", "all"])
def test_by_type(capsys, part: str, scenarios: int):
    """The mark: 70-90 % of the weeks 4 and 12 weeks ahead, and less loss than seasonal-naive."""
    history = regions()
    first = {"chosen on": 13, "the rest": CHOSEN_ON, "all": 13}[part]
    if part == "chosen on":
        history = history.until(CHOSEN_ON * WEEK)
    quality = forecast_quality(
        Seasonal(), history, scenarios=scenarios, step=1, first=first, origins=1000
    )
    shown(capsys, f"by type, {part}, {scenarios} scenarios", quality)
    for of in quality.pooled.values():
        assert of.pinball < of.naive
        assert 0.65 <= of.coverage <= 0.9
    if part == "all":
        assert all(0.7 <= of.coverage <= 0.9 for of in quality.pooled.values())


@needs_data
@pytest.mark.parametrize("reverse", [False, True], ids=["as it was", "reversed"])
def test_total(capsys, reverse: bool):
    """One line: growth, and the same read backwards, which is decline."""
    history = total()
    if reverse:
        history = History.of(history.quantity[:, ::-1].copy())
    quality = forecast_quality(Seasonal(), history, step=1, first=13, origins=1000)
    shown(capsys, f"total, {'reversed' if reverse else 'as it was'}", quality)
    for of in quality.pooled.values():
        assert of.pinball < of.naive


@needs_data
def test_statsforecast(capsys):
    """The other implementation of the same protocol, on the rest."""
    pytest.importorskip("statsforecast")
    quality = forecast_quality(
        forecaster_of("statsforecast"), regions(), step=6, first=CHOSEN_ON, origins=1000
    )
    shown(capsys, "by type, the rest, statsforecast, 100 scenarios", quality)
    assert quality.pooled


def test_fifty_meters_a_year_in_twenty_scenarios(capsys):
    """Speed: 20 x 50 x 8,760 hours from two years of history."""
    import resource
    import time

    random = np.random.default_rng(1)
    history = History.of(random.poisson(20, (50, 104 * WEEK)).astype(float))
    start = time.process_time()
    found = Seasonal().paths(history, 8760, 20, 7)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with capsys.disabled():
        print(f"\n20 x 50 x 8,760: {took:.2f} s of CPU, peak {peak:.0f} MB")
    assert found.shape == (20, 50, 8760)
    assert took < 5
