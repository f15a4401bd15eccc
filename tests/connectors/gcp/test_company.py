# SPDX-License-Identifier: Apache-2.0
"""The company, pulled from Google's own shapes, gives the company's plan."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from connectors.pulled import Outcome, Pulled, Report

from ..company import bought, cents, planned, rows, tables, usage

Asked = tuple[Pulled, Report]


def test_the_plan_is_the_company_s_to_the_cent(whole: Asked, tmp_path: Path):
    pulled, report = whole
    assert not report.partial
    ours = planned(dict(pulled.tables), tmp_path / "pulled")
    theirs = planned(tables("gcp"), tmp_path / "company")
    assert cents(ours) == cents(theirs)
    assert bought(ours) == bought(theirs)
    actions = sorted(row["action"] for row in theirs["commitments"])
    assert sorted(row["action"] for row in ours["commitments"]) == actions


def test_hours_are_the_company_s_however_late_their_rows_came(whole: Asked):
    ours = whole[0].tables["usage"]
    assert set(ours["grain"]) == {"hour"}
    theirs = usage("gcp")
    keys = ["meter", "account", "zone", "workload", "tag_team", "tag_purpose", "hour"]
    ours = ours.assign(quantity=ours["quantity"].astype(float)).sort_values(keys)
    theirs = theirs.sort_values(keys)
    assert ours[keys].to_numpy().tolist() == theirs[keys].to_numpy().tolist()
    assert (ours["quantity"].to_numpy() == theirs["quantity"].to_numpy()).all()


def test_prices_are_those_of_the_company(whole: Asked):
    ours = whole[0].tables["meters"].set_index("meter")
    assert sorted(ours.index) == sorted(row["meter"] for row in rows("meters", "gcp"))
    same = (
        "on_demand",
        "list_price",
        "spot",
        "spot_interruption",
        "gpu",
        "gpus",
        "product",
        "unit",
    )
    for row in rows("meters", "gcp"):
        for column in same:
            assert ours.loc[row["meter"], column] == row[column], (row["meter"], column)
        assert ours.loc[row["meter"], "source"]
        assert ours.loc[row["meter"], "as_of"] == "2026-11-21"


def test_offers_and_what_they_cover_are_those_of_the_company(whole: Asked):
    ours = whole[0].tables["offers"].set_index("offer")
    theirs = rows("offers", "gcp")
    assert sorted(ours.index) == sorted(row["offer"] for row in theirs)
    same = ("law", "measure", "term_hours", "payment", "hourly", "minimum", "step",
            "provider_offer_id", "guarantees_capacity")  # fmt: skip
    for row in theirs:
        for column in same:
            assert ours.loc[row["offer"], column] == row[column], (row["offer"], column)
        if row["bundle"]:
            assert ours.loc[row["offer"], "bundle_ratio"] == row["bundle_ratio"]
    drawn = whole[0].tables["covers"].to_dict("records")
    key = lambda row: (row["offer"], row["meter"])  # noqa: E731
    assert sorted(drawn, key=key) == sorted(rows("covers", "gcp"), key=key)


def test_what_is_held_and_what_google_advises(whole: Asked):
    pulled, report = whole
    held = pulled.tables["commitments"].sort_values("offer").to_dict("records")
    theirs = sorted(rows("commitments", "gcp"), key=lambda row: row["offer"])
    same = ("offer", "quantity", "start", "end", "account", "scope", "state", "auto_renew")
    assert [{n: row[n] for n in same} for row in held] == [{n: r[n] for n in same} for r in theirs]
    advice = pulled.tables["provider_advice"].to_dict("records")
    told = rows("provider_advice", "gcp")
    assert {r["offer"]: Decimal(r["quantity"]) for r in advice} == {
        r["offer"]: Decimal(r["quantity"]) for r in told
    }
    total = sum(Decimal(row["estimated_saving"]) for row in told)
    assert [row["estimated_saving"] for row in advice] == [f"{total}", "", ""]
    assert {asked.outcome for asked in report.asked} == {Outcome.ANSWERED}
