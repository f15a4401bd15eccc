# SPDX-License-Identifier: Apache-2.0
"""What a plan would have to ignore is refused by name; what cannot be done is said."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from optimizer.billing import bill_case
from optimizer.errors import DataError, Infeasible, MissingPrice
from optimizer.planning import make_plan
from optimizer.tables import Limits, read_case

from .conftest import HOURS, Build, Row, at, tables

REFUSED = {"quality_average": "0.5", "survive_zone_loss": "true"}
PLANNED = {"upfront_cash", "largest_purchase", "spot_share", "max_unused_share"}


@pytest.mark.parametrize("column", ["minimum", "maximum", "bundle", "starts"])
def test_what_a_right_to_give_back_is_not_planned_beside(build: Build, column: str) -> None:
    """A right to give back is worth something: it is not left out in silence."""
    value = {"bundle": "b", "starts": at(2)}.get(column, "3")
    right: Row = {"buyback_share": "0.5", column: value}
    offers = [
        row | (right if n == 0 else dict.fromkeys(right, "")) for n, row in enumerate(_offers())
    ]
    with pytest.raises(DataError, match=f"{column} beside buyback_share") as caught:
        make_plan(build(offers=offers))
    assert (caught.value.file, caught.value.row) == ("offers.csv", 1)
    assert caught.value.column == "buyback_share"


def test_a_limit_that_a_right_to_give_back_is_not_planned_beside(build: Build) -> None:
    offers = [row | {"buyback_share": "0.5"} for row in _offers()]
    with pytest.raises(DataError, match=r"limits\.largest_purchase beside buyback_share"):
        make_plan(build('[limits]\nlargest_purchase = "9"\n', offers=offers))


def test_several_futures_beside_a_right_to_give_back(build: Build) -> None:
    offers = [row | {"buyback_share": "0.5"} for row in _offers()]
    odds = [{"scenario": "cut", "odds": 0.5, "meter": "tpu", "hour": at(1), "factor": "0.5"}]
    with pytest.raises(DataError, match=r"several futures beside buyback_share"):
        make_plan(build(offers=offers, price_scenarios=odds))


def test_a_date_to_give_back_without_what_comes_back(build: Build) -> None:
    offers = [row | {"buyback_after": "1", "buyback_share": ""} for row in _offers()]
    with pytest.raises(DataError, match="says nothing of what comes back") as caught:
        make_plan(build(offers=offers))
    assert caught.value.column == "buyback_share"


def _offers() -> list[Row]:
    return [{"minimum": "", "bundle": "", "starts": ""} | row for row in tables()["offers"]]


def test_refused_queueing(build: Build) -> None:
    with pytest.raises(DataError, match=r"risk\.queueing") as caught:
        make_plan(build('[risk]\nqueueing = "mgc"\n'))
    assert caught.value.file == "case.toml"


@pytest.mark.parametrize("cancel_until", ["", at(0), at(2)])
def test_what_renews_within_the_horizon_is_refused(build: Build, cancel_until: str) -> None:
    held = tables()["commitments"][0] | {"auto_renew": "true", "cancel_until": cancel_until}
    case = build(commitments=[held])
    with pytest.raises(DataError, match="c renews itself at 2026-11-21T03:00") as caught:
        make_plan(case)
    assert caught.value.exit_code == 13
    assert (caught.value.file, caught.value.row) == ("commitments.csv", 1)
    assert caught.value.column == "auto_renew"
    assert bill_case(case).total  # what was is not concerned


@pytest.mark.parametrize("change", [{"auto_renew": "false"}, {"end": at(HOURS)}])
def test_what_renews_behind_the_horizon_is_planned(build: Build, change: Row) -> None:
    held = tables()["commitments"][0] | {"auto_renew": "true"} | change
    assert make_plan(build(commitments=[held])).total


@pytest.mark.parametrize("limit", REFUSED)
def test_refused_limits(build: Build, limit: str) -> None:
    with pytest.raises(DataError, match=f"limits.{limit}") as caught:
        make_plan(build(f"[limits]\n{limit} = {REFUSED[limit]}\n"))
    assert (caught.value.file, caught.value.column) == ("case.toml", f"limits.{limit}")


def test_every_limit_is_planned_or_refused() -> None:
    """Those that are planned are reckoned by hand in ``tests/program/test_limit_cases.py``."""
    assert set(REFUSED) | PLANNED == {limit.name for limit in fields(Limits)}


@pytest.mark.parametrize("table", ["meters", "usage", "offers", "covers"])
def test_tables_that_are_needed(build: Build, table: str) -> None:
    path = build().path
    (path / f"{table}.csv").unlink()
    with pytest.raises(DataError) as caught:
        make_plan(read_case(path))
    assert table in str(caught.value)


def unpriced(**offer: object) -> dict[str, list[Row]]:
    """The case with TPUs in use that have no on-demand price, and one offer for them."""
    rows = tables()
    rows["meters"] = [
        row | ({"on_demand": ""} if row["meter"] == "tpu" else {}) for row in rows["meters"]
    ]
    rows["usage"] += [
        {"hour": at(hour), "meter": "tpu", "quantity": 5, "spot_tolerant": 0} for hour in range(6)
    ]
    rows["offers"] = [row | (offer if row["offer"] == "ri-idle" else {}) for row in rows["offers"]]
    return rows


def test_a_meter_without_price_is_covered(build: Build) -> None:
    plan = make_plan(build(**unpriced()))
    assert plan.bought["ri-idle"] == 5
    assert plan.baseline is None  # what is held cannot serve the horizon


def test_too_small_a_maximum_is_proven_infeasible(build: Build) -> None:
    """Five TPUs are used, three may be bought, and there is no on-demand price."""
    with pytest.raises(Infeasible) as caught:
        make_plan(build(**unpriced(maximum=3)))
    assert caught.value.exit_code == 11
    (relaxation,) = caught.value.relaxations
    assert relaxation.limit == "the maximum of offer ri-idle"
    assert relaxation.amount == 2
    assert relaxation.cost == Decimal(5 * 6)  # the plan with it
    assert "raise the maximum of offer ri-idle by 2" in str(caught.value)


def test_a_meter_that_nothing_covers_needs_its_price(build: Build) -> None:
    rows = unpriced()
    rows["covers"] = [
        row | ({"meter": "gpu"} if row["meter"] == "tpu" else {}) for row in rows["covers"]
    ]
    with pytest.raises(MissingPrice, match="tpu") as caught:
        make_plan(build(**rows))
    assert (caught.value.file, caught.value.row, caught.value.column) == (
        "meters.csv",
        3,
        "on_demand",
    )


def test_unmet_penalties_bound_the_price(build: Build) -> None:
    """Not serving a TPU costs 0.50 an hour, less than the 1.00 of its reservation."""
    rows = unpriced()
    rows["usage"] = [
        row | {"unmet_penalty": "0.5" if row["meter"] == "tpu" else ""} for row in rows["usage"]
    ]
    plan = make_plan(build(**rows))
    assert "ri-idle" not in plan.bought
    assert plan.unmet == Decimal("0.5") * 5 * 6
    assert plan.total == plan.bill.total + plan.unmet
