# SPDX-License-Identifier: Apache-2.0
"""The words of a what-if: what they mean, and what is refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from optimizer.errors import DataError
from optimizer.planning.whatif import EditError, apply_edits, parse_edit, parse_edits
from optimizer.planning.whatif.edits import Cells, Change, Demand, Keep, Setting, Where
from optimizer.planning.whatif.grammar import SHORT
from optimizer.planning.whatif.sweep import parse_sweep
from optimizer.tables import Case, read_case

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture(scope="module")
def company() -> Case:
    return read_case(FIXTURES / "frontier-lab")


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("demand=+20%", Demand("", Where(), Decimal("1.2"))),
        ("demand[meter=aws/*]=x2", Demand("", Where((("meter", "aws/*"),)), Decimal(2))),
        (
            "price[provider=aws]=-10%",
            Cells(
                "",
                "meters",
                Where((("provider", "aws"),)),
                "on_demand",
                Change("times", Decimal("0.9")),
            ),
        ),
        ("offers.term_hours<=8760", Keep("", "offers", Where(), "term_hours", "<=", "8760")),
        ("terms<=8760", Keep("", "offers", Where(), "term_hours", "<=", "8760")),
        (
            "limits.upfront_cash=250000",
            Setting("", "limits", "upfront_cash", Change("set", text="250000")),
        ),
        ("horizon_hours=4380", Setting("", "", "horizon_hours", Change("set", text="4380"))),
    ],
)
def test_words(text, edit):
    assert parse_edit(text) == edit


def test_json_and_command_line_are_one_grammar():
    objects = [
        {"target": "demand", "value": "+20%"},
        {"target": "offers", "where": {"provider": "aws"}, "column": "term_hours", "op": "<=",
         "value": 8760},
        {"target": "limits", "column": "survive_zone_loss", "value": False},
        {"target": "commitments", "op": "+=", "value": {"offer": "a", "quantity": 3}},
    ]  # fmt: skip
    texts = [
        "demand=+20%",
        "offers[provider=aws].term_hours<=8760",
        "limits.survive_zone_loss=false",
        "commitments+=offer:a,quantity:3",
    ]
    assert parse_edits(objects) == parse_edits(texts)


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (["pric=+5%"], "Did you mean price"),
        (["demand=20%"], "has no sign"),
        (["demand=nan"], "no number"),
        (["demand=-120%"], "-0.2 times"),
        (["demand=x1e9"], "share or a factor"),
        (["demand=100"], "share or a factor"),
        (["demand"], "no edit"),
        (["demand="], "no value"),
        (["limits.upfront_cach=1"], "Did you mean upfront_cash"),
        (["limits.upfront_cash<=1"], "takes = alone"),
        (["meters.on_demnd=1"], "Did you mean on_demand"),
        (["as_of=2027-01-01T00:00:00Z"], "another snapshot"),
        (["usage.quantity=+5%"], "changes by demand"),
        (["usage-=gpu"], "has no names"),
        (["demand=+20%", "demand=-10%"], "contradicts 'demand=+20%'"),
        (["commitments+=offer:a,offer:b"], "given twice"),
        (["x" * 3000], "longer than"),
        (["demand=+1%"] * 51, "at most 50"),
        ([{"target": "demand"}], "target and value must be there"),
        ([{"target": "demand", "value": None}], "a text or number"),
    ],
)
def test_refused_words(edits, told):
    with pytest.raises(EditError, match=None) as caught:
        parse_edits(edits)
    assert told in str(caught.value)
    assert "To mend it" in str(caught.value)


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (["demand[meter=p5.48xlarge]=+10%"], "aws/us-east-1/p5.48xlarge"),
        (["demand[tag_team=reserch]=+10%"], "Did you mean research"),
        (["demand[team=research]=+10%"], "neither usage nor meters"),
        (["commitments-=aws-ri-p4d"], "Did you mean aws-ri-p4d-2026"),
        (["commitments+=offer:aws/compute-sp/1y,quantity:1"], "no offer 'aws/compute-sp/1y'"),
        (["offers[provider=oracle].term_hours<=8760"], "has the provider 'oracle'"),
        (["usage+=meter:new,quantity:3"], "there is no meter 'new'"),
        (["usage+=meter:aws/us-east-1/g6.xlarge,quantity:many"], "needs a quantity"),
        (["meters+=meter:new,provider:aws"], "needs product"),
        (["risk.measure=cvar"], "cvar_alpha is missing"),
        (["limits.upfront_cash=+10%"], "no number to change"),
        (["horizon_hours=1000000"], "more than ten years"),
        (
            ["price[meter=aws/us-east-1/g6.xlarge]=1", "meters-=aws/us-east-1/g6.xlarge"],
            "this drops it",
        ),
        (["price=+1%", "price[provider=aws]=+2%"], "both change on_demand"),
    ],
)
def test_what_the_case_does_not_have(company, edits, told):
    with pytest.raises(EditError) as caught:
        apply_edits(company, parse_edits(edits))
    assert told in str(caught.value)


def test_tables_that_would_be_refused_in_a_file_are_refused_here(company):
    for edit, told in (
        ("price=1e308", "not a plain decimal"),
        ("price=-5", "not >= 0"),
        ("meters-=aws/us-east-1/g6.xlarge", "meters has no meter"),
        ("commitments[commitment=aws-ri-p4d-2026].end=2020-01-01T00:00:00Z", "is not after"),
    ):
        with pytest.raises(DataError) as caught:
            apply_edits(company, parse_edits([edit]))
        assert told in str(caught.value)
        assert edit in str(caught.value)


def test_edits_leave_the_case_and_its_files_alone(company):
    before = company.usage_lines().quantity.sum()
    made = apply_edits(
        company,
        parse_edits(
            ["demand[tag_team=research]=x2", "terms<=8760", "limits.upfront_cash=250000",
             "commitments-=aws-*"]
        ),
    )  # fmt: skip
    assert made.case.snapshot != company.snapshot
    assert made.case.usage_lines().quantity.sum() > before
    assert len(made.forbidden) == 21
    assert made.case.settings.limits.upfront_cash == 250000
    assert len(made.case.table("commitments")) == 4
    assert company.usage_lines().quantity.sum() == before
    assert company.settings.limits.upfront_cash is None
    assert len(company.table("commitments")) == 8
    assert read_case(FIXTURES / "frontier-lab").snapshot == company.snapshot


def test_demand_of_a_tag_is_that_of_its_rows_alone(company):
    made = apply_edits(company, parse_edits(["demand[tag_team=research]=-100%"])).case
    inner = dict(company.store.tables["usage"].extras)["tag_team"]
    found = company.store.rows(
        f"SELECT meter, sum(quantity) FROM usage WHERE {inner} = 'research' GROUP BY meter"
    )
    left = company.usage_lines().quantity - made.usage_lines().quantity
    by_meter = dict.fromkeys(company.usage_lines().meter, 0.0)
    for line, meter in enumerate(company.usage_lines().meter):
        by_meter[meter] += left[line].sum()
    assert {meter for meter, units in by_meter.items() if units} == {row[0] for row in found}
    for meter, units in found:
        assert by_meter[meter] == pytest.approx(units)


def test_demand_of_a_class_that_is_not_routed_is_its_usage(company):
    """Requests of the company only count; what served them is what is planned."""
    made = apply_edits(company, parse_edits(["demand[workload=assistants]=-100%"])).case
    assert made.table("workloads").equals(company.table("workloads"))
    before, after = (c.usage_part(workload="assistants").quantity.sum() for c in (company, made))
    assert before > 0
    assert after == 0


def test_new_meter_with_demand(company):
    made = apply_edits(
        company,
        parse_edits(
            ["meters+=meter:aws/b300,provider:aws,product:instance,unit:Instance-Hours,on_demand:99",
             "usage+=meter:aws/b300,quantity:8"]
        ),
    ).case  # fmt: skip
    lines = made.usage_lines()
    row = lines.quantity[lines.meter.index("aws/b300")]
    assert row.sum() == 8 * company.settings.horizon_hours


def test_sweeps():
    assert parse_sweep("demand=-50%..+100%:4") == [
        "demand=-50%", "demand=+0%", "demand=+50%", "demand=+100%",
    ]  # fmt: skip
    assert parse_sweep("terms<=8760..26280:2") == ["terms<=8760", "terms<=26280"]
    assert parse_sweep("demand[meter=a]=x1..x2:3")[1] == "demand[meter=a]=x1.5"
    for wrong in ("demand=+20%", "demand=-50%..2:3", "demand=-50%..+10%:1", "demand=+0%..+1%:999"):
        with pytest.raises(EditError, match="To mend it"):
            parse_sweep(wrong)


def test_documented_words_are_understood():
    page = (FIXTURES.parent / "docs" / "what-if.md").read_text("utf-8")
    words = [
        line.split("`")[1] for line in page.split("## What is refused")[0].splitlines()
        if line.startswith("| `")
    ]  # fmt: skip
    assert len(words) > 15
    for word in words:
        assert parse_edit(word).written == word
    for word in SHORT:
        assert word in page
