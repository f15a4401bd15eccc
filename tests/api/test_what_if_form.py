# SPDX-License-Identifier: Apache-2.0
"""The form of a what-if: its fields make edits, and edits find their fields again."""

from __future__ import annotations

import pytest

from api.web.what_if_form import MORE, of_edits, read

EVERY = {
    "demand": "+20", "demand_of": "tag_team=Über 🚀 research", "price": "-10",
    "price_of": "provider=aws", "without_offers": "aws/*/3y-*", "longest": "8760",
    "upfront": "250000", "without_model": "small", "quality": "0.9", "quality_of": "chat",
    "ttft": "400", MORE: "limits.spot_share=0.3\ncommitments-=aws-ri-*",
}  # fmt: skip


def test_every_field_makes_its_edit():
    form = read(EVERY)
    assert form.wrong == {}
    assert form.edits == [
        "demand[tag_team=Über 🚀 research]=+20%", "price[provider=aws]=-10%",
        "offers-=aws/*/3y-*", "terms<=8760", "limits.upfront_cash=250000",
        "deployments.model!=small", "quality_floor[workload=chat]=0.9", "ttft_ms=400",
        "limits.spot_share=0.3", "commitments-=aws-ri-*",
    ]  # fmt: skip


def test_edits_find_their_fields_again():
    assert of_edits(read(EVERY).edits).values == EVERY


@pytest.mark.parametrize(
    ("edits", "more"),
    [
        (["demand=+5%", "demand[meter=gpu]=-5%"], "demand[meter=gpu]=-5%"),  # the field is taken
        (["demand=x2"], "demand=x2"),
        (["quality_floor[quality_task=code]=0.5"], "quality_floor[quality_task=code]=0.5"),
        (["terms<=8760", "horizon_hours=24"], "horizon_hours=24"),
    ],
)
def test_what_no_field_makes_is_a_line_of_text(edits, more):
    form = of_edits(edits)
    assert form.values[MORE] == more
    assert sorted(form.edits) == sorted(edits)


@pytest.mark.parametrize(
    ("written", "edit"), [("20", "+20%"), ("+2.5 %", "+2.5%"), ("-7,5", "-7.5%"), ("x2", "x2")]
)
def test_a_share_is_written_as_people_do(written, edit):
    assert read({"demand": written}).edits == [f"demand={edit}"]


@pytest.mark.parametrize(
    ("fields", "where", "what"),
    [
        ({"demand": "twenty"}, "demand", "per cent"),
        ({"demand_of": "meter=gpu"}, "demand", "by how much"),
        ({"price": "-120"}, "price", "stay between"),
        ({"more": "limits.upfront_cash=1", "upfront": "2"}, MORE, "contradicts"),
        ({"more": "nonsense"}, MORE, "it is no edit"),
        ({"more": "offers.terms_hours<=1"}, MORE, "term_hours"),
    ],
)
def test_what_is_wrong_stands_at_its_field(fields, where, what):
    form = read(fields)
    assert not form.right
    assert what in " ".join(form.wrong[where])


def test_a_slider_that_was_put_back_asks_nothing():
    assert read({"demand": "0", "price": "-0"}).edits == []


def test_a_refusal_of_the_case_is_blamed_on_its_field():
    form = of_edits(["offers-=azure/*", "limits.spot_share=0.3"])
    assert form.blame("'offers-=azure/*': nothing in offers has the offer 'azure/*'. To mend it: …")
    assert list(form.wrong) == ["without_offers"]
    assert not form.blame("the job failed unexpectedly")
