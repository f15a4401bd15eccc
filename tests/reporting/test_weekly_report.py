# SPDX-License-Identifier: Apache-2.0
"""The weekly report says what the replay says, and stays right where input is bad."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from html import unescape
from typing import Any

import pytest

from optimizer.billing import make_bill, read_holdings
from optimizer.billing.fit import open_catalogue
from optimizer.planning.weekly.window import hours_of
from optimizer.reporting import render
from optimizer.reporting.document import Document, Figure, Figures, Prose, Table
from optimizer.reporting.weekly import weekly_report
from optimizer.tables import Case

from .conftest import AS_OF, WEEK, at, company, nothing_to_do

Build = Callable[..., Case]
Planned = tuple[Case, dict[str, Any]]
HOSTILE = ["<b>bold</b>", "=1+1", "@all", "a|b", "🎉", "{{7*7}}", "'; DROP TABLE usage; --"]


def figures(document: Document) -> dict[str, Figure]:
    strips = [block for block in document.blocks() if isinstance(block, Figures)]
    return {figure.name: figure for strip in strips for figure in strip.figures}


def tables(document: Document) -> dict[str, Table]:
    return {table.name: table for table in document.tables()}


def column(table: Table, name: str) -> list[Any]:
    at_column = [c.name for c in table.columns].index(name)
    return [row.values[at_column] for row in table.rows]


def told(document: Document) -> str:
    return " ".join(block.text for block in document.blocks() if isinstance(block, Prose))


def rendered(document: Document) -> None:
    """All forms can be made of it."""
    assert render.html_page(document, draw=None)
    assert render.markdown(document)
    assert json.loads(render.json_text(document))
    assert render.csv_files(document)


def test_key_figures_are_those_of_the_replay(acme: Planned, told_of_acme: Document) -> None:
    case, _ = acme
    found = figures(told_of_acme)
    catalogue = open_catalogue(case)
    held = read_holdings(case, catalogue)
    weeks = [
        make_bill(case, catalogue, hours_of(case.usage_lines(), start, start + WEEK), held)
        for start in (AS_OF - 2 * WEEK, AS_OF - WEEK)
    ]
    for name, of in (
        ("bill", lambda bill: bill.total),
        ("waste", lambda bill: bill.unused_cost),
        ("coverage", lambda bill: bill.coverage),
        ("utilization", lambda bill: bill.utilization),
        ("effective_savings_rate_on_demand", lambda bill: bill.savings_rate("on_demand")),
        ("effective_savings_rate_list_price", lambda bill: bill.savings_rate("list_price")),
    ):  # fmt: skip
        assert (found[name].before, found[name].value) == tuple(of(bill) for bill in weeks), name
        assert found[name].formula
    covered = tables(told_of_acme)["coverage_by_day"]
    whole = covered.rows[-1].values[1:3]  # the table by day says of the weeks what the bill does
    assert whole == pytest.approx((found["coverage"].before, found["coverage"].value))


def test_coverage_of_the_week_before_is_that_of_its_bill(told_of_acme: Document) -> None:
    table = tables(told_of_acme)["coverage_by_day"]
    total = next(row for row in table.rows if row.emphasis)
    assert total.values[1] == pytest.approx(figures(told_of_acme)["coverage"].before, rel=1e-9)


def test_actions_are_the_purchases_of_the_plan(acme: Planned, told_of_acme: Document) -> None:
    _, plan = acme
    document = told_of_acme
    actions = tables(document)["actions"]
    offers = {row["offer"] for row in plan["purchases"]}
    assert offers
    assert set(column(actions, "what")) - {"All together"} == offers
    by_offer = {row["offer"]: row for row in plan["purchases"]}
    for row in actions.rows:
        values = dict(zip([c.name for c in actions.columns], row.values, strict=True))
        if not row.emphasis:
            saves = by_offer[values["what"]]["saves"]
            assert values["saving"] == Decimal(saves["as_planned"])
            assert (values["p10"], values["p90"]) == (Decimal(saves["p10"]), Decimal(saves["p90"]))
            assert re.match(r"(research|serving)( \(\d+\.\d%\))?$", values["owner"])
    total = [row for row in actions.rows if row.emphasis]
    if len(offers) > 1:
        assert Decimal(plan["savings"]) in total[0].values
    assert render.values.money(Decimal(plan["savings"]), "USD") in document.headline
    for key in ("p10", "p90"):
        amount = Decimal(plan["ranges"]["savings"][key])
        assert render.values.money(amount, "USD") in document.headline
    decision = next(
        block for section in document.sections for block in section.blocks
        if isinstance(block, Figures) and block.name == "decision"
    )  # fmt: skip
    said = {figure.name: figure.value for figure in decision.figures}
    assert said["committed"] == Decimal(str(plan["lock_in"][0]["bought"]))
    assert said["upfront"] + said["later"] == said["committed"]
    lost = [row["offer"] for row in plan["purchases"] if Decimal(row["saves"]["p90"]) < 0]
    told = " ".join(
        block.text for section in document.sections for block in section.blocks
        if isinstance(block, Prose)
    )  # fmt: skip
    assert ("Decide on" in told) == bool(lost)


def test_causes_add_up_by_meter_team_and_step(told_of_acme: Document) -> None:
    document = told_of_acme
    found, key = tables(document), figures(document)["bill"]
    changes = found["changes"]
    steps = [row for row in changes.rows if not row.emphasis]
    assert sum(row.values[3] for row in steps) == key.value - key.before
    assert column(changes, "bill")[0] == key.before
    assert column(changes, "bill")[-1] == key.value
    demand = sum(row.values[3] for row in steps if row.values[0] == "Demand")
    by_team = [row for row in found["demand_by_owner"].rows if not row.emphasis]
    assert {row.values[0] for row in by_team} >= {"research", "serving"}
    assert sum(row.values[1] for row in by_team) == demand
    spend = [row.values for row in found["spend_by_tag_team"].rows if row.emphasis]
    assert key.value in spend[0]


def test_every_number_of_a_page_is_in_the_json(told_of_acme: Document) -> None:
    """Rounded as shown; shares as percentages; in words as they stand there."""
    document = told_of_acme
    made = json.loads(render.json_text(document))
    words = set(re.findall(_NUMBER, " ".join(_texts(made))))
    exact = list(_numbers(made))
    page = re.sub(
        r"<style>.*?</style>|<svg.*?</svg>", " ", render.html_page(document, draw=None), flags=re.S
    )
    body = page.split("</head>")[1]
    for sup in re.findall(r"<sup>.*?</sup>|<li id=.*?</li>", body):
        body = body.replace(sup, " ")
    for text in (unescape(re.sub(r"<[^>]+>", " ", body)), render.markdown(document)):
        plain = text.replace("\\", "").replace("\u2060", "")
        missing = [
            number
            for number in re.findall(_NUMBER, plain)
            if number not in words and not _is_one_of(number, exact)
        ]
        assert missing == []


_NUMBER = r"\d[\d,]*(?:\.\d+)?"


def _is_one_of(text: str, exact: list[Decimal]) -> bool:
    number = Decimal(text.replace(",", ""))
    unit = Decimal(1).scaleb(int(number.as_tuple().exponent))
    return any(
        abs(value * scale).quantize(unit, ROUND_HALF_EVEN) == number
        for value in exact
        for scale in (1, 100)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "spec":
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _numbers(value: Any) -> Iterator[Decimal]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "spec":
                yield from _numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Decimal(str(value))
    elif isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        yield Decimal(value)


def test_what_was_advised_is_followed_up(build: Build) -> None:
    """An earlier plan advised two units; one was bought. Realised: the replay without it."""
    case = build()
    before = nothing_to_do(case) | {
        "plan": "pln_before", "as_of": at(-2 * WEEK), "horizon_hours": 4 * WEEK,
        "commitments": [{"commitment": name} for name in ("ri-stays", "ri-ended", "cud-idle")],
        "purchases": [
            {"offer": "plan", "quantity": 3.0, "start": at(-72), "end": at(264), "cost": "1008",
             "covers": [{"meter": "gpu", "quantity": 200.0}], "measure": "money"},
            {"offer": "ri", "quantity": 5.0, "start": at(-72), "end": at(264), "cost": "1",
             "covers": [], "measure": "units"},
        ],
    }  # fmt: skip
    document = weekly_report(case, nothing_to_do(case), before=before)
    rows = {row.values[0]: row.values for row in tables(document)["follow_up"].rows}
    catalogue = open_catalogue(case)
    held = read_holdings(case, catalogue)
    week = hours_of(case.usage_lines(), AS_OF - 72, AS_OF)
    saved = make_bill(case, catalogue, week, [h for h in held if h.name != "plan-began"]).total
    saved -= make_bill(case, catalogue, week, held).total
    assert rows["plan"][2:6] == (
        "purchased",
        "plan-began",
        (2000 - 1008) * 72 / Decimal(336),
        saved,
    )
    assert rows["ri"][2:6] == ("not purchased", "", None, None) or rows["ri"][2] == "not purchased"
    assert "1 not purchased, 1 purchased" in told(document)


def test_recommendations_are_followed_up(build: Build) -> None:
    """As the store keeps them; one that the plan names too is told once."""
    case = build()
    content = {"offer": "plan", "quantity": 3.0, "start": at(-72), "end": at(264), "cost": "1008",
               "covers": [{"meter": "gpu", "quantity": 200.0}]}  # fmt: skip
    advice = [
        {"plan": "pln_x", "offer": "plan", "content": content, "state": "purchased",
         "commitments": ["plan-began"], "reason": None},
        {"plan": "pln_x", "offer": "ri", "content": {"offer": "ri", "quantity": 1.0},
         "state": "dismissed", "commitments": [], "reason": "too <long>"},
    ]  # fmt: skip
    before = nothing_to_do(case) | {"plan": "pln_x", "purchases": [content]}
    document = weekly_report(case, nothing_to_do(case), before=before, advice=advice)
    rows = [row.values for row in tables(document)["follow_up"].rows if not row.emphasis]
    assert [(row[0], row[2], row[7]) for row in rows] == [
        ("plan", "purchased", ""), ("ri", "dismissed", "too <long>")
    ]  # fmt: skip
    rendered(document)


def test_what_a_recommendation_predicted_is_of_its_plans_horizon(build: Build) -> None:
    """The covered units and the cost are of two weeks; of a year they would be a 26th a week."""
    case = build()
    content = {"offer": "plan", "quantity": 3.0, "start": at(-72), "end": at(8688), "cost": "1008",
               "covers": [{"meter": "gpu", "quantity": 200.0}]}  # fmt: skip
    advice = {"plan": "pln_x", "offer": "plan", "content": content, "state": "purchased",
              "commitments": ["plan-began"], "reason": None, "until": at(264)}  # fmt: skip
    document = weekly_report(case, nothing_to_do(case), advice=[advice])
    row = tables(document)["follow_up"].rows[0]
    assert row.values[4] == (2000 - 1008) * 72 / Decimal(336)


def test_a_week_without_data_is_told_plainly(build: Build) -> None:
    changed = company()
    changed["usage"] = [row for row in changed["usage"] if row["hour"] < at(-WEEK)]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    assert "Last week has no usage data" in document.headline
    assert "No usage was recorded in the week 2026-03-09 to 2026-03-15" in told(document)
    assert "nothing to compare" in told(document)
    found = figures(document)
    assert found["bill"].value > 0  # commitments are paid all the same
    assert found["bill"].before is None  # what ran is not known: no change is
    assert (found["utilization"].value, found["waste"].value) == (None, None)
    rendered(document)


def test_a_first_week_without_history(build: Build) -> None:
    changed = company()
    changed["usage"] = [row for row in changed["usage"] if row["hour"] >= at(-100)]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    spent = next(r.values for r in tables(document)["spend_by_tag_team"].rows if r.emphasis)
    apart = figures(document)["bill"].value - spent[1]
    assert apart > 0
    words = render.values.money(apart, "USD")
    assert f"{words} less than the bill of the week: the 68 hours of the week outside" in (
        told(document)
    )
    assert "no week before to compare with" in document.headline
    assert figures(document)["bill"].before is None
    rendered(document)


def test_no_history_at_all(build: Build) -> None:
    changed = company()
    changed["usage"] = [{**row, "hour": at(24 * i)} for i, row in enumerate(changed["usage"][:9])]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    assert "no usage history yet" in document.headline
    rendered(document)


def test_missing_hours_are_told(build: Build) -> None:
    changed = company()
    changed["usage"] = [row for row in changed["usage"] if row["hour"] != at(-30)]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    assert "1 hour of the 168 of the week has no usage at all" in told(document)


def test_data_that_are_old_are_told(build: Build) -> None:
    """Two days without data is what exports may be late, and more is not."""
    changed = company()
    changed["usage"] = [row for row in changed["usage"] if row["hour"] < at(-50)]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    assert "2026-03-13, 2 days before the as-of date: the advice rests on data" in told(document)
    assert "50 hours of the 168 of the week have no usage at all" in told(document)


def test_a_week_that_cannot_be_priced(build: Build) -> None:
    """A meter without an on-demand price that nothing covers: what is missing is said."""
    changed = company()
    del changed["meters"][2]["on_demand"]
    changed["commitments"] = changed["commitments"][:1]
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    assert "cannot be priced" in document.headline
    assert "meter 'tpu' has no on-demand price" in told(document)
    assert figures(document)["bill"].value is None
    rendered(document)


def test_an_infeasible_plan_leads_with_what_to_relax(build: Build) -> None:
    case = build()
    plan = {
        **{key: nothing_to_do(case)[key] for key in ("plan", "currency", "snapshot", "settings")},
        "status": "infeasible",
        "relaxations": [
            {"limit": "limits.upfront_cash", "amount": 1500.0, "cost": "12345.67"},
            {"limit": "on_demand_limit of gpu", "amount": 2.0, "cost": None},
        ],
        "explanation": ["no plan"],
    }
    document = weekly_report(case, plan)
    assert document.headline.startswith(
        "No plan serves the usage within the limits: relax limits.upfront_cash by 1,500 and "
        "1 limit more first."
    )
    assert [section.name for section in document.sections][:2] == ["actions", "week"]
    assert column(tables(document)["relaxations"], "cost") == [Decimal("12345.67"), None]
    rendered(document)


def test_routing_alone(build: Build) -> None:
    """Neither usage nor offers: requests, and what answers them."""
    case = build(
        {
            "meters": [{"meter": "tok", "provider": "openai", "product": "tokens",
                        "unit": "1M Tokens", "on_demand": "2"}],
            "workloads": [
                {"workload": "chat", "hour": at(hour), "requests": "100", "input_tokens": "10",
                 "output_tokens": "5"} for hour in range(-WEEK, 0)
            ],
            "deployments": [{"deployment": "d", "model": "m", "kind": "api", "workload": "chat",
                             "meter": "tok", "meter_units": "0.001"}],
        }
    )  # fmt: skip
    document = weekly_report(case, nothing_to_do(case))
    assert "no usage history yet" in document.headline
    rendered(document)


def test_a_tag_of_ten_thousand_values_stays_readable(build: Build) -> None:
    changed = company()
    changed["usage"] = [
        {**row, "tag_team": f"team {number}"} for number, row in enumerate(changed["usage"])
    ] + [
        {**changed["usage"][0], "hour": at(-1 - number % 300), "tag_team": f"more {number}"}
        for number in range(8000)
    ]  # fmt: skip
    case = build(changed)
    document = weekly_report(case, nothing_to_do(case))
    page = render.html_page(document)
    assert len(page) < 1_000_000
    assert len(tables(document)["demand_by_owner"].rows) <= 13
    assert len(render.markdown(document)) < 65_536
    team = [row for row in tables(document)["demand_by_owner"].rows if not row.emphasis]
    changes = [row.values for row in tables(document)["changes"].rows]
    assert sum(row.values[1] for row in team) == sum(
        row[3] for row in changes if row[0] == "Demand"
    )


def test_names_are_names(build: Build) -> None:
    changed = company()
    for number, row in enumerate(changed["usage"]):
        row["tag_team"] = HOSTILE[number % len(HOSTILE)]
    case = build(changed, name="x")
    document = weekly_report(case, nothing_to_do(case), name=HOSTILE[0])
    page = render.html_page(document, draw=None)
    assert "<b>bold" not in page
    assert "🎉" in page
    assert "{{7*7}}" in page
    for text in render.csv_files(document).values():
        assert not re.search(r"(^|,)[=@]", text, flags=re.M)


def test_other_currencies_are_named(build: Build) -> None:
    case = build(currency="CHF")
    document = weekly_report(case, nothing_to_do(case))
    assert "CHF" in document.headline
    text = render.markdown(document)
    assert not re.search(r"\$\d", text.replace("$50,000", "").replace("$100", ""))
