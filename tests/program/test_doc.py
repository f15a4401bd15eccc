# SPDX-License-Identifier: Apache-2.0
"""``docs/program.md`` names what exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pulp
import pytest

from optimizer.planning import scope
from optimizer.program import branch, engine, free, reference, search, solve, ways
from optimizer.program.check import check_solution
from optimizer.program.coverage import (
    define_coverage_availability,
    define_coverage_draw,
    define_coverage_limit,
    define_coverage_meet,
    define_coverage_variables,
)
from optimizer.program.linkrows import define_excess_variables, define_link_rows
from optimizer.program.problem import Problem
from optimizer.program.purchase import (
    bought_by_source,
    define_purchase_range,
    define_purchase_variables,
)
from optimizer.tables import Limits, table

from .limited import limited_problem

DOC = (Path(__file__).parents[2] / "docs" / "program.md").read_text(encoding="utf-8")
FUNCTIONS = sorted(set(re.findall(r"`([a-z_]+)\.([A-Za-z_.]+)\(\)`", DOC)))


@pytest.mark.parametrize(("module", "path"), FUNCTIONS, ids=[".".join(f) for f in FUNCTIONS])
def test_every_function_that_is_named_exists(module: str, path: str) -> None:
    found = importlib.import_module(f"optimizer.program.{module}")
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)


def test_every_function_of_the_formulation_is_named() -> None:
    named = {".".join(function) for function in FUNCTIONS}
    for module in ("coverage", "purchase", "linkrows", "substitution", "jobs"):
        members = vars(importlib.import_module(f"optimizer.program.{module}"))
        own = {
            f"{module}.{name}"
            for name, value in members.items()
            if callable(value) and value.__module__.endswith(module) and name[0].islower()
        }
        assert own <= named
    assert len(named) >= 25


def test_every_field_that_is_named_exists() -> None:
    fields = set(re.findall(r"`Problem\.([a-z_]+)`", DOC))
    assert fields <= set(Problem.__dataclass_fields__)
    assert len(fields) >= 10
    columns = re.findall(r"`(meters|usage|offers|covers|commitments)\.([a-z_]+)`", DOC)
    for name, column in columns:
        assert column in {known.name for known in table(name).columns}, (name, column)
    assert len(columns) >= 10


def test_rows_have_the_names_of_the_document() -> None:
    """Rows of the readable program, and the checks that recompute them."""
    names: set[str] = set()
    for seed in range(40):
        problem = limited_problem(seed).expand()
        model = pulp.LpProblem("coverage", pulp.LpMinimize)
        purchases = define_purchase_variables(model, problem)
        variables = define_coverage_variables(model, problem)
        define_coverage_meet(model, problem, variables)
        define_coverage_draw(model, problem, variables, bought_by_source(problem, purchases))
        define_purchase_range(model, problem, purchases)
        define_coverage_availability(model, problem, variables)
        define_coverage_limit(model, problem, variables)
        excess = define_excess_variables(model, problem)
        define_link_rows(model, problem, purchases.quantity, variables, excess)
        names |= {re.split(r"[\[_]\d", str(name))[0] for name in dict(model.constraints)}
    families = {re.sub(r"\.(least|most)$", "", name) for name in names}
    assert families == {
        *("coverage.meet", "coverage.draw", "coverage.availability", "coverage.limit"),
        *("coverage.spot_share", "coverage.unused", "purchase.range", "purchase.cash"),
        "agreement.shortfall",
    }
    for family in (*families, "coverage.spot"):
        assert f"`{family}[" in DOC or f"`{family}`" in DOC, family
    for seed in range(10):
        problem = limited_problem(seed)
        answer = reference.solve_reference(problem)
        for check in check_solution(problem, answer) if answer.status.has_plan else []:
            assert f"`{check.name}`" in DOC, check.name


def test_its_figures_are_those_of_the_code() -> None:
    for figure, words in (
        (solve.REFERENCE_ROWS, "up to 12,000 rows"),
        (reference.PRESOLVE_ROWS, "up to 50,000 rows"),
        (ways.MOST_REFERENCE_ROWS, "up to 200,000 when asked for"),
        (engine.ROUNDS, "up to 6 rounds"),
        (engine.WHOLE_ROWS, "up to 4,000 rows"),
        (engine.BRANCH_ROWS, "up to 20,000 rows"),
        (engine.BRANCH_NODES, "up to 60 relaxations"),
        (ways.EXACT_BELOW, "up to 200,000 pools"),
        (solve.BRANCH_NODES, "after 300 relaxations"),
        (solve.SEARCH_EVALUATIONS, "150 replays"),
        (free.MOST_HOURS, "the 4,000 with the largest"),
    ):
        assert words in DOC
        assert f"{figure:,}" in words
    assert branch.certified_bound.__doc__
    assert search.improve.__doc__


def test_what_is_refused_is_listed() -> None:
    refused = DOC.split("## Not modelled yet")[1]
    rough = ("auto_renew", "cancel_until", "exchangeable", "sustained_use")
    beside = ("buyback_share", "bundle", "starts", "maximum", "minimum", "largest_purchase")
    for name in (*beside, *scope._ROUTING_LIMITS, *rough):
        assert name in refused, name
    assert set(scope._ROUTING_LIMITS) <= set(Limits.__dataclass_fields__)
