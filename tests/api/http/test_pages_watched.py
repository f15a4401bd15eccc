# SPDX-License-Identifier: Apache-2.0
"""The pages of what is watched: anomalies of a window, and the month's pace and budgets."""

from __future__ import annotations

import csv
import io
import math
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from api.web import visit

from .conftest import Lab, tiny_files
from .visitor import Visitor, signed_in, words

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
WEEKS = 4
SPIKE = range(30, 26, -1)  # hours before now in which training runs 8 gpus in the place of 2
HOSTILE = "<b>train</b>"
CASE = f'currency = "USD"\nas_of = "{AS_OF:%Y-%m-%dT%H:%M:%SZ}"\nhorizon_hours = 24\n'
BUDGETS = (
    "budget,tag,value,month,amount\n"
    "everything,,,2026-11,1000\n"
    f"training,team,{HOSTILE},2026-11,1000000\n"
    "training,team,chat,2026-11,2000000\n"
    "later,,,2026-12,5\n"
)


SLASHED = "tag_kubernetes.io/team"
NOT_DATED = ("999999w", "9999-12", "0000-01")


def usage(tag: str = "tag_team", gpu: str = "gpu", trains: str = HOSTILE) -> str:
    """Chat: about 10 cpus of $1 with the time of the day. Training: 2 gpus of $10, and a spike."""
    rows = [f"hour,meter,quantity,{tag}"]
    for back in range(WEEKS * 168, 0, -1):
        when = AS_OF - timedelta(hours=back)
        hour = f"{when:%Y-%m-%dT%H:%M:%SZ}"
        cpus = 10 + 2 * math.sin(math.tau * when.hour / 24) + 0.1 * ((back * 7) % 5)
        rows.append(f"{hour},cpu,{cpus:.3f},chat")
        rows.append(f"{hour},{gpu},{8 if back in SPIKE else 2},{trains}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def watched(service) -> Lab:
    lab = service.lab()
    lab.snapshot = lab.upload(case=CASE, usage=usage(), budgets=BUDGETS)
    return lab


@pytest.fixture(scope="module")
def named(service) -> Visitor:
    """As watched, of a meter in capitals and a tag with a slash, which training does not have."""
    lab = service.lab()
    meters = tiny_files()["meters.csv"].decode() + (
        "GPU,aws,us-east-1,instance,Instance-Hours,10.00,made up,2026-01\n"
    )
    lab.upload(case=CASE, meters=meters, usage=usage(SLASHED, "GPU", ""))
    return signed_in(service.app, lab.key)


@pytest.fixture
def visitor(service, watched) -> Visitor:
    return signed_in(service.app, watched.key)


def table(visitor: Visitor, path: str, name: str) -> list[dict[str, str]]:
    answer = visitor.get(f"{path}{'&' if '?' in path else '?'}csv={name}")
    assert answer.headers["content-type"].startswith("text/csv"), answer.text[:500]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_spike_is_told_and_explained(visitor):
    """By hand: 6 more gpus of $10 in 4 hours are $240."""
    page = visitor.page("/anomalies")
    told = words(page)
    assert "1 event in " in told
    (event,) = table(visitor, "/anomalies", "anomalies")
    assert (event["kind"], event["series"], event["hours"]) == ("spike", "usage of meter gpu", "4")
    assert event["start"].startswith("2026-11-19T18:00")
    assert float(event["dollars"]) == pytest.approx(240, rel=0.02)
    carriers = {row["column"]: row for row in table(visitor, "/anomalies", "carriers")}
    assert carriers["Meter"]["value"] == "gpu"
    assert carriers["Team"]["value"] == HOSTILE
    assert float(carriers["Team"]["share"]) == pytest.approx(1, abs=0.02)
    assert HOSTILE not in page
    assert "Was32 Instance-Hours" in told
    assert re.search(r"Expected[78][.\d]* Instance-Hours", told)


def test_the_url_says_what_is_explained(visitor):
    by_team = table(visitor, "/anomalies?by=tag_team", "by")
    assert [(row["value"], row["events"]) for row in by_team] == [(HOSTILE, "1")]
    page = visitor.page("/anomalies?by=tag_team")
    (link,) = re.findall(r'href="(/anomalies\?[^"]*value=[^"]*)"', page)
    closer = visitor.page(link.replace("&amp;", "&"))
    assert f"Only those that team {HOSTILE} carries" in words(closer)
    none = table(visitor, "/anomalies?by=tag_team&value=chat", "anomalies")
    assert none == []
    assert visitor.get("/anomalies?event=never/there").status_code == 404
    assert "1 event" not in words(visitor.page("/anomalies?window=24h"))


def test_an_anomaly_leads_to_what_it_cost(visitor):
    page = visitor.page("/anomalies")
    link = re.search(r'href="(/usage\?[^"]*by=meter[^"]*)"', page)
    assert link is not None
    path = link[1].replace("&amp;", "&")
    asked = parse_qs(urlsplit(path).query)
    assert asked["window"] == ["2026-11-19T18:00:00Z..2026-11-19T22:00:00Z"]
    row = table(visitor, path, "spend")[0]
    assert row["meter"] == "gpu"
    assert float(row["total"]) == pytest.approx(8 * 4 * 10)


@pytest.mark.parametrize(
    ("window", "why"), [("soon", "is no window"), ("2030-01", "begins when the data end")]
)
def test_a_window_that_is_none_is_told_beside_the_form(visitor, window, why):
    answer = visitor.get(f"/anomalies?window={window}")
    assert answer.status_code == 422
    assert why in words(answer.text)
    assert f'value="{window}"' in answer.text


@pytest.mark.parametrize("path", ["/anomalies", "/usage"])
@pytest.mark.parametrize("window", NOT_DATED)
def test_a_window_without_dates_is_told_beside_the_form(visitor, path, window):
    answer = visitor.get(f"{path}?window={window}")
    assert answer.status_code == 422
    assert "is not in the years 1 to 9999" in words(answer.text)


def test_names_are_shown_as_they_are_written(named):
    assert '<h2 id="event-title">Usage of meter GPU ' in named.page("/anomalies")


def test_what_carries_of_a_tag_with_a_slash_leads_to_its_costs(named):
    """By hand: 8 gpus of $10 in 4 hours are $320."""
    page = named.page("/anomalies")
    links = [unescape(link) for link in re.findall(r'href="(/usage\?[^"]*)"', page)]
    (link,) = (link for link in links if parse_qs(urlsplit(link).query)["by"] == [SLASHED])
    (row,) = table(named, link, "spend")
    assert row[SLASHED] == "(untagged)"
    assert float(row["total"]) == pytest.approx(320)


def test_the_untagged_stay_the_filter_of_what_is_linked(named):
    page = named.page(f"/anomalies?by={SLASHED}&value=&anomalies.q=")
    assert "(none) carries a part of" in words(page)
    links = [
        parse_qs(urlsplit(unescape(link)).query, keep_blank_values=True)
        for link in re.findall(r'href="(/anomalies\?[^"]*(?:csv|\.sort)=[^"]*)"', page)
    ]
    assert len(links) > 8
    for asked in links:
        assert asked["value"] == [""]
        assert "anomalies.q" not in asked
    (everything,) = re.findall(r'href="([^"]*)">Show all<', page)
    assert "value" not in everything


def test_no_event_is_the_first(visitor):
    assert visitor.page("/anomalies?event=").count("Usage of meter gpu") == 1


def test_the_pace_of_the_month_and_its_budgets(visitor):
    """By hand: training of 20 days costs (20 x 24 x 2 + 4 x 6) x $10 = $9,840."""
    page = visitor.page("/budgets")
    told = words(page)
    assert "Pace and budgets of 2026-11" in told
    assert "Budget everything of $1,000 was passed" in told
    budgets = table(visitor, "/budgets", "budgets")
    assert [row["budget"] for row in budgets] == ["everything", "training", "training"]
    rows = {row["budget"]: row for row in reversed(budgets)}
    assert rows["everything"]["state"] == "exceeded"
    assert rows["training"]["state"] == "on track"
    assert float(rows["training"]["spent"]) == pytest.approx(9840)
    days = table(visitor, "/budgets", "budget_pace")
    assert [row["known"] for row in days] == ["ran"] * 20 + ["forecast"] * 10
    assert float(days[19]["p50"]) == pytest.approx(float(rows["everything"]["spent"]))
    links = re.findall(r'href="(/usage\?[^"]*by=tag_team[^"]*)"', page)
    asked = [parse_qs(urlsplit(unescape(link)).query)["spend.q"] for link in links]
    assert asked == [[HOSTILE], ["chat"]]
    assert words(visitor.page(unescape(links[0]))).count(HOSTILE)


def test_without_budgets_and_without_data(service, lab):
    visitor = signed_in(service.app, lab.key)
    for path in ("/anomalies", "/budgets"):
        assert "There is no snapshot yet" in words(visitor.page(path))
    lab.upload()
    assert "No budget of this month" in words(visitor.page("/budgets"))
    assert "No series could be judged" in words(visitor.page("/anomalies"))
    other = service.lab()
    stranger = signed_in(service.app, other.key)
    (row,) = lab.store.snapshots.page(1)
    assert stranger.get(f"/budgets?snapshot={row.id}").status_code == 404
    assert stranger.get(f"/anomalies?snapshot={row.id}").status_code == 404


HOURS = "hour,meter,quantity\n"
CLASSES = "hour,workload,requests,input_tokens,output_tokens\n"


@pytest.mark.parametrize(
    "tables",
    [
        {"usage": HOURS},
        {"usage": HOURS, "commitments": None},
        {"usage": HOURS, "workloads": CLASSES},
        {"usage": None, "commitments": None, "workloads": CLASSES},
    ],
)
def test_tables_without_rows_have_no_anomalies(service, lab, tables):
    lab.upload(**tables)
    visitor = signed_in(service.app, lab.key)
    assert "No series could be judged" in words(visitor.page("/anomalies"))
    answer = visitor.get("/anomalies?window=all")
    assert (answer.status_code, "begins when the data end" in words(answer.text)) == (422, True)
    assert visitor.get("/budgets").status_code == 200
    assert visitor.get("/usage").status_code < 500


def test_a_snapshot_too_old_to_be_offered_is_offered_where_it_is_shown(service, lab, monkeypatch):
    monkeypatch.setattr(visit, "SNAPSHOTS", 1)
    old = lab.upload()
    new = lab.upload(case=CASE)
    visitor = signed_in(service.app, lab.key)
    for path in ("/anomalies", "/budgets", "/usage"):
        page = visitor.get(f"{path}?snapshot={old}").text
        assert re.findall(r'<option value="(snp_[^"]*)"( selected)?>', page) == [
            (new, ""),
            (old, " selected"),
        ]


def test_a_budget_that_is_refused_says_so(service, lab):
    lab.upload(budgets="budget,tag,value,month,amount\nx,nothing,a,2026-01,5\n")
    told = words(signed_in(service.app, lab.key).page("/budgets"))
    assert "watches 'nothing', which is no column of usage" in told
