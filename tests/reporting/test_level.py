# SPDX-License-Identifier: Apache-2.0
"""The points that the slider of a commitment curve stands on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from optimizer.reporting import charts
from optimizer.reporting.charts.commitment import LEVEL
from optimizer.reporting.pages.level import levels_of


def document() -> dict[str, Any]:
    """A plan that saves 400 of 1,000 at $2 an hour; half of it 250; the advice 300 at $2.50."""

    def row(commitment: str, *savings: str, **more: Any) -> dict[str, Any]:
        return {"commitment": commitment, "savings": list(savings), **more}

    shares = {"utilization": [0.8, 0.9, 1.0], "coverage": [0.99, 0.95, 0.8]}
    return {
        "currency": "USD",
        "baseline": "1000",
        "kpis": {"today": {"utilization": 0.7, "coverage": 0.2}},
        "commitment_curve": {
            "demand": [0.8, 1.0, 1.2],
            "levels": [
                row("0", "0", "0", "0", level=0.0, **shares),
                row("1", "200", "250", "260", level=0.5, **shares),
                row("2", "310", "400", "450", level=1.0, **shares),
                row("3", "-20", "100", "300", level=1.5),  # of an older plan: no shares
            ],
            "advice": row("2.5", "-50", "300", "420", **shares),
        },
    }


def test_every_point_by_its_commitment_and_the_marks_by_name():
    found = levels_of(document())
    assert [level.key for level in found] == ["today", "0.5", "plan", "advice", "1.5"]
    assert [level.x for level in found] == [0, 1, 2, 2.5, 3]
    plan = {title: value for title, value, _ in found[2].figures}
    assert plan == {
        "New commitments / hour": "$2.00",
        "Bill": "$600.00",
        "Saves": "+$400.00",
        "Saves at 20% less demand": "+$310.00",
        "Saves at 20% more demand": "+$450.00",
        "Utilization": "90.0%",
        "Utilization at 20% less": "80.0%",
        "Coverage": "95.0%",
    }
    today = {title: value for title, value, _ in found[0].figures}
    assert (today["Bill"], today["Saves"], today["Utilization"]) == ("$1,000", "$0", "70.0%")
    assert today["Utilization at 20% less"] == "–"
    assert "Saves at 20% less demand −$20.00" in found[4].words
    assert "Utilization –" in found[4].words
    assert all(len(level.figures) == 8 for level in found)


def test_what_spot_alone_saves_is_a_point_of_its_own():
    plan = document()
    plan["commitment_curve"]["levels"][0]["savings"] = ["10", "20", "30"]
    found = levels_of(plan)
    assert [level.key for level in found[:2]] == ["today", "0"]
    assert found[1].name == "No purchases, spot as planned"


@pytest.mark.parametrize(
    "curve", [None, {}, {"demand": [0.8], "levels": []}, {"demand": [], "levels": [{}]}]
)
def test_without_a_curve_there_is_no_slider(curve):
    assert levels_of({"currency": "USD", "commitment_curve": curve}) == []


def test_a_row_that_is_none_is_left_out():
    plan = document()
    plan["commitment_curve"]["levels"][1]["savings"][1] = "NaN"
    assert [level.key for level in levels_of(plan)] == ["today", "plan", "advice", "1.5"]


def test_the_picture_has_the_level_as_a_parameter_and_draws_none_before_it_is_set():
    chart = charts.commitment_chart(document())
    (parameter,) = chart.spec["params"]
    assert (parameter["name"], parameter["value"]) == (LEVEL, -1)
    text = charts.svg(chart)
    rules = [tag for tag in re.findall(r"<line[^>]*>", text) if "stroke-dasharray" in tag]
    assert len(rules) == 1
    assert 'opacity="0"' in rules[0]
