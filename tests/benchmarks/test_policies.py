# SPDX-License-Identifier: Apache-2.0
"""Rules of purchase on the hourly demand of a real company ("Shaved Ice", ICPE 2025).

The data stays outside the repository: ``GPUOPT_SHAVEDICE`` names a folder, or files joined by
``:``.  A file with the column ``total`` is walked as one pool under a plan at three discounts,
as published and reversed; one with ``region, type, count`` by type, under one-year reservations
at 0.60 of on-demand and a plan over all types at 0.72, through its second and third year::

    GPUOPT_SHAVEDICE=FOLDER python -m pytest -q -s tests/benchmarks/test_policies.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.planning.backtest import Policy
from optimizer.planning.backtest.market import Floats, History, Market, open_market
from optimizer.planning.backtest.rules import MostSaved, peers
from optimizer.planning.backtest.run import walk_one
from optimizer.planning.backtest.walk import Calendar, Rule, Walk
from optimizer.tables import read_case

from ..planning.markets import write_case
from .parquet import read_parquet

YEAR, STEP, LOOK = 8760, 730, 2160
DISCOUNTS = (0.27, 0.40, 1 - 1 / 2.1)
SLACK = 0.001  # what a growing column may cost above the provider's rule
WORST, AIM = 1.030, 1.020
RESERVED, PLAN = 0.60, 0.72


def _files(column: str) -> list[Path]:
    """The files of the environment that have a column."""
    paths = [Path(part) for part in os.environ.get("GPUOPT_SHAVEDICE", "").split(":") if part]
    found = [
        f for path in paths for f in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])
    ]
    return [file for file in found if column in read_parquet(file).columns]


def _walk(market: Market, history: History, calendar: Calendar, rule: Rule | None) -> Walk:
    return walk_one(market, history, calendar, rule)[1]


def _need(files: list[Path]) -> None:
    if not files:
        pytest.skip("GPUOPT_SHAVEDICE names no such file")


def test_one_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cost inside the window over the optimum's, one fixed policy in six columns."""
    files = _files("total")
    _need(files)
    for number, file in enumerate(files):
        published = read_parquet(file).sort_values("hour")["total"].to_numpy(np.float64)
        columns = []
        for name, series in (("published", published), ("reversed", published[::-1])):
            for discount in DISCOUNTS:
                folder = tmp_path / f"{number}-{name}-{discount}"
                write_case(folder, {"pool": series}, plan=1 - discount, start="2021-02-01")
                opened = open_market(read_case(folder))
                calendar = Calendar.every(LOOK, opened.history.hours, STEP)
                best = _walk(opened.market, opened.history, calendar, None)
                rules = [*peers(opened.market), Policy()]
                walks = [_walk(opened.market, opened.history, calendar, rule) for rule in rules]
                columns.append({walk.rule: walk.cost / best.cost for walk in walks})
        with capsys.disabled():
            print(f"\n{file.name}: cost ÷ optimum; as published, then reversed")
            print(f"{'rule':32}", *(f"{discount:8.2%}" for discount in DISCOUNTS * 2), "   worst")
            for rule in columns[0]:
                ratios = [column[rule] for column in columns]
                print(f"{rule:32}", *(f"{ratio:8.4f}" for ratio in ratios), f"{max(ratios):8.4f}")
        ours = [column[Policy().name] for column in columns]
        providers = [column[MostSaved(30).name] for column in columns]
        assert max(ours) <= WORST
        grows = published[-YEAR:].mean() > published[:YEAR].mean()
        growing = range(3) if grows else range(3, 6)
        for index in growing:
            assert ours[index] <= providers[index] + SLACK


def _name(region: object) -> str:
    """A region as it is written: whole numbers may be read as 1.0."""
    return str(region).removesuffix(".0")


def _by_type(file: Path, region: object = None) -> dict[str, Floats]:
    """(region, type) → hourly demand, zero where there is no row."""
    rows = read_parquet(file)
    if region is not None:
        rows = rows[rows["region"] == region]
    hours = pd.date_range(rows["hour"].min(), rows["hour"].max(), freq="h")
    wide = rows.pivot_table(index="hour", columns=["region", "type"], values="count", aggfunc="sum")
    wide = wide.reindex(hours).fillna(0.0)
    return {f"{_name(a)}-{b}": wide[a, b].to_numpy(np.float64) for a, b in wide.columns}


@pytest.mark.parametrize("backwards", [False, True], ids=["published", "reversed"])
def test_by_type(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, backwards: bool) -> None:
    """Savings through years two and three: half of the way from the best simple rule."""
    files = _files("type")
    _need(files)
    for number, file in enumerate(files):
        regions = sorted(read_parquet(file)["region"].unique(), key=str)
        for region in (None, *(regions if len(regions) > 1 else ())):
            demand = _by_type(file, region)
            if backwards:
                demand = {name: units[::-1] for name, units in demand.items()}
            title = f"{file.name}, {'all' if region is None else f'region {_name(region)}'}"
            share = _types(tmp_path / f"{number}-{region}", title, demand, capsys)
            if region is None and not backwards:
                assert share >= 0.5


def _types(
    folder: Path, title: str, demand: Mapping[str, Floats], capsys: pytest.CaptureFixture[str]
) -> float:
    """Walk the rules and print them; the share of the way to the optimum that ours went."""
    write_case(folder, demand, reserved=RESERVED, plan=PLAN, start="2021-02-01")
    opened = open_market(read_case(folder))
    market, history = opened.market, opened.history
    calendar = Calendar.every(YEAR, history.hours, STEP)
    rows = []
    for rule in (None, *peers(market), Policy()):
        began = time.process_time()
        walk = _walk(market, history, calendar, rule)
        year = np.array(calendar.dates) < 2 * YEAR
        second, third = (1 - walk.by_step[:, part].sum(axis=1)[0] / walk.by_step[1, part].sum()
                         for part in (year, ~year))  # fmt: skip
        rows.append((walk.rule, walk.savings_rate, second, third, time.process_time() - began))
    kept = {row[0]: row[1] for row in rows}
    ours, best = kept.pop(Policy().name), kept.pop("optimum")
    simple = max(kept.values())
    share = (ours - simple) / (best - simple)
    with capsys.disabled():
        print(f"\n{title}: {len(market.lines)} types; share of the bill kept")
        print(f"{'rule':32} years 2–3   year 2   year 3    CPU s")
        for name, both, second, third, took in rows:
            print(f"{name:32}{both:10.2%}{second:9.2%}{third:9.2%}{took:9.1f}")
        print(f"gpuopt goes {share:.0%} of the way from the best simple rule to the optimum")
    return share
