# SPDX-License-Identifier: Apache-2.0
"""The joint demonstration case: read, checked, and what it must have to be one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from optimizer.billing import bill_case, read_catalogue
from optimizer.demand.requests import requests_of_horizon
from optimizer.program.quality import score_pairs
from optimizer.program.routes import read_routing
from optimizer.tables import Case, read_case

FOLDER = Path(__file__).parents[2] / "fixtures" / "frontier-lab-llm"


@pytest.fixture(scope="module")
def company() -> Case:
    return read_case(FOLDER)


def test_is_small_and_whole(company: Case) -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 300_000
    workloads = company.table("workloads")
    hours = workloads.groupby("workload")["hour"].agg(["min", "max", "count"])
    assert len(hours) >= 4
    first = company.settings.as_of
    assert (hours["min"] == first).all()
    assert (hours["max"] == first + 335).all()
    assert (hours["count"] == company.settings.horizon_hours).all()
    deployments = company.table("deployments")
    kinds = deployments.groupby("kind")["deployment"].nunique()
    assert kinds["replica"] >= 12
    assert kinds["api"] >= 3
    assert kinds["throughput"] == 1
    assert set(company.table("offers")["offer"].str.split("/").str[0]) == {"aws", "azure", "gcp"}


def test_every_class_can_be_answered_with_confidence(company: Case) -> None:
    """Within latency and floor, and some deployment reaches the target by itself."""
    bound = score_pairs(company).bound
    deployments = company.table("deployments")
    for name, rows in company.table("workloads").groupby("workload"):
        asks = rows.iloc[0]
        own = deployments[deployments["workload"] == name].drop_duplicates("deployment")
        fit = [
            deployment
            for deployment, model, ttft, tpot in zip(
                own["deployment"], own["model"], own["ttft_ms"], own["tpot_ms"], strict=True
            )
            if model not in asks["deny_models"]
            and bound[name, deployment] >= asks["quality_floor"]
            and (math.isnan(asks["ttft_ms"] or math.nan) or ttft <= asks["ttft_ms"])
            and (math.isnan(asks["tpot_ms"] or math.nan) or tpot <= asks["tpot_ms"])
        ]
        assert len(fit) >= 4
        assert len(asks["deny_models"]) in (0, 2)
        assert max(bound[name, each] for each in fit) >= asks["quality_target"]


def test_routes_of_today_are_what_the_usage_served(company: Case) -> None:
    routes = company.table("routes_today")
    assert routes.groupby("workload")["share"].sum().tolist() == pytest.approx([1.0] * 5)
    every = company.usage_lines().quantity.sum()
    served = sum(
        company.usage_part(deployment=name).quantity.sum() for name in set(routes["deployment"])
    )
    others = company.usage_part(deployment="").quantity.sum()
    assert served > 0
    assert served + others == pytest.approx(every)


def test_a_month_of_it_is_some_six_million(company: Case) -> None:
    total = float(bill_case(company).total)
    assert 5e6 < total * 730 / 336 < 7e6


def test_lengths_that_no_deployment_tells_apart_are_one_stream(company: Case) -> None:
    routing = read_routing(company, read_catalogue(company), requests_of_horizon(company))
    assert [stream.name for stream in routing.streams] == sorted(
        set(company.table("workloads")["workload"])
    )
    assert len(company.table("lengths")) > 100
