# SPDX-License-Identifier: Apache-2.0
"""What any linear detector could find in two weeks of LLM traffic, were it tuned in hindsight.

    GPUOPT_LLM_TRAFFIC=FILE.csv python -m pytest -s tests/benchmarks/test_anomalies_ceiling.py

The file is that of ``test_anomalies.py``.  For each series the logarithm of three hours (their
mean, and the least of them: the better of both counts) is explained by least squares from what
was known before, with coefficients fitted on the very week that is judged, and the threshold is
the lowest that raises no alarm, or one, in that week.  Spikes of 2x are put at every hour.  No
detector that has to learn from the week before can be expected to do as well.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

WEEK, DAY = 168, 24
LLM = os.environ.get("GPUOPT_LLM_TRAFFIC", "")
WITHIN, LENGTH, APART = 3, 4, 24
CALM = 0.5

pytestmark = pytest.mark.skipif(not LLM, reason="GPUOPT_LLM_TRAFFIC does not name the file")


def series() -> tuple[dict[tuple[str, str], np.ndarray], dict[str, np.ndarray]]:
    """Logarithms by model and measure, dropouts bridged; and which hours have data."""
    frame = pd.read_csv(LLM)
    found, known = {}, {}
    for model, rows in frame.groupby("model"):
        if len(rows) < WEEK:
            continue
        table = rows.set_index("hour").reindex(range(2 * WEEK))
        requests = table["req_per_s"].to_numpy()
        measures = {"requests": requests}
        for kind in ("input", "output"):
            measures[f"{kind} tokens"] = requests * table[f"mean_{kind}_tokens"].to_numpy()
        seen = requests > np.nanmedian(requests) / 20
        hours = np.arange(2 * WEEK)
        known[str(model)] = seen
        for name, values in measures.items():
            found[str(model), name] = np.interp(hours, hours[seen], np.log(values[seen]))
        every = [found[str(model), name] for name in measures]
        found[str(model), "all three"] = np.mean(every, axis=0)
    return found, known


def windows(y: np.ndarray, of) -> np.ndarray:
    """(T,) a statistic of the three hours that end with each."""
    parts = np.lib.stride_tricks.sliding_window_view(y, WITHIN)
    return np.concatenate([np.full(WITHIN - 1, np.nan), of(parts, axis=1)])


def past(y: np.ndarray) -> np.ndarray:
    """(T, 6) the last three hours before the three, and medians of 6, 14 and 24 hours."""
    rows = np.full((len(y), 6), np.nan)
    for end in range(2 * WITHIN - 1, len(y)):
        start = end - WITHIN + 1
        medians = [np.median(y[max(0, start - hours) : start]) for hours in (6, 14, DAY)]
        rows[end] = [*y[start - 3 : start], *medians]
    return rows


def episodes(over: np.ndarray) -> int:
    hours = np.flatnonzero(over)
    return 0 if not len(hours) else 1 + int((np.diff(hours) > APART).sum())


def ceiling(y: np.ndarray, known: np.ndarray, facts: list[np.ndarray], allowed: int) -> float:
    """Share of the spikes found with at most ``allowed`` alarms, all fitted in hindsight."""
    table = np.concatenate([np.ones((len(y), 1)), *facts], axis=1)
    judged = np.isfinite(table).all(axis=1) & (np.arange(len(y)) >= WEEK)
    mean = windows(y, np.mean)
    fitted = np.linalg.lstsq(table[judged], mean[judged], rcond=None)[0]
    expected = np.where(judged, np.nan_to_num(table) @ fitted, np.inf)
    ends = [
        start + WITHIN - 1
        for start in range(WEEK, len(y) - LENGTH + 1)
        if known[start : start + LENGTH].all() and judged[start + WITHIN - 1]
    ]
    best = 0.0
    for statistic in (mean, windows(y, np.min)):
        r = np.where(judged, statistic - expected, -np.inf)
        least = next(level for level in np.sort(r)[::-1] if episodes(r >= level) > allowed)
        best = max(best, float((r[ends] + np.log(2.0) > least).mean()))
    return best


def calm(y: np.ndarray) -> bool:
    weeks = np.exp(y).reshape(-1, WEEK)
    return bool(np.median(weeks.std(axis=1) / weeks.mean(axis=1)) < CALM)


def test_ceiling(capsys):
    """By the series alone, its other week, other models, and other measures of the model."""
    found, known = series()
    before = {key: past(y) for key, y in found.items()}
    means = {key: windows(y, np.mean)[:, None] for key, y in found.items()}
    names = ("alone", "and the week before", "and other models", "and its other measures")
    sums: dict[str, list[list[float]]] = {"one": [], "all": []}
    with capsys.disabled():
        print(f"\nfound with no alarm (with one) in the week: {', '.join(names)}")
        for (model, measure), y in found.items():
            others = [k for k in found if k[0] != model and k[1] != "all three"]
            same = [k for k in found if k[0] == model and k[1] not in (measure, "all three")]
            groups = [
                [before[model, measure]],
                [np.roll(means[model, measure], WEEK, 0), np.roll(before[model, measure], WEEK, 0)],
                [means[k] - before[k][:, place : place + 1] for k in others for place in (2, 3)],
                [part for k in same for part in (means[k], before[k][:, 2:4])],
            ]
            if measure == "all three":
                groups.pop()
            facts, told, row = [], [], []
            for group in groups:
                facts = facts + group
                none, one = (ceiling(y, known[model], facts, count) for count in (0, 1))
                told.append(f"{100 * none:3.0f} ({100 * one:3.0f})")
                row.append(none)
            kind = "calm" if calm(y) else "wild"
            print(f"  {model:8s} {measure:14s} {kind}  {'  '.join(told)}")
            if measure == "all three":
                sums["all"].append(row)
            elif kind == "calm":
                sums["one"].append(row)
        for which, rows in sums.items():
            shares = " ".join(f"{100 * share:.1f} %" for share in np.mean(rows, axis=0))
            print(f"  mean of the calm ones, a spike in {which}: {shares}")
    assert np.mean(sums["one"], axis=0)[1] < 0.9
