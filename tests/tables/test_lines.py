# SPDX-License-Identifier: Apache-2.0
"""Usage as arrays: what each is, and that the order of rows and the format do not matter."""

from __future__ import annotations

import random
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from optimizer.tables import UsageLines, format_hour, lines, parse_hour, read_case, sums

from .conftest import FILES, Make

COLUMNS = (
    "hour,meter,quantity,account,zone,spot_tolerant,spot_share,interrupted,lost_hours,"
    "restart_cost,unmet_penalty,grain,charge_id\n"
)
START = parse_hour("2026-11-18T00:00:00Z")


def same(a: UsageLines, b: UsageLines) -> None:
    for field in fields(UsageLines):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype
            assert x.tobytes() == y.tobytes(), field.name
        else:
            assert x == y, field.name


def test_the_small_case(make: Make) -> None:
    lines = read_case(make()).usage_lines()
    assert lines.meter == ("m1", "m2")
    assert lines.account == ("org/a", "")
    assert lines.restart_cost == (Decimal("0.1"), Decimal(0))  # 0.10 and 0.1 are one cost
    assert lines.unmet_penalty == (None, None)
    assert lines.lost_hours.tolist() == [0.5, 0.5]
    assert lines.first_hour == parse_hour("2026-11-20T00:00:00Z")
    assert lines.quantity.tolist() == [[1.5, 2.0], [0.0, 3.0]]
    assert lines.present.tolist() == [[True, True], [False, True]]
    assert not lines.daily.any()
    assert not lines.spot.any()
    assert not lines.quantity.flags.writeable


def test_shares_gaps_days_and_penalties(make: Make) -> None:
    h = [format_hour(START + i) for i in range(60)]
    text = COLUMNS + "".join(
        [
            f"{h[0]},m1,4.8,,,0.5,,,,,,day,\n",
            f"{h[5]},m1,1,,,1,0.25,true,,,,hour,\n",
            f"{h[5]},m1,0.1,,,,1,false,,,,,x\n",
            f"{h[50]},m1,7,,,,,,,,,,\n",
            f"{h[1]},m1,2,,z1,,,,,,,,\n",
            f"{h[1]},m1,3,,,,,,2,,1.50,,\n",
            f"{h[2]},m1,3,,,,,,2.0,0.00,1.5,,\n",
        ]
    )
    lines = read_case(make(usage__csv=text)).usage_lines()
    assert lines.zone == ("", "", "z1")
    assert lines.lost_hours.tolist() == [0.5, 2.0, 0.5]
    assert lines.unmet_penalty == (None, Decimal("1.5"), None)
    assert lines.quantity.shape == (3, 51)
    assert lines.daily.tolist() == [True, False, False]
    day = 4.8 / 24
    assert lines.quantity[0, :7].tolist() == [day] * 5 + [1.1 + day, day]
    assert lines.tolerant[0, 4:7].tolist() == [2.4 / 24, 1 + 2.4 / 24, 2.4 / 24]
    assert lines.spot[0, 5] == 0.35
    assert lines.spot_taken[0, 5] == 0.25
    assert lines.present[0].tolist() == [True] * 24 + [False] * 26 + [True]
    assert lines.quantity[1, :4].tolist() == [0, 3, 3, 0]
    assert lines.quantity[0, 24:50].sum() == 0


def test_the_last_hour_of_a_day_counts(make: Make) -> None:
    case = read_case(make(usage__csv=COLUMNS + f"{format_hour(START)},m1,24,,,,,,,,,day,\n"))
    assert case.usage_hours() == (START, START + 23)
    assert case.usage_lines().quantity.tolist() == [[1.0] * 24]


def test_without_a_row(make: Make) -> None:
    lines = read_case(make(usage__csv="hour,meter,quantity\n")).usage_lines()
    assert lines.quantity.shape == (0, 0)
    assert lines.meter == ()


def rows(seed: int, count: int = 400) -> list[tuple[str, Decimal, str]]:
    """Return rows of usage: (hour and meter, quantity, the rest)."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        hour = format_hour(START + draw.randrange(4))
        magnitude = Decimal(10) ** draw.randrange(-6, 7)
        quantity = (Decimal(draw.randrange(1, 10**6)) / 1000 * magnitude).quantize(Decimal("1e-9"))
        spot = draw.choice(["", "0.1", "0.3"])
        flag = draw.choice(["", "true"])
        account = draw.choice(["", "a"])
        rest = f"{account},,{spot},{spot},{flag},,,,,{i}"
        made.append((f"{hour},{draw.choice(['m1', 'm2'])}", quantity, rest))
    return made


def text(table: list[tuple[str, Decimal, str]]) -> str:
    return COLUMNS + "".join(f"{key},{quantity:f},{rest}\n" for key, quantity, rest in table)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_does_not_matter(make: Make, seed: int) -> None:
    table = rows(seed)
    first = read_case(make(usage__csv=text(table))).usage_lines()
    for again in range(3):
        random.Random(again).shuffle(table)
        same(first, read_case(make(usage__csv=text(table))).usage_lines())


@pytest.mark.parametrize(
    ("quantities", "spot", "tolerant", "whole"),
    [
        # What is written with up to six decimals, or is below a thousand, is a whole number.
        (("999.123456789012", "1e-12", "5e-13", "0.1", "1234.5", "2000000"), "", "1", True),
        (("0.1", "0.2", "8999.999999", "9000.000001", "1e6"), "1", "", True),
        (("0.1", "0.2", "1234.567891", "7"), "0.25", "0.333333", True),
        # Longer ones, and sums beyond 64 bits, are added up as decimals.
        (("1234.5678901234567", "1", "2"), "", "", False),
        (("0.1234567", "1"), "0.3", "", False),
        (("8e6", "8e6", "1"), "", "", False),
        (("123456789012.5", "1e11"), "", "", False),
    ],
)
def test_whole_numbers_add_up_as_decimals_do(
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    quantities: tuple[str, ...],
    spot: str,
    tolerant: str,
    whole: bool,
) -> None:
    table = COLUMNS + "".join(
        f"{format_hour(START + i % 2)},m1,{quantity},,,{tolerant},{spot},true,,,,,{i}\n"
        for i, quantity in enumerate(quantities * 3)
    )
    folder = make(usage__csv=table)
    case = read_case(folder)
    asked = (case.store, lines._lines_of_series(case.store, lines.line_keys(case.store), {}))
    found = sums.whole_sums(*asked, START, (1, 2))
    assert (found is not None) is whole
    exact = sums.decimal_sums(*asked, START, (1, 2))
    for is_day, grain in (found or {}).items():
        order = np.argsort(exact[is_day].cell)
        assert grain.cell.tolist() == exact[is_day].cell[order].tolist()
        for name, values in grain.values.items():
            assert values.tolist() == exact[is_day].values[name][order].tolist(), name
    first = case.usage_lines()
    monkeypatch.setattr(lines, "sums_of", sums.decimal_sums)
    same(first, read_case(folder).usage_lines())


@pytest.mark.parametrize("seed", range(3))
def test_both_sums_are_the_same(make: Make, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = random.Random(seed)
    days = "".join(
        f"{format_hour(START + 24 * (i % 3))},m2,{draw.randrange(10**6) / 10**3},,,"
        f"{draw.choice(['', '0.5', '1'])},{draw.choice(['', '0.25', '1'])},"
        f"{draw.choice(['', 'true'])},,,,{draw.choice(['', 'hour', 'day'])},d{i}\n"
        for i in range(200)
    )
    folder = make(usage__csv=COLUMNS + days)
    whole = read_case(folder).usage_lines()
    assert isinstance(whole, UsageLines)
    monkeypatch.setattr(lines, "sums_of", sums.decimal_sums)
    same(whole, read_case(folder).usage_lines())


def test_sums_are_the_nearest_doubles_of_exact_sums(make: Make) -> None:
    table = rows(11)
    exact: dict[tuple[str, str, str], Fraction] = {}
    for key, quantity, rest in table:
        hour, meter = key.split(",")
        place = (hour, meter, rest.split(",")[0])
        # The number is what its column keeps, a double, whose shortest text is summed.
        exact[place] = exact.get(place, Fraction(0)) + Fraction(repr(float(quantity)))
    lines = read_case(make(usage__csv=text(table))).usage_lines()
    for i, (meter, account) in enumerate(zip(lines.meter, lines.account, strict=True)):
        for t in range(lines.quantity.shape[1]):
            want = exact.get((format_hour(lines.first_hour + t), meter, account), Fraction(0))
            assert lines.quantity[i, t] == float(want)


def test_csv_and_parquet_give_the_same(make: Make, tmp_path: Path) -> None:
    import duckdb

    folder = make(usage__csv=text(rows(5)))
    from_csv = read_case(folder)
    csv_lines = from_csv.usage_lines()
    file = tmp_path / "made.parquet"
    (folder / "usage.csv").rename(tmp_path / "usage.csv")
    duckdb.sql(
        f"COPY (SELECT CAST(rtrim(hour, 'Z') AS TIMESTAMP) AS hour, meter,"
        " CAST(quantity AS DOUBLE) AS quantity, account, CAST(spot_tolerant AS DOUBLE) AS"
        " spot_tolerant, CAST(spot_share AS DOUBLE) AS spot_share, CAST(interrupted AS BOOLEAN)"
        f" AS interrupted, charge_id FROM read_csv('{tmp_path / 'usage.csv'}', all_varchar=true))"
        f" TO '{file}' (FORMAT parquet)"
    )
    file.rename(folder / "usage.parquet")
    from_parquet = read_case(folder)
    assert from_parquet.file("usage") == "usage.parquet"
    same(csv_lines, from_parquet.usage_lines())
    assert set(FILES) - {"usage.csv"} <= {file.name for file in folder.iterdir()}
