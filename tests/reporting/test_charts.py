# SPDX-License-Identifier: Apache-2.0
"""Charts: right against the schema, equal to their tables, small, and never reaching out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import altair as alt
import jsonschema
import pytest

from optimizer.reporting import charts
from optimizer.reporting.charts import parts, theme
from optimizer.reporting.document import Chart, Table

from .chart_numbers import HOSTILE, backtest, frontier, hourly, plan, spend, usual, waterfall, weeks

NAMES = ("demand", "commitment", "waterfall", "routes", "frontier", "ladder", "backtest",
         "coverage", "weekly_bill", "ranges", "spend", "lock_in")  # fmt: skip


@lru_cache(maxsize=1)
def made() -> dict[str, Chart]:
    return usual()


@lru_cache(maxsize=2)
def validator(kind: str) -> Any:
    folder = Path(alt.__file__).parent / "vegalite" / "v6" / "schema"
    schema = json.loads((folder / "vega-lite-schema.json").read_text(encoding="utf-8"))
    schema["$ref"] = f"#/definitions/{kind}"  # its top level tries every kind in turn
    return jsonschema.Draft7Validator(schema)


def is_valid(spec: Mapping[str, Any]) -> bool:
    kind = "TopLevelLayerSpec" if "layer" in spec else "TopLevelUnitSpec"
    return bool(validator(kind).is_valid(spec))


def drawn(chart: Chart, *fields: str) -> list[dict[str, Any]]:
    """Rows of the chart's data that have these fields."""
    return [
        row
        for rows in chart.spec["datasets"].values()
        for row in rows
        if all(field in row for field in fields)
    ]


def words(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in ET.fromstring(svg).iter() if
            found.tag.endswith("}text")]  # fmt: skip


def rounded(values: Any) -> set[float]:
    return {parts.rounded(value) for value in values}


def column(chart: Chart, name: str) -> list[Any]:
    at = [each.name for each in chart.table.columns].index(name)
    return [row.values[at] for row in chart.table.rows]


def test_every_chart_is_made():
    assert tuple(made()) == NAMES
    assert {chart.name for chart in made().values()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_spec_is_valid_in_every_dress(name: str):
    spec = made()[name].spec
    assert is_valid(spec)
    assert is_valid(theme.narrow(theme.dark(spec)))
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


@pytest.mark.parametrize("name", NAMES)
def test_picture_is_small_named_and_made_of_words(name: str):
    chart = made()[name]
    for narrow in (False, True):
        picture = charts.svg(chart, narrow=narrow)
        root = ET.fromstring(picture)
        assert root.get("role") == "img"
        assert root.get("aria-label") == chart.summary
        assert len(picture) < 60_000
        assert words(picture)
        assert float(root.get("width") or 0) <= (theme.NARROW if narrow else theme.WIDE) + 1
        sizes = {float(s) for s in re.findall(r'font-size="([\d.]+)px"', picture)}
        assert min(sizes) >= 11
        assert "NaN" not in picture
        assert "undefined" not in picture


@pytest.mark.parametrize("name", NAMES)
def test_summary_is_one_text_with_numbers(name: str):
    summary = made()[name].summary
    assert re.search(r"\d", summary)
    assert summary.endswith(".")
    assert "\n" not in summary


def test_charts_are_the_same_every_time():
    again = usual()
    assert {n: c.spec for n, c in again.items()} == {n: c.spec for n, c in made().items()}
    name = "ladder"
    first = charts.svg(made()[name])
    charts.render._picture.cache_clear()
    assert charts.svg(again[name]) == first


def test_dark_changes_colours_alone():
    chart = made()["spend"]
    light, dark = charts.svg(chart), charts.svg(chart, dark=True)
    back = {pair[1]: pair[0] for pair in theme.COLOURS.values()}
    assert theme.COLOURS["series-1"][1] in dark
    assert re.sub("#[0-9a-f]{6}", lambda f: back.get(f[0], f[0]), dark) == light


def test_page_figure_binds_every_colour_and_has_no_script_that_runs():
    figure = charts.chart_html(made()["spend"])
    assert not re.findall(r'(?:fill|stroke)="#', figure)
    assert "var(--chart-series-1, #" in figure
    assert re.findall(r"<script[^>]*>", figure) == [
        '<script type="application/json" class="chart-spec">'
    ]
    assert " style=" not in figure
    for name in theme.COLOURS:
        assert f"--chart-{name}:" in charts.stylesheet()


def test_png_is_a_picture_with_a_title():
    picture = charts.png(made()["lock_in"], scale=1)
    assert picture.startswith(b"\x89PNG")
    width = int.from_bytes(picture[16:20])
    assert 700 <= width <= 800
    assert int.from_bytes(charts.png(made()["lock_in"], scale=2)[16:20]) == pytest.approx(2 * width)


# The table has what is drawn, and all of it.


def test_twin_of_demand():
    chart = made()["demand"]
    bands = drawn(chart, "a", "b", "g")
    for number in (1, 2, 3):
        title = chart.table.columns[number].title
        thick = sorted(row["b"] - row["a"] for row in bands if row["g"] == title)
        assert thick == pytest.approx(sorted(column(chart, f"group_{number}")), abs=1e-3)
    lines = {row["y"] for row in drawn(chart, "l", "y")}
    assert lines <= rounded([*column(chart, "held"), *column(chart, "held_and_bought")])
    assert {row["ends"] for row in drawn(chart, "ends")} == set(column(chart, "ends")) - {""}


def test_twin_of_the_curve():
    chart = made()["commitment"]
    assert rounded(column(chart, "commitment")) == {row["x"] for row in drawn(chart, "x", "low")}
    saved = {value for n in (1, 2, 3) for value in column(chart, f"savings_{n}")}
    shown = {row[key] for row in drawn(chart, "low", "high") for key in ("low", "y", "high")}
    assert shown == rounded(saved)
    assert [name for name in column(chart, "mark") if name] == [
        "today", "provider's advice", "plan",
    ]  # fmt: skip


def test_twin_of_the_waterfall():
    chart = made()["waterfall"]
    bars = {row["step"]: row["b"] - row["a"] for row in drawn(chart, "step")}
    assert bars == pytest.approx(
        {name: float(v) for name, v in zip(column(chart, "step"), column(chart, "amount"),
                                           strict=True)}
    )  # fmt: skip
    assert bars == {
        "list price": 1500.0, "contract discount": -70.0, "AWS Compute SP": -150.0,
        "GCP resource CUD": -100.0, "spot": -30.0, "sustained use": -60.0,
            "unused commitments": 25.0,
        "effective cost": 1115.0,
    }  # fmt: skip
    told = {"−$70", "−$150", "−$100", "−$30", "−$60", "+$25", "$1.5k", "$1.11k"}
    assert told <= set(words(charts.svg(chart)))


def test_twin_of_routes():
    chart = made()["routes"]
    assert sum(column(chart, "requests")) == 1500
    assert column(chart, "share") == [0.5, 500 / 3000, 500 / 1500]
    known = {"aws H100": 750, "openai api": 500}
    again = charts.routes_chart(plan(), {"big/h100": "aws H100"})
    assert (
        known.items()
        <= dict(zip(column(again, "hardware"), column(again, "requests"), strict=True)).items()
    )


def test_twin_of_the_frontier():
    chart = made()["frontier"]
    assert {(row["x"], row["y"]) for row in drawn(chart, "q")} == {
        (q, float(c))
        for q, c in zip(column(chart, "quality"), column(chart, "cost"), strict=True)
        if c is not None
    }
    assert column(chart, "status")[-1] == "infeasible"


def test_twin_of_the_ladder():
    chart = made()["ladder"]
    days = {(row["name"], row["t"][:10]) for row in drawn(chart, "what")}
    known = zip(column(chart, "name"), column(chart, "date"), strict=True)
    assert days == {(name, str(day)) for name, day in known if day is not None}
    assert "0 to 4" in column(chart, "amount")


def test_twin_of_the_backtest():
    chart = made()["backtest"]
    ratios = {parts.rounded(ratio - 1) for ratio in column(chart, "cost_over_optimum")}
    assert {row["x"] for row in drawn(chart, "walk")} == ratios
    assert "optimum" not in column(chart, "rule")


def test_twin_of_coverage():
    chart = made()["coverage"]
    assert set(column(chart, "group_1")) == {0.5}
    assert set(column(chart, "group_2")) == {0.0}
    classes = {(row["g"], row["c"]) for row in drawn(chart, "c")}
    assert ("aws group 0", "40–60%") in classes
    assert ("aws group 1", "below 20%") in classes


def test_twin_of_weeks_and_spend():
    for chart in (made()["weekly_bill"], made()["spend"]):
        sums: dict[str, float] = {}
        for row in drawn(chart, "week"):
            sums[row["week"]] = sums.get(row["week"], 0.0) + row["b"] - row["a"]
        weeks_of = map(str, column(chart, "week"))
        totals = dict(zip(weeks_of, map(float, column(chart, "total")), strict=True))
        assert sums == pytest.approx(totals)


def test_twin_of_ranges():
    chart = made()["ranges"]
    bands = {(row["low"], row["high"]) for row in drawn(chart, "low")}
    assert bands == set(zip(rounded_list(chart, "p10"), rounded_list(chart, "p90"), strict=True))
    assert len([row for row in drawn(chart, "key", "is") if row["key"] == "a future"]) == 40


def rounded_list(chart: Chart, name: str) -> list[float]:
    return [parts.rounded(value) for value in column(chart, name)]


def test_twin_of_lock_in():
    chart = made()["lock_in"]
    held = [row["b"] for row in drawn(chart, "from") if row["g"] == "held"]
    assert held == [float(value) for value in column(chart, "held")]
    assert "at most half of it is left by 1 May 2027" in chart.summary


# What breaks charts.


def check(chart: Chart) -> str:
    """A chart that can be drawn: its picture."""
    assert is_valid(chart.spec)
    picture = charts.svg(chart)
    ET.fromstring(picture)
    assert "NaN" not in picture
    assert chart.summary
    return picture


def test_missing_keys_say_why():
    empty: dict[str, Any] = {}
    nothing = hourly(hours=0)
    found = [
        charts.demand_chart(None, nothing), charts.coverage_chart(nothing),
        charts.commitment_chart(empty), charts.waterfall_chart([]), charts.routes_chart(empty),
        charts.frontier_chart(empty), charts.ladder_chart(empty), charts.backtest_chart(empty),
        charts.weekly_bill_chart([]), charts.ranges_chart(empty), charts.spend_chart([]),
        charts.lock_in_chart(empty),
    ]  # fmt: skip
    for chart in found:
        assert words(check(chart)) == [chart.summary]
        assert isinstance(chart.table, Table)
        assert not chart.table.rows
    absent = charts.ranges_chart({"ranges": {"absent": "[demand] ranges is 0"}})
    assert "[demand] ranges is 0" in absent.summary


def test_one_point_of_each():
    document = plan()
    for key in ("lock_in", "routes", "purchases", "commitments", "ladder"):
        document[key] = document[key][:1]
    document["ranges"]["bills"] = []
    one = frontier() | {"frontier": frontier()["frontier"][:1]}
    walk = backtest() | {"rules": backtest()["rules"][:1]}
    for chart in (
        charts.demand_chart(None, hourly(1, hours=1)), charts.coverage_chart(hourly(1, hours=1)),
        charts.routes_chart(document), charts.ladder_chart(document), charts.frontier_chart(one),
        charts.ranges_chart(document), charts.lock_in_chart(document), charts.backtest_chart(walk),
        charts.weekly_bill_chart(weeks(1)), charts.spend_chart(spend(("one",), 1)),
        charts.waterfall_chart(waterfall()[:1]),
    ):  # fmt: skip
        assert chart.table.rows
        assert len(words(check(chart))) > 1


def test_zeros_and_negative_numbers():
    refunds = [(date(2026, 10, 5), "credits", Decimal(-40)), (date(2026, 10, 5), "use", Decimal(9))]
    chart = charts.spend_chart(refunds)
    assert column(chart, "total") == [Decimal(-31)]
    check(chart)
    losing = plan()
    for row in losing["commitment_curve"]["levels"]:
        row["savings"] = [str(-abs(float(value))) for value in row["savings"]]
    assert "saves −$" in charts.commitment_chart(losing).summary
    check(charts.commitment_chart(losing))
    dearer = waterfall()[:1]
    dearer[0] |= {"contract": "-50", "total": "890"}
    assert ("contract discount", Decimal(50)) in [
        row.values[:2] for row in charts.waterfall_chart(dearer).table.rows
    ]
    check(charts.waterfall_chart(dearer))
    zero = charts.lock_in_chart({"lock_in": [{"month": "2027-01-01T00:00:00Z", "held": "0"}]})
    assert zero.summary == "No commitment has a term to run."


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "text", None, "-Infinity"])
def test_numbers_that_are_none(bad: Any):
    document = plan()
    document["lock_in"][0]["held"] = bad
    document["routes"][0]["requests"] = bad
    document["p10"] = bad
    document["commitment_curve"]["levels"][3]["savings"][1] = bad
    document["ladder"][1]["date"] = bad
    for chart in (
        charts.lock_in_chart(document), charts.routes_chart(document),
        charts.ranges_chart(document), charts.commitment_chart(document),
        charts.ladder_chart(document),
    ):  # fmt: skip
        json.dumps(chart.spec, allow_nan=False)
        assert chart.table.rows


def test_hostile_names_stay_words():
    for chart in (
        charts.spend_chart(spend(HOSTILE)),
        charts.demand_chart(None, hourly(names=HOSTILE, hours=48)),
        charts.coverage_chart(hourly(names=HOSTILE, hours=48)),
        charts.routes_chart({
            "routes": [{"workload": n, "deployment": n, "model": n, "requests": 5.0 + at}
                       for at, n in enumerate(HOSTILE)],
        }),
        charts.ladder_chart(plan() | {"commitments": [
            {"commitment": name, "end": f"2027-0{at + 1}-01T00:00:00Z"}
            for at, name in enumerate(HOSTILE)
        ]}),
    ):  # fmt: skip
        told = " ".join(words(check(chart)))
        assert "<script>alert" not in charts.chart_html(chart)
        assert "<script>alert" in told
        assert "🚀 team of two" in told
        assert 'x role="img" 1.23456' in told


def test_ten_thousand_names_become_the_largest_and_other():
    names = [f"team {number}" for number in range(10_000)]
    chart = charts.spend_chart(spend(names, 2))
    assert [each.title for each in chart.table.columns[1:-1]] == [
        *(f"team {number}" for number in range(9_999, 9_993, -1)), "other",
    ]  # fmt: skip
    assert "9994 names" in chart.table.note
    assert sum(column(chart, "total")) == sum(amount for _, _, amount in spend(names, 2))
    many = hourly(names=names, hours=24)
    routes = [{"workload": n, "deployment": n, "model": n, "requests": 1.0} for n in names]
    for other in (
        chart, charts.coverage_chart(many), charts.demand_chart(None, many),
        charts.routes_chart({"routes": routes}),
    ):  # fmt: skip
        assert len(check(other)) < 60_000
        assert len(json.dumps(other.spec)) < 200_000


def test_a_year_of_hours_is_drawn_in_weeks():
    chart = charts.demand_chart(None, hourly(hours=8760))
    assert "Means by week" in chart.table.note
    assert 50 <= len(chart.table.rows) <= 53
    assert charts.coverage_chart(hourly(hours=8760)).title == "Coverage by week"


def test_names_that_are_cut_stay_apart():
    long = ["x" * 100 + "middle" + "y" * 100, "x" * 100 + "center" + "y" * 100]
    assert len(set(parts.unlike(long).values())) == 2
    assert all(len(name) <= parts.LONGEST for name in parts.unlike(long).values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0"), (0.02, "$0.02"), (0.0004, "$0.0004"), (7, "$7"), (7.5, "$7.50"), (999.6, "$1k"),
     (1234, "$1.23k"), (45_600, "$45.6k"), (999_999, "$1M"), (-2.5e9, "−$2.5B"), (1e13, "$10T"),
     ("NaN", "$0")],
)  # fmt: skip
def test_short_money(value: Any, text: str):
    assert parts.short_money(value, "USD") == text


def test_other_currencies():
    assert parts.short_money(1500, "EUR") == "€1.5k"
    assert parts.short_money(1500, "CHF") == "CHF 1.5k"
    chart = charts.lock_in_chart(plan() | {"currency": "CHF"})
    assert any(word.startswith("CHF ") for word in words(charts.svg(chart)))


# Nothing leaves the machine.


class _Asked(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012  # of the class: the server makes an instance a request

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    "outside",
    [
        {"data": {"url": "URL"}, "mark": "bar", "encoding": {}},
        {"data": {"values": [{"a": 1}]}, "mark": {"type": "image", "url": "URL"}, "encoding": {}},
        {"data": {"values": [{"u": "URL"}]}, "mark": "image",
         "encoding": {"url": {"field": "u", "type": "nominal"}}},
    ],
)  # fmt: skip
def test_a_chart_cannot_fetch(outside: dict[str, Any]):
    server = HTTPServer(("127.0.0.1", 0), _Asked)
    worker = threading.Thread(target=server.serve_forever, daemon=True)
    worker.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/x.json"
        spec = json.loads(json.dumps(outside).replace("URL", address)) | {"config": {}}
        chart = Chart("bad", "bad", "1.", spec, made()["lock_in"].table)
        for call in (charts.svg, charts.png, charts.chart_html):
            with pytest.raises(ValueError, match="a chart holds its data"):
                call(chart)
        with pytest.raises(ValueError, match=r"conversion failed|not allowed"):
            charts.render._picture(json.dumps({"data": {"url": address}, "mark": "bar"}))
    finally:
        server.shutdown()
        worker.join()
        server.server_close()
    assert not _Asked.asked


def test_help_does_not_load_altair():
    code = (
        "import sys; import optimizer.reporting.charts; "
        "sys.exit(any(name in sys.modules for name in ('altair', 'vl_convert')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
