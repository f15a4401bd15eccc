# SPDX-License-Identifier: Apache-2.0
"""The company, pulled from Azure's own shapes, gives the company's plan."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connectors.pulled import Outcome, Pulled, Report

from ..company import bought, cents, planned, rows, tables
from .conftest import Served

FORTNIGHT = datetime(2026, 11, 7, tzinfo=UTC)
Asked = tuple[Pulled, Report]


def test_by_the_hour_the_plan_is_the_company_s_to_the_cent(served: Served, tmp_path: Path):
    """Two weeks; ``make bench`` pulls all hours, with the two other clouds."""
    pulled, report = served.pull(since=FORTNIGHT, settings={"hourly": "monitor"})
    assert not report.partial
    ours = planned(dict(pulled.tables), tmp_path / "pulled")
    theirs = planned(tables("azure", since=f"{FORTNIGHT:%Y-%m-%d}"), tmp_path / "company")
    assert cents(ours) == cents(theirs)
    assert bought(ours) == bought(theirs)
    assert ours["commitments"][0]["action"] == theirs["commitments"][0]["action"]


def test_by_the_day_the_plan_is_that_of_daily_bills_to_the_cent(daily: Asked, tmp_path: Path):
    pulled, report = daily
    assert not report.partial
    ours = planned(dict(pulled.tables), tmp_path / "pulled")
    theirs = planned(tables("azure", daily=True), tmp_path / "company")
    assert cents(ours) == cents(theirs)
    assert bought(ours) == bought(theirs)


def test_prices_are_those_of_the_company(daily: Asked):
    pulled, _ = daily
    ours = pulled.tables["meters"].set_index("meter")
    for row in rows("meters", "azure"):
        for column in ("on_demand", "list_price", "spot", "spot_interruption", "size"):
            assert ours.loc[row["meter"], column] == row[column], (row["meter"], column)
        assert ours.loc[row["meter"], "source"]
        assert ours.loc[row["meter"], "as_of"] == "2026-11-21"


def test_offers_and_what_they_cover_are_those_of_the_company(daily: Asked):
    pulled, _ = daily
    ours = pulled.tables["offers"].set_index("offer")
    same = ("law", "measure", "term_hours", "payment", "upfront", "hourly", "monthly", "group")
    theirs = rows("offers", "azure")
    assert sorted(ours.index) == sorted(row["offer"] for row in theirs)
    for row in theirs:
        for column in same:
            assert ours.loc[row["offer"], column] == row[column], (row["offer"], column)
        if row["law"] == "azure.reservation":
            assert ours.loc[row["offer"], "provider_offer_id"] == row["provider_offer_id"]
    drawn = pulled.tables["covers"].to_dict("records")
    key = lambda row: (row["offer"], row["meter"])  # noqa: E731
    assert sorted(drawn, key=key) == sorted(rows("covers", "azure"), key=key)


def test_what_is_held_and_what_azure_advises(daily: Asked):
    pulled, report = daily
    (held,) = pulled.tables["commitments"].to_dict("records")
    (theirs,) = rows("commitments", "azure")
    assert held["commitment"] == "azure/reservation/azure-res-nc-h100-2026"
    assert held["account"] == "mg-ai/sub-prod"
    same = ("offer", "quantity", "start", "end", "scope", "state", "auto_renew", "exchangeable")
    assert {name: held[name] for name in same} == {name: theirs[name] for name in same}
    advice = pulled.tables["provider_advice"].sort_values("offer").to_dict("records")
    assert [r["offer"] for r in advice] == sorted(
        r["offer"] for r in rows("provider_advice", "azure")
    )
    savings = {r["offer"]: r["estimated_saving"] for r in rows("provider_advice", "azure")}
    assert {r["offer"]: r["estimated_saving"] for r in advice} == savings
    assert {asked.outcome for asked in report.asked} == {Outcome.ANSWERED}
