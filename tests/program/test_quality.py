# SPDX-License-Identifier: Apache-2.0
"""Scores at their lower confidence bounds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import comb
from pathlib import Path

import pytest

from optimizer.errors import DataError
from optimizer.program.quality import beta_share, clopper_pearson_lower, score_pairs
from optimizer.tables import read_case

CASE = 'currency = "USD"\nas_of = "2026-01-01T00:00:00Z"\nhorizon_hours = 1\n'
TABLES = {
    "meters": "meter,provider,product,unit,on_demand\nm,p,tokens,1M Tokens,1\n",
    "workloads": "workload,hour,requests,quality_task,quality_floor,deny_models\n"
    "chat,2026-01-01T00:00:00Z,10,talk,0.5,\n"
    "code,2026-01-01T00:00:00Z,10,,,odd\n",
    "deployments": "deployment,model,kind,workload,meter,meter_units\n"
    "a,even,api,,m,1\nb,odd,api,,m,1\nc,odd,api,code,m,1\n",
    "quality": "model,quality_task,quality,quality_n\neven,talk,0.6,100\nodd,talk,0.62,10\n",
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(settings: str = "", **tables: str) -> Path:
        (tmp_path / "case.toml").write_text(CASE + settings)
        for name, text in {**TABLES, **tables}.items():
            (tmp_path / f"{name}.csv").write_text(text)
        return tmp_path

    return written


@pytest.mark.parametrize(
    ("right", "answers", "level", "expected"),
    [
        (10, 10, 0.05, 0.05 ** (1 / 10)),  # all right: level^(1/n)
        (1, 20, 0.05, 1 - 0.95 ** (1 / 20)),  # one right: 1 − (1 − level)^(1/n)
        (5, 10, 0.05, 0.22244111),  # R: qbeta(0.05, 5, 6)
        (0, 30, 0.05, 0.0),
    ],
)
def test_known_bounds(right: int, answers: int, level: float, expected: float) -> None:
    assert clopper_pearson_lower(right / answers, answers, level) == pytest.approx(expected)


@pytest.mark.parametrize(("right", "answers"), [(1, 7), (22, 60), (59, 60), (130, 200)])
@pytest.mark.parametrize("level", [0.05, 0.05 / 60, 1e-9])
def test_at_the_bound_so_many_right_answers_have_just_that_chance(
    right: int, answers: int, level: float
) -> None:
    """Exactly, in fractions: the definition, without any beta function."""
    bound = Fraction(clopper_pearson_lower(right / answers, answers, level))
    chance = sum(
        comb(answers, k) * bound**k * (1 - bound) ** (answers - k)
        for k in range(right, answers + 1)
    )
    assert float(chance) == pytest.approx(level, rel=1e-7)


def test_agrees_with_scipy() -> None:
    beta = pytest.importorskip("scipy.stats").beta
    for quality in (0.05, 0.3667, 0.581, 0.99, 0.9999):
        for answers in (40, 60, 1055, 12032):
            for level in (0.05, 0.05 / 80, 1e-6):
                right = quality * answers
                expected = beta.ppf(level, right, answers - right + 1)
                found = clopper_pearson_lower(quality, answers, level)
                assert found == pytest.approx(expected, rel=1e-8)
                assert beta_share(found, right, answers - right + 1) == pytest.approx(level)


def test_bound_rises_with_the_score_with_the_answers_and_with_the_level() -> None:
    by_score = [clopper_pearson_lower(q / 1000, 60, 0.001) for q in range(1001)]
    assert all(a < b for a, b in pairwise(by_score))
    by_answers = [clopper_pearson_lower(0.6, n, 0.001) for n in (5, 10, 100, 1000, 100_000)]
    assert by_answers == sorted(by_answers)
    assert by_answers[-1] == pytest.approx(0.6, abs=0.006)
    by_level = [clopper_pearson_lower(0.6, 60, level) for level in (0, 1e-9, 1e-3, 0.05, 0.3)]
    assert by_level == sorted(by_level)
    assert by_level[0] == 0.0
    assert by_level[-1] < 0.6


@pytest.mark.parametrize("wrong", [(1.1, 5, 0.05), (0.5, 0, 0.05), (0.5, 5, 1.5)])
def test_refuses_what_is_no_share(wrong: tuple[float, int, float]) -> None:
    with pytest.raises(ValueError, match="no share of answers"):
        clopper_pearson_lower(*wrong)


def test_level_is_shared_by_all_classes_and_deployments(write: Write) -> None:
    scores = score_pairs(read_case(write()))
    assert scores.level == pytest.approx(0.05 / (2 * 3))
    assert set(scores.bound) == {("chat", "a"), ("chat", "b")}  # code is not judged
    assert scores.mean["chat", "b"] == 0.62
    # The luckiest score does not win: ten answers prove less than a hundred.
    assert scores.bound["chat", "b"] < scores.bound["chat", "a"] < 0.6


def test_without_confidence_the_mean_counts_and_needs_no_number_of_answers(write: Write) -> None:
    quality = "model,quality_task,quality\neven,talk,0.6\nodd,talk,0.62\n"
    case = read_case(write("[risk]\nquality_confidence = 0\n", quality=quality))
    scores = score_pairs(case)
    assert scores.bound == scores.mean == {("chat", "a"): 0.6, ("chat", "b"): 0.62}


def test_an_average_over_all_traffic_judges_every_class(write: Write) -> None:
    path = write("[limits]\nquality_average = 0.5\n")
    with pytest.raises(DataError) as caught:
        score_pairs(read_case(path))
    assert caught.value.where == "workloads.csv, row 2, column quality_task"


@pytest.mark.parametrize(
    ("tables", "where", "problem"),
    [
        (
            {"quality": "model,quality_task,quality,quality_n\neven,talk,0.6,100\n"},
            "deployments.csv, row 2, column model",
            "no score of model 'odd' on task 'talk'",
        ),
        (
            {"quality": "model,quality_task,quality,quality_n\neven,talk,0.6,9\nodd,talk,1,\n"},
            "quality.csv, row 2, column quality_n",
            "has no quality_n",
        ),
        (
            {"quality": "model,quality_task,quality,quality_n\neven,talk,1.2,9\nodd,talk,1,9\n"},
            "quality.csv, row 1, column quality",
            "1.2",
        ),
    ],
)
def test_refused_by_row(write: Write, tables: dict[str, str], where: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        score_pairs(read_case(write(**tables)))
    assert caught.value.where == where
    assert problem in caught.value.problem
    assert caught.value.mend


def test_only_what_may_be_routed_needs_a_score(write: Write) -> None:
    quality = "model,quality_task,quality,quality_n\neven,talk,0.6,100\n"
    case = read_case(write(quality=quality))
    assert set(score_pairs(case, [("chat", "a")]).bound) == {("chat", "a")}
