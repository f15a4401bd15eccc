# SPDX-License-Identifier: Apache-2.0
"""A made-up company with three weeks of history in which everything changes that can."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.planning.document import plan_document, to_json
from optimizer.planning.make import make_plan
from optimizer.reporting.document import Document
from optimizer.reporting.weekly import weekly_report
from optimizer.tables import Case, format_hour, parse_hour, read_case

Row = dict[str, Any]
AS_OF = parse_hour("2026-03-16T00:00:00Z")  # a Monday
WEEK = 168
TOML = """currency = "{currency}"
as_of = "2026-03-16T00:00:00Z"
horizon_hours = 336

[solve]
gap = 0
seed = 7
"""


def at(hour: int) -> str:
    """An hour counted from the as-of date."""
    return format_hour(AS_OF + hour)


def company() -> dict[str, list[Row]]:
    """Two clouds, three meters, two accounts; commitments that stay, end and begin."""
    made = {"source": "made up", "as_of": "2026-03"}
    gpu = {"provider": "aws", "product": "instance", "unit": "Instance-Hours"}
    meters = [
        {"meter": "gpu", **gpu, "on_demand": "10", "list_price": "12", "spot": "4", **made},
        {"meter": "cpu", **gpu, "on_demand": "1", "list_price": "1.25", **made},
        {"meter": "tpu", "provider": "gcp", "product": "tpu", "unit": "TPU-Hours",
         "on_demand": "5", **made},
    ]  # fmt: skip
    offers = [
        {"offer": "ri", "law": "aws.reserved.regional", "measure": "units", "term_hours": "336",
         "upfront": "672", "hourly": "4", **made},
        {"offer": "plan", "law": "aws.savings.compute", "measure": "money", "term_hours": "336",
         "hourly": "1", **made},
        {"offer": "cud", "law": "gcp.flexible", "measure": "money", "term_hours": "8760",
         "hourly": "1", **made},
    ]  # fmt: skip
    covers = [
        {"offer": "ri", "meter": "gpu", "draw": "1"},
        {"offer": "plan", "meter": "gpu", "draw": "7"},
        {"offer": "plan", "meter": "cpu", "draw": "0.8"},
        {"offer": "cud", "meter": "tpu", "draw": "4"},
    ]
    commitments = [
        {"commitment": "ri-stays", "offer": "ri", "quantity": "1", "start": at(-400),
         "end": at(500)},
        {"commitment": "ri-ended", "offer": "ri", "quantity": "1", "start": at(-700),
         "end": at(-100)},
        {"commitment": "plan-began", "offer": "plan", "quantity": "3", "start": at(-72),
         "end": at(264)},
        {"commitment": "cud-idle", "offer": "cud", "quantity": "9", "start": at(-900),
         "end": at(2000)},
    ]  # fmt: skip
    usage = []
    for hour in range(-3 * WEEK, 0):
        busy = 1 + (hour % 24 in range(8, 20))
        week = hour // WEEK + 3  # 0, 1, 2
        last = week == 2
        lines = [
            (
                "gpu",
                "acme/research",
                "research",
                1 + busy + (2 if last else 0),
                0.5 if last else 0.25,
            ),
            ("gpu", "acme/serving", "serving", 2.0, 0),
            ("cpu", "acme/serving", "serving", 8 * busy - week, 0),
            ("tpu", "", "research", 1.5 if last else 2, 0),
        ]
        usage += [
            {"hour": at(hour), "meter": meter, "quantity": str(quantity), "account": account,
             "tag_team": team, "spot_share": str(spot), "spot_tolerant": str(spot)}
            for meter, account, team, quantity, spot in lines
        ]  # fmt: skip
    return {
        "meters": meters,
        "offers": offers,
        "covers": covers,
        "commitments": commitments,
        "usage": usage,
    }


Build = Callable[..., Case]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Write tables as a case and read it."""

    def make(
        tables: Mapping[str, list[Row]] | None = None,
        currency: str = "USD",
        name: str = "acme",
        settings: str = "",
    ) -> Case:
        return write_case(tmp_path / name, tables, currency, settings)

    return make


def write_case(
    folder: Path,
    tables: Mapping[str, list[Row]] | None = None,
    currency: str = "USD",
    settings: str = "",
) -> Case:
    """Write tables as a case and read it."""
    folder.mkdir()
    (folder / "case.toml").write_text(TOML.format(currency=currency) + settings)
    for table, rows in (company() if tables is None else tables).items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(rows)
    return read_case(folder)


def planned(case: Case) -> dict[str, Any]:
    """Plan a case, as its JSON says it."""
    document: dict[str, Any] = json.loads(to_json(plan_document(make_plan(case))))
    return document


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, dict[str, Any]]:
    """The company and its plan, made once."""
    case = write_case(tmp_path_factory.mktemp("acme") / "acme")
    return case, planned(case)


@pytest.fixture(scope="session")
def told_of_acme(acme: tuple[Case, dict[str, Any]]) -> Document:
    """The company's report, made once."""
    return weekly_report(*acme)


def nothing_to_do(case: Case) -> dict[str, Any]:
    """The document of a plan that buys nothing: for what does not depend on purchases."""
    return {
        "schema_version": "1.0", "plan": "pln_none", "status": "optimal", "seed": 7,
        "currency": case.settings.currency, "snapshot": case.snapshot,
        "settings": case.settings.as_dict(), "as_of": format_hour(case.settings.as_of),
        "horizon_hours": case.settings.horizon_hours, "baseline": "0", "total": "0",
        "savings": "0", "objective": "0", "lower_bound": "0", "gap": 0.0, "gap_solver": 0.0,
        "gap_law": 0.0, "purchases": [], "commitments": [], "bill": {}, "kpis": {},
    }  # fmt: skip
