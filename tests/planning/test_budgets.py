# SPDX-License-Identifier: Apache-2.0
"""The pace of a month and its budgets, on a made-up company."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from optimizer.billing import bill_case, make_bill, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.errors import DataError
from optimizer.planning.budgets import State, pace
from optimizer.planning.budgets.hourly import hourly_bills
from optimizer.planning.realised import usage_between
from optimizer.planning.spend import group_costs, spend_of
from optimizer.reporting.charts import svg
from optimizer.reporting.document import Chart, Table
from optimizer.reporting.sections.budgets import budget_section
from optimizer.tables import month_hours, parse_hour

from .weeks import AS_OF, HOURS, company, levels

START, END = month_hours(2026, 11)
HEAD = "budget,tag,value,month,amount\n"


def test_what_was_spent_is_the_bill_of_the_hours_that_ran(tmp_path):
    case = company(tmp_path, levels(), held=50)
    found = pace(case)
    bill = bill_case(case)
    hourly = bill.on_demand_by_hour + bill.commitment_by_hour
    assert float(found.spent) == pytest.approx(hourly[START - bill.first_hour :].sum())
    assert (found.month, found.known) == ("2026-11", AS_OF - START)


def test_the_band_holds_what_a_quiet_company_will_cost(tmp_path):
    """The same weeks go on: the end is the daily cost times the days, and the band is narrow."""
    found = pace(company(tmp_path, levels()))
    expected = float(found.spent) * (END - START) / (AS_OF - START)
    assert float(found.total.p50) == pytest.approx(expected, rel=0.03)
    assert found.spent < found.total.p10 <= found.total.p50 <= found.total.p90
    assert float(found.total.p90 / found.total.p10) < 1.1
    assert len(found.days) == 30
    assert found.days[-1].band == found.total
    assert not found.budgets


def test_what_is_held_is_billed_whole_month(tmp_path):
    """More is reserved than runs: nothing to come changes the bill."""
    quantity = levels()
    quantity[2:] = 0.0
    found = pace(company(tmp_path, quantity, held=500))
    assert found.total.p10 == found.total.p90 == Decimal(500 * 30 * (END - START))


def test_a_change_of_level_widens_the_band(tmp_path):
    restless = levels()
    random = np.random.default_rng(3)
    for week in range(HOURS // 168):
        restless[:, week * 168 : (week + 1) * 168] *= random.uniform(0.5, 1.5)
    quiet, wide = pace(company(tmp_path / "a", levels())), pace(company(tmp_path / "b", restless))
    assert wide.total.p90 / wide.total.p10 > quiet.total.p90 / quiet.total.p10


def test_given_hours_are_taken_as_they_are(tmp_path):
    """Rows after as_of say how the month ends: there is nothing left to doubt."""
    case = company(tmp_path, levels())
    text = (tmp_path / "usage.csv").read_text()
    last = re.findall(r"^(2026-11-(?:1[0-9])T[^,]*)(,.*)$", text, re.MULTILINE)
    more = "".join(f"{hour.replace('-11-1', '-11-2')}{rest}\n" for hour, rest in last
                   if "2026-11-10" not in hour)  # fmt: skip
    more += "".join(f"{hour.replace('-11-10', '-11-30')}{rest}\n" for hour, rest in last
                    if "2026-11-10" in hour)  # fmt: skip
    case = company(tmp_path, levels(), more={"usage.csv": text + more})
    found = pace(case)
    assert found.total.p10 == found.total.p90
    bill = bill_case(case)
    hourly = bill.on_demand_by_hour[START - bill.first_hour :]
    assert len(hourly) == END - START
    assert float(found.total.p50) == pytest.approx(hourly.sum())


def test_budgets_of_the_month_by_state(tmp_path):
    quantity = levels()
    spent = float(pace(company(tmp_path, quantity)).spent)
    text = HEAD + (
        f"low,,,2026-11,{spent * 0.5:.2f}\n"
        f"tight,,,2026-11,{spent * 1.4:.2f}\n"
        f"wide,,,2026-11,{spent * 2:.2f}\n"
        "past,,,2026-10,1\n"
    )
    found = pace(company(tmp_path, quantity, more={"budgets.csv": text}))
    assert [(one.budget.name, one.state) for one in found.budgets] == [
        ("low", State.exceeded), ("tight", State.at_risk), ("wide", State.on_track),
    ]  # fmt: skip
    low, tight, wide = found.budgets
    assert START < low.passes < AS_OF
    assert AS_OF <= tight.passes < END
    assert tight.chance == 1.0
    assert (wide.chance, wide.passes) == (0.0, None)
    assert [one.budget.name for one in found.alerts] == ["low", "tight"]


def test_parts_of_a_tag_add_up_to_the_bill(tmp_path):
    """Each team's budget: spent is its attributed cost, and the ends add up to the whole's."""
    teams = ("foundation", "serving", "alignment")
    text = HEAD + "".join(f"{team},team,{team},2026-11,1000\n" for team in teams)
    case = company(tmp_path, levels(), held=50, more={"budgets.csv": text})
    found = pace(case)
    costs = {
        group.values[0]: group.total
        for group in group_costs(
            spend_of(case), ["tag_team"], "2026-11", unused="share"
        ).groups
    }  # fmt: skip
    for one in found.budgets:
        assert one.budget.column == "tag_team"
        assert float(one.spent) == pytest.approx(float(costs[one.budget.value]))
    assert sum(float(one.spent) for one in found.budgets) == pytest.approx(float(found.spent))
    middle = sum(float(one.end.p50) for one in found.budgets)
    assert middle == pytest.approx(float(found.total.p50), rel=0.01)


def test_the_same_case_gives_the_same_pace(tmp_path):
    case = company(tmp_path, levels())
    assert pace(case).as_dict() == pace(case).as_dict()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("b,colour,red,2026-11,5", "watches 'colour'"),
        ("b,,red,2026-11,5", "has the value 'red' of no tag"),
    ],
)
def test_a_budget_of_nothing_is_refused(tmp_path, row, words):
    case = company(tmp_path, levels(), more={"budgets.csv": HEAD + row + "\n"})
    with pytest.raises(DataError, match=re.escape(words)) as refused:
        pace(case)
    assert refused.value.row == 1


def test_a_value_that_nothing_has_and_a_month_that_is_not_now_are_told(tmp_path):
    text = HEAD + "b,team,nobody,2026-11,5\n"
    found = pace(company(tmp_path / "a", levels(), more={"budgets.csv": text}))
    assert found.budgets[0].state is State.on_track
    assert any("no usage has team 'nobody'" in note for note in found.notes)
    text = HEAD + "b,,,2027-01,5\n"
    found = pace(company(tmp_path / "b", levels(), more={"budgets.csv": text}))
    assert any("no budget is for 2026-11" in note for note in found.notes)


def test_a_short_history_has_no_band(tmp_path):
    quantity = levels()
    quantity[:, : HOURS - 150] = 0.0
    found = pace(company(tmp_path, quantity))
    assert found.paths == 1
    assert found.total.p10 == found.total.p90
    assert any("no band" in note for note in found.notes)


def test_late_data_is_forecast_and_told(tmp_path):
    late = range(HOURS - 30, HOURS)
    found = pace(company(tmp_path, levels(), missing={"aws": late, "openai": late}))
    assert found.known == AS_OF - START - 30
    assert any("30 hours before now have no rows" in note for note in found.notes)


def test_the_first_hour_of_a_month(tmp_path):
    """Nothing of it ran yet: all of it is forecast."""
    toml = 'currency = "USD"\nas_of = "2026-11-01T00:00:00Z"\n'
    quantity = levels()
    quantity[:, HOURS - (AS_OF - parse_hour("2026-11-01T00:00:00Z")) :] = 0.0
    found = pace(company(tmp_path, quantity, more={"case.toml": toml}))
    assert (found.known, found.spent) == (0, Decimal(0))
    assert found.total.p10 > 0
    assert found.previous is not None


def test_the_section_tells_alerts_first(tmp_path):
    text = HEAD + "all,,,2026-11,1000\n"
    found = pace(company(tmp_path, levels(), more={"budgets.csv": text}))
    section = budget_section(found, "USD")
    assert section.blocks[1].tone == "bad"
    assert "was passed on 2026-11-01" in section.blocks[1].text
    (chart,) = [block for block in section.blocks if isinstance(block, Chart)]
    assert len(chart.table.rows) == 30
    assert "budget all is $1k" in chart.summary
    assert svg(chart).startswith("<svg")
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert table.rows[0].values[:3] == ("all", "everything", "exceeded")


def test_hourly_bills_are_those_of_the_replay(tmp_path):
    """With spot, a discount for sustained use and a commitment: hour by hour."""
    meters = (
        "meter,provider,product,unit,on_demand,spot,sustained_use\n"
        "p5,aws,instance,Instance-Hours,50,20,\n"
        "g6,gcp,instance,Instance-Hours,2,,0.3\n"
        "tok,openai,tokens,1M Tokens,0.5,,\n"
    )
    case = company(tmp_path, levels(), held=30, more={"meters.csv": meters})
    usage = usage_between(case.usage_lines(), START, AS_OF)
    usage = replace(usage, spot=usage.quantity * 0.25 * (np.array(usage.meter) == "p5")[:, None])
    catalogue = open_catalogue(case)
    holdings = read_holdings(case, catalogue)
    bill = make_bill(case, catalogue, usage, holdings)
    (hourly,) = hourly_bills(case.settings, catalogue, holdings, [usage])
    assert bill.spot > 0
    np.testing.assert_allclose(
        hourly, bill.on_demand_by_hour + bill.spot_by_hour + bill.commitment_by_hour
    )
