# SPDX-License-Identifier: Apache-2.0
"""What-ifs answered: the difference adds up, and the plan is that of a case with such files."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.errors import DataError, UsageError
from optimizer.planning import make_plan, plan_document, to_json
from optimizer.planning.documents import (
    checked_plan,
    diff_document,
    explanation_of,
    plan_of_file,
    purchases_of,
)
from optimizer.planning.plan import Plan
from optimizer.planning.whatif import EditError, what_if, what_if_document
from optimizer.planning.whatif.answer import plan_summary
from optimizer.planning.whatif.sweep import parse_sweep, sweep_document
from optimizer.tables import read_case

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"


@pytest.fixture(scope="module")
def base() -> Plan:
    return make_plan(read_case(TINY))


@pytest.mark.parametrize(
    "edits",
    [
        ["demand=+20%"],
        ["demand[meter=cpu]=-50%", "price=+10%"],
        ["offers-=ri"],
        ["commitments-=*"],
        ["commitments+=offer:plan,quantity:3"],
        ["limits.upfront_cash=0"],
    ],
)
def test_every_dollar_of_the_change_has_a_cause(base, edits):
    document = what_if_document(what_if(base, edits))
    total = document["total"]
    assert document["change"] == total["after"] - total["before"]
    assert sum(row["change"] for row in document["why"]) == document["change"]
    assert sum(row["change"] for row in document["effects"]) == document["change"]
    assert document["edits"] == edits
    assert Decimal(json.loads(to_json(document))["change"]) == document["change"].quantize(
        Decimal("1e-12")
    )


HOURS = 24 * 60


def fleet(folder: Path, prices: str, demand: np.ndarray, offers: dict[str, str]) -> Plan:
    """Meters of one price that offers without a limit of hours cover, planned over cells."""
    toml = f'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = {HOURS}\n'
    write = {"case.toml": toml + '[solve]\nmethod = "partition"\ngap = 0.001\n'}
    meters = [f"m{number}" for number in range(demand.shape[1])]
    write["meters.csv"] = "meter,provider,product,unit,on_demand\n" + "".join(
        f"{meter},x,gpu,GPU-Hours,{prices}\n" for meter in meters
    )
    write["offers.csv"] = "offer,law,measure,term_hours,payment,hourly,maximum\n" + "".join(
        f"{offer},throughput.units,units,{HOURS},none,{facts}\n" for offer, facts in offers.items()
    )
    write["covers.csv"] = "offer,meter,draw\n" + "".join(
        f"{offer},{meter},1\n" for offer in offers for meter in meters
    )
    hours = pd.date_range("2026-11-21", periods=HOURS, freq="h").strftime("%Y-%m-%dT%H:00:00Z")
    write["usage.csv"] = "hour,meter,quantity\n" + "".join(
        f"{hour},{meter},{demand[i, k]:.3f}\n"
        for i, hour in enumerate(hours)
        for k, meter in enumerate(meters)
    )
    folder.mkdir(exist_ok=True)
    for name, text in write.items():
        (folder / name).write_text(text, encoding="utf-8")
    return make_plan(read_case(folder))


def bought(plan: Plan) -> dict[str, float]:
    return {row["offer"]: float(row["quantity"]) for row in plan_document(plan)["purchases"]}


def test_an_offer_that_nobody_bought_serves_a_what_if(tmp_path: Path) -> None:
    """Nothing else may serve what A, which has a maximum, does not."""
    demand = np.full((HOURS, 3), 10.0)
    demand[: HOURS // 2] += 1
    base = fleet(tmp_path / "case", "", demand, {"A": "1,36", "B": "3,"})
    assert bought(base) == {"A": 33.0}
    assert bought(what_if(base, ["demand=+30%"]).plan) == {"A": 36.0, "B": 7.0}


@pytest.mark.parametrize(
    ("edit", "gap"),
    [("offers[offer=A].maximum=5", 0.002), ("demand[meter=m0]=+300%", 0.01)],
)
def test_a_large_edit_takes_a_second_round(tmp_path: Path, edit: str, gap: float) -> None:
    random = np.random.default_rng(0)
    demand = 3 + 10 * random.random((HOURS, 4)) ** 4
    base = fleet(tmp_path / "case", "5", demand, {"A": "1,", "B": "3,", "D": "2.5,"})
    assert plan_document(what_if(base, [edit]).plan)["gap"] < gap


def test_answer_is_the_plan_of_a_case_whose_files_say_so(base, tmp_path):
    folder = tmp_path / "case"
    shutil.copytree(TINY, folder)
    usage = (folder / "usage.csv").read_text().splitlines()
    names = usage[0].split(",")
    at = names.index("quantity")
    rows = [line.split(",") for line in usage[1:]]
    for row in rows:
        row[at] = str(Decimal(row[at]) * Decimal("1.5"))
    (folder / "usage.csv").write_text(
        "\n".join([usage[0], *(",".join(row) for row in rows)]) + "\n"
    )
    written = make_plan(read_case(folder))
    asked = what_if(base, ["demand=+50%"]).plan
    assert asked.total == written.total
    assert asked.bought == written.bought


def test_what_is_the_same_is_not_solved_again(base):
    plan = make_plan(base.case, base=base)
    assert all(
        mine.answer is theirs.answer for mine, theirs in zip(plan.parts, base.parts, strict=True)
    )
    changed = what_if(base, ["demand=+1%"]).plan
    assert not any(part.answer is other.answer for part in changed.parts for other in base.parts)


def test_offers_that_are_forbidden_say_so(base):
    document = what_if_document(what_if(base, ["offers-=ri"]), detail=True)
    assert document["not_allowed"] == ["ri"]
    assert "ri" not in {row["offer"] for row in document["plan_document"]["purchases"]}


def test_an_edit_that_is_refused_is_refused_before_the_work(base):
    with pytest.raises(EditError):
        what_if(base, ["demand[meter=gpuu]=+5%"])


def test_sweep_shares_points_out_and_keeps_their_order():
    steps = parse_sweep("demand=-50%..+100%:4")
    with ThreadPoolExecutor(2) as executor:
        document = sweep_document(TINY, steps, [], executor, workers=2)
    assert [row["edit"] for row in document["points"]] == steps
    totals = [row["total"] for row in document["points"]]
    assert totals == sorted(totals)
    assert totals[1] == make_plan(read_case(TINY)).total


def test_diff_and_explain_need_documents_alone(base, tmp_path):
    before = json.loads(to_json(plan_document(base)))
    after = json.loads(to_json(plan_document(what_if(base, ["demand=+20%"]).plan)))
    found = diff_document(before, after)
    assert sum(row["change"] for row in found["why"]) == pytest.approx(found["change"])
    assert not diff_document(before, before)["why"]
    assert not diff_document(before, plan_summary(base))["why"]
    assert {row["action"] for row in found["purchases"]} <= {"buy", "do_not_buy", "resize"}
    offer = before["purchases"][0]["offer"]
    assert "replay uses" in " ".join(explanation_of(before, offer)["explanation"])
    assert explanation_of(before)["formulae"]
    with pytest.raises(DataError, match="no offer or commitment"):
        explanation_of(before, "nothing")
    with pytest.raises(DataError, match="currency"):
        diff_document(before, {**after, "currency": "EUR"})
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(before))
    assert purchases_of(plan_of_file(file)) == base.bought


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"plan": 1}', "[" * 100_000])
def test_what_is_no_plan_is_refused(tmp_path, text):
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not a plan"):
        plan_of_file(file)
    with pytest.raises(UsageError, match="cannot be read"):
        plan_of_file(tmp_path / "none.json")
    with pytest.raises(UsageError, match="is not a plan"):
        checked_plan(None, "it")
