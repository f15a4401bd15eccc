# SPDX-License-Identifier: Apache-2.0
"""The partition against the readable program: one truth, two ways to it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optimizer.planning import Plan, make_plan, plan_document

from .folders import Row, at, cover, meter, money, units, usage
from .memory import case_of

GAP = 0.002
HOURS = 168


def rows(seed: int) -> dict[str, list[Row]]:
    """Three meters with daily waves and noise; two money plans, three reservations, spot."""
    rng = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    meters, used, offers, covers = [], [], [], []
    offers += [money("sp1", HOURS), money("sp3", HOURS, "1.1", law="aws.savings.instance")]
    for number in range(3):
        name, price = f"m{number}", Decimal(int(rng.integers(4, 40)))
        meters.append(meter(name, price, spot=price * Decimal("0.35") if number == 0 else ""))
        wave = 1 + 0.5 * np.sin(2 * np.pi * (hour + rng.integers(24)) / 24)
        need = np.round(rng.uniform(5, 40) * wave * rng.uniform(0.8, 1.2, HOURS), 1)
        used += usage(name, need.tolist(), spot_tolerant=0.3 if number == 0 else 0)
        offers.append(units(f"ri{number}", HOURS, price * Decimal("0.6")))
        covers.append(cover(f"ri{number}", name))
        covers += [cover("sp1", name, price * Decimal(f"0.7{rng.integers(9)}"))]
        covers += [cover("sp3", name, price * Decimal(f"0.5{rng.integers(9)}"))]
    held = [{"commitment": "c", "offer": "ri1", "quantity": 3, "start": at(-9), "end": at(60)}]
    tables = {"meters": meters, "usage": used, "offers": offers, "covers": covers}
    return {**tables, "commitments": held}


def planned(folder: Path, seed: int, method: str) -> Plan:
    toml = f'[solve]\nmethod = "{method}"\ngap = {GAP}\n'
    return make_plan(case_of(folder, HOURS, toml, **rows(seed)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_ways_one_truth(seed: int, tmp_path: Path) -> None:
    reference = planned(tmp_path / "reference", seed, "reference")
    partitioned = planned(tmp_path / "partition", seed, "partition")
    assert {part.answer.method for part in reference.parts} == {"reference"}
    assert {part.answer.method for part in partitioned.parts} == {"partition"}
    # Each is within its gap of a bound that holds for the other too.
    for one in (reference, partitioned):
        assert one.gap_solver <= GAP
        assert one.status in ("optimal", "within_gap")
        for other in (reference, partitioned):
            assert one.lower_bound <= other.objective
            assert float(one.objective) * (1 - one.gap) <= float(other.objective)
    assert float(partitioned.objective) == pytest.approx(float(reference.objective), rel=0.004)
    # The readable program is exact: its bound is the best there is, the other's is below.
    assert reference.gap_solver <= 1e-6
    assert float(partitioned.lower_bound) <= float(reference.lower_bound) * (1 + 1e-9)
    assert float(partitioned.lower_bound) >= float(reference.lower_bound) * (1 - GAP)


def test_the_partition_repeats(tmp_path: Path) -> None:
    one, two = (planned(tmp_path / str(run), 2, "partition") for run in range(2))
    assert plan_document(one) == plan_document(two)
