# SPDX-License-Identifier: Apache-2.0
"""Markets, histories and case folders small enough to reckon by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from optimizer.billing.order import OrderedPair
from optimizer.planning.backtest.market import Floats, Market
from optimizer.planning.backtest.walk import Book

TOML = 'currency = "USD"\nas_of = "{as_of:%Y-%m-%dT%H:00:00Z}"\n'


def one(rate: float, term: int = 8760, price: float = 1.0) -> Market:
    """One line and one instrument that covers it unit by unit."""
    return Market(
        ("line",), np.array([price]), ("plan",), np.array([rate]), np.array([term]),
        np.array([True]), (OrderedPair(0, 0, 1.0),),
    )  # fmt: skip


def several(lines: int, reserved: float = 0.6, plan: float = 0.72, term: int = 8760) -> Market:
    """A reservation for each line, and a plan in dollars over all of them."""
    pairs = [OrderedPair(line, line, 1.0) for line in range(lines)]
    pairs += [OrderedPair(lines, line, plan) for line in range(lines)]
    return Market(
        tuple(f"line {line}" for line in range(lines)),
        np.ones(lines),
        (*(f"reservation {line}" for line in range(lines)), "plan"),
        np.array([reserved] * lines + [1.0]),
        np.full(lines + 1, term),
        np.array([False] * lines + [True]),
        tuple(pairs),
    )


def book(
    market: Market, now: int, bought: Mapping[int, Sequence[float]] | None = None, step: int = 730
) -> Book:
    """What was bought so far: amounts by date."""
    bought = bought or {}
    amount = np.array([list(row) for row in bought.values()], dtype=np.float64)
    count = len(market.instruments)
    return Book(
        np.array(list(bought), dtype=np.int64), amount.reshape(-1, count), market.term, now, step
    )


def write_case(
    folder: Path,
    demand: Mapping[str, Floats],
    *,
    reserved: float | None = None,
    plan: float | None = None,
    start: str = "2024-01-01",
    term: int = 8760,
    absent: slice | None = None,
) -> Path:
    """Write a case whose meters cost 1.00 on demand and ran before ``as_of``; zeros are no rows."""
    folder.mkdir(parents=True, exist_ok=True)
    hours = pd.date_range(start, periods=len(next(iter(demand.values()))), freq="h", tz="UTC")
    (folder / "case.toml").write_text(TOML.format(as_of=hours[-1] + pd.Timedelta(hours=1)))
    meters = ["meter,provider,product,unit,on_demand"]
    offers = ["offer,law,measure,term_hours,hourly"]
    covers = ["offer,meter,draw"]
    for name in demand:
        meters.append(f"{name},aws,instance,Instance-Hours,1")
        if reserved is not None:
            offers.append(f"ri/{name},aws.reserved.regional,units,{term},{reserved}")
            covers.append(f"ri/{name},{name},1")
        if plan is not None:
            covers.append(f"sp,{name},{plan}")
    if plan is not None:
        offers.append(f"sp,aws.savings.compute,money,{term},1")
    for name, lines in (("meters", meters), ("offers", offers), ("covers", covers)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    parts = [
        pd.DataFrame(
            {"hour": hours.strftime("%Y-%m-%dT%H:00:00Z"), "meter": name, "quantity": units}
        )
        for name, units in demand.items()
    ]
    usage = pd.concat(
        parts if absent is None else [part.drop(part.index[absent]) for part in parts]
    )
    used = usage[usage["quantity"] > 0]
    duckdb.from_df(used).write_parquet(str(folder / "usage.parquet"))
    return folder
