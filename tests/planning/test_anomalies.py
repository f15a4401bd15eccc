# SPDX-License-Identifier: Apache-2.0
"""Events of a made-up company: what is told, who carries it, what it did to the bill."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from optimizer.planning.anomalies import Findings, Measure, find_anomalies, findings_of
from optimizer.planning.realised import usage_between
from optimizer.reporting.sections.anomalies import anomaly_section
from optimizer.tables import format_hour

from .weeks import AS_OF, HOURS, company, levels

WEEK = 168


def week(case) -> Findings:
    return findings_of(case, AS_OF - WEEK, AS_OF)


def test_a_quiet_week_has_none(tmp_path):
    found = week(company(tmp_path, levels()))
    assert found.anomalies == ()
    assert found.series == 3 + 1 + 3 + 4 + 3  # meters, all, accounts, workloads, teams
    assert not found.too_short
    block = anomaly_section(found).blocks[0]
    assert "nothing was out of the ordinary" in block.text


def test_a_spike_is_one_event_with_who_carries_it(tmp_path):
    """Pretraining triples for five hours: one event, though four series show it."""
    quantity = levels()
    usual = quantity[0, -50:-45].sum()
    quantity[0, -50:-45] *= 3
    (event,) = week(company(tmp_path, quantity)).anomalies
    assert (event.kind, event.start, event.hours) == ("spike", AS_OF - 50, 5)
    assert event.told == AS_OF - 48
    assert not event.ongoing
    assert float(event.dollars) == pytest.approx(2 * usual * 50, rel=0.05)
    for column, value in (
        ("meter", "p5"), ("account", "org/train"), ("workload", "pretrain"),
        ("tag_team", "foundation"),
    ):  # fmt: skip
        carrier = event.carrier(column)
        assert carrier is not None
        assert carrier.value == value
        assert carrier.share == pytest.approx(1.0, abs=0.05)
    # Parts of a column add up to the whole.
    whole = sum(c.dollars for c in event.carriers if c.column == "account")
    assert float(whole) == pytest.approx(float(event.dollars), rel=0.06)
    assert "cost" in event.seen_in


def test_two_teams_at_once_are_two_events(tmp_path):
    """Both run in one account, which shows the sum: it does not tie them."""
    quantity = levels()
    quantity[1, -40:-34] *= 4
    quantity[2, -40:-34] *= 4
    events = week(company(tmp_path, quantity)).anomalies
    assert [e.carrier("workload").value for e in events[:2]] == ["chat", "search"]
    assert float(events[0].dollars) > float(events[1].dollars)


def test_the_bill_of_an_event_is_the_replay_without_it(tmp_path):
    """With 100 reserved units only what exceeds them is dear."""
    quantity = levels()
    quantity[0, -50:-46] = 160.0
    quantity[1, -50:-46] = 20.0
    case = company(tmp_path, quantity, held=100)
    event = next(e for e in week(case).anomalies if e.carrier("meter").value == "p5")
    # 180 units against 100 reserved: 80 on demand for four hours; without it: none.
    assert event.bill == Decimal(80 * 4 * 50)
    assert float(event.dollars) > float(event.bill)


def test_a_commitment_that_ends_moves_the_bill_alone(tmp_path):
    case = company(tmp_path, levels(), held=60, held_until="2026-11-18T00:00:00Z", rate=5)
    (event,) = week(case).anomalies
    assert (event.measure, event.kind) == (Measure.bill, "rise")
    assert format_hour(event.start) == "2026-11-18T00:00:00Z"
    assert event.carrier("commitment").value == "c1"
    assert event.carrier("meter").value == "p5"


def test_a_drop_is_below_what_was_expected(tmp_path):
    quantity = levels()
    quantity[2, -30:] = 0.0
    (event,) = week(company(tmp_path, quantity)).anomalies
    assert event.kind == "fall"
    assert event.dollars < 0
    assert event.bill == pytest.approx(event.dollars, rel=Decimal("0.001"))
    assert event.carrier("workload").value == "search"


def test_a_week_without_data_of_one_provider_is_a_gap(tmp_path):
    """Not a fall of its meters, and not of the total."""
    case = company(tmp_path, levels(), missing={"openai": range(HOURS - 120, HOURS)})
    (event,) = week(case).anomalies
    assert (event.kind, event.measure, event.value) == ("gap", "data", "openai")
    assert (event.start, event.hours, event.ongoing) == (AS_OF - 120, 120, True)
    section = anomaly_section(week(case))
    assert "openai" in section.blocks[0].text
    assert section.blocks[1].rows[0].values[0] == "no data"


def test_a_meter_without_a_price_has_no_dollars(tmp_path):
    quantity = levels()
    quantity[4, -30:-25] *= 3
    case = company(tmp_path, quantity)
    text = (tmp_path / "meters.csv").read_text().replace("1M Tokens,0.5", "1M Tokens,")
    case = company(tmp_path, quantity, more={"meters.csv": text})
    found = week(case)
    (event,) = found.anomalies
    assert event.dollars is None
    assert event.bill is None
    assert event.value == "tok"
    assert any("no on-demand" in note for note in found.notes)


def test_requests_and_tokens_of_a_class_are_one_event(tmp_path):
    quantity = levels()
    asked = quantity[4].copy()
    asked[-20:-15] *= 3
    rows = ["workload,hour,requests,input_tokens,output_tokens"]
    rows += [
        f"chat,{format_hour(AS_OF - HOURS + t)},{asked[t]:.0f},1000,{100 * asked[t]:.0f}"
        for t in range(HOURS)
    ]
    deployments = "deployment,model,kind,meter,meter_units\nd,m,api,tok,0.001\n"
    case = company(
        tmp_path, quantity,
        more={"workloads.csv": "\n".join(rows) + "\n", "deployments.csv": deployments},
    )  # fmt: skip
    (event,) = week(case).anomalies
    assert (event.measure, event.value, event.hours) == ("requests", "chat", 5)
    assert event.seen_in == ("output tokens of workload chat",)
    assert event.dollars is None


def test_a_new_meter_is_too_short_to_judge(tmp_path):
    quantity = levels()
    quantity[4, :-200] = 0.0
    found = week(company(tmp_path, quantity))
    assert "usage of meter tok" in found.too_short
    assert all(event.value != "tok" for event in found.anomalies)


def test_the_document_and_the_list(tmp_path):
    quantity = levels()
    quantity[0, -50:-45] *= 3
    case = company(tmp_path, quantity)
    (row,) = week(case).as_dict()["anomalies"]
    assert row == find_anomalies(case, AS_OF - WEEK, AS_OF)[0].as_dict()
    assert row["start"] == format_hour(AS_OF - 50)
    assert isinstance(row["dollars"], str)


def test_names_of_tags_are_shown_as_they_are(tmp_path):
    quantity = levels()
    quantity[0, -50:-45] *= 3
    case = company(tmp_path, quantity)
    text = (tmp_path / "usage.csv").read_text().replace("foundation", "=<b>é🚀")
    case = company(tmp_path, quantity, more={"usage.csv": text})
    (event,) = week(case).anomalies
    assert event.carrier("tag_team").value == "=<b>é🚀"


def test_hours_of_usage_are_cut_without_copying_others(tmp_path):
    usage = company(tmp_path, levels()).usage_lines()
    part = usage_between(usage, AS_OF - 5, AS_OF)
    assert part.quantity.shape[1] == 5
    assert np.array_equal(part.quantity, usage.quantity[:, -5:])
