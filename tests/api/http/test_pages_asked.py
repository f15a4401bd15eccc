# SPDX-License-Identifier: Apache-2.0
"""Pages that ask and decide: what-ifs, recommendations, routes and usage, without a browser."""

from __future__ import annotations

import csv
import io
import re
import time

import pytest

from api.access import Role

from .conftest import Lab
from .visitor import Visitor, sound
from .visitor import words as text

TEAMS = 10_000
HOSTILE = '<img src=x onerror="alert(1)">'


class Asking(Visitor):
    """A visitor who follows to where a form leads; each page is held to what all promise."""

    def __init__(self, lab: Lab, key: str) -> None:
        super().__init__(lab.service.app)
        self.client.follow_redirects = True
        assert self.sign_in(key, "/jobs").status_code == 200

    def get(self, path: str, **query: str):
        answer = self.client.get(path, params=query or None)
        if answer.headers["content-type"].startswith("text/html"):
            sound(answer.text)
        return answer

    def post(self, path: str, **fields: str):
        answer = super().post(path, "/jobs", **fields)
        sound(answer.text)
        return answer


@pytest.fixture
def visitor(lab: Lab) -> Asking:
    return Asking(lab, lab.key)


def answered(visitor: Asking, page) -> str:
    """The page of a question once it is answered."""
    path = page.url.path
    end = time.monotonic() + 60
    while time.monotonic() < end:
        html = visitor.get(path).text
        if "data-follow" not in html:
            return html
        time.sleep(0.05)
    raise AssertionError("no answer")


def test_a_question_its_answer_and_the_next_one(lab, visitor):
    lab.planned()
    page = visitor.post("/what-if", plan=lab.plan, demand="50", ask="1")
    html = answered(visitor, page)
    # By hand: 50 % more of 4.5 gpus and 8 cpus on average, for which the plan buys more.
    assert "demand=+50%" in text(html)
    assert "buy" in text(html)
    assert 'value="+50"' in html  # the next question begins with this one's edits
    page = visitor.post(
        "/what-if", plan=lab.plan, demand="50", more="price[meter=gpu]=-10%", ask="1"
    )
    told = text(answered(visitor, page))
    assert "Step by step" in told
    wide = visitor.get(page.url.path, csv="chain").text
    rows = list(csv.DictReader(io.StringIO(wide)))
    assert [row["edit"] for row in rows] == ["demand=+50%", "price[meter=gpu]=-10%"]
    assert float(rows[1]["change"]) == pytest.approx(
        float(rows[0]["alone"]) + float(rows[1]["alone"])
    )
    causes = csv.DictReader(io.StringIO(visitor.get(page.url.path, csv="why").text))
    changes = [(row["kind"], float(row["change"])) for row in causes]
    assert sum(change for kind, change in changes if kind != "all") == pytest.approx(
        float(rows[1]["change"])
    )


def test_a_question_that_is_refused_keeps_what_was_written(lab, visitor):
    lab.planned()
    page = visitor.post("/what-if", plan=lab.plan, more="demand=+5%\nnonsens", price="x", ask="1")
    assert page.status_code == 422
    assert "it is no edit" in text(page.text)
    assert "nonsens</textarea>" in page.text
    assert visitor.post("/what-if", plan=lab.plan, ask="1").status_code == 422
    gone = visitor.post("/what-if", plan="pln_0", demand="5", ask="1")
    assert (gone.status_code, "choose another" in text(gone.text)) == (422, True)


def test_what_the_case_refuses_comes_back_beside_the_field(lab, visitor):
    lab.planned()
    page = visitor.post("/what-if", plan=lab.plan, without_offers="azure/*", ask="1")
    html = answered(visitor, page)
    assert re.search(r'id="wrong-without_offers">[^<]*azure/\*', html)


def test_a_question_without_a_plan_that_can_be_made(lab, visitor):
    lab.planned()
    edit = "meters.on_demand=none"
    html = answered(visitor, visitor.post("/what-if", plan=lab.plan, more=edit, ask="1"))
    assert "answer" in html
    assert "unexpected" not in text(html)


def test_who_may_only_read_cannot_ask_or_decide(lab):
    rows = lab.put_forward()
    reader = Asking(lab, lab.key_of(Role.viewer))
    assert 'name="ask"' not in reader.get("/what-if").text
    assert reader.post("/what-if", plan=lab.plan, demand="5", ask="1").status_code == 403
    page = reader.get(f"/recommendations/{rows[0]['id']}").text
    assert "/accept" not in page
    assert "approver" in text(page)
    denied = reader.post(f"/recommendations/{rows[0]['id']}/accept", version="1")
    assert denied.status_code == 403


def test_a_decision_is_of_the_version_that_was_shown(lab, visitor):
    first, second = lab.put_forward()
    path = f"/recommendations/{first['id']}"
    assert visitor.post(f"{path}/accept").status_code == 428
    page = visitor.post(f"{path}/accept", version="1", reason=HOSTILE)
    assert page.status_code == 200
    assert HOSTILE in text(page.text)
    assert HOSTILE not in page.text
    late = visitor.post(f"{path}/dismiss", version="1", reason="too late")
    assert late.status_code == 412
    assert "Someone else decided" in text(late.text)
    assert "too late" in text(late.text)
    unsaid = visitor.post(f"/recommendations/{second['id']}/dismiss", version="1")
    assert unsaid.status_code == 422
    assert lab.store.recommendations.get(second["id"]).state == "active"
    listed = text(visitor.get("/recommendations", state="accepted").text)
    assert first["offer"] in listed
    assert visitor.get("/recommendations", state="maybe").status_code == 422


def test_what_a_recommendation_is_predicted_to_save(lab, visitor):
    """By hand (fixtures/tiny): the plan of $7/h covers 12.75 cpus and 2 gpus of $10 for $28."""
    rows = {row["offer"]: row for row in lab.put_forward()}
    told = text(visitor.get(f"/recommendations/{rows['plan']['id']}").text)
    assert "replaces $32.75 on demand and costs $28" in told
    assert "save $4.75" in told


def test_a_stranger_s_page_is_not_there(lab, service):
    rows = lab.put_forward()
    other = service.lab()
    stranger = Asking(other, other.key)
    for path in (
        f"/recommendations/{rows[0]['id']}", f"/routes?plan={lab.plan}",
        f"/what-if?plan={lab.plan}", f"/usage?snapshot={lab.snapshot}",
    ):  # fmt: skip
        assert stranger.get(path).status_code == 404, path


def test_a_plan_that_routes_nothing_says_so(lab, visitor):
    lab.planned()
    assert "No plan routes requests yet" in text(visitor.get("/routes").text)
    assert "routes nothing" in text(visitor.get("/routes", plan=lab.plan).text)
    assert visitor.get(f"/routes/{lab.plan}/litellm").status_code == 422
    assert visitor.get(f"/routes/{lab.plan}/envoy").status_code == 404


def test_a_tag_with_ten_thousand_values(lab, visitor):
    rows = ["hour,meter,quantity,tag_team"]
    rows += [f"2025-12-31T23:00:00Z,cpu,{n + 1},team-{n:05}" for n in range(TEAMS)]
    rows.append(f'2025-12-31T23:00:00Z,cpu,{3 * TEAMS},"{HOSTILE.replace(chr(34), chr(34) * 2)}"')
    snapshot = lab.upload(usage="\n".join(rows) + "\n")
    page = visitor.get("/usage", snapshot=snapshot, by="tag_team", window="24h")
    assert page.status_code == 200
    assert len(page.content) < 100_000
    told = text(page.text)
    assert HOSTILE not in page.text
    assert "&lt;img" in page.text
    assert f"({TEAMS + 1 - 50} others)" in told
    # A bar is called what the row is called, without the row's amounts.
    assert f'<span class="name">team-{TEAMS - 1:05}</span>' in page.text
    narrowed = visitor.get(
        "/usage", snapshot=snapshot, by="tag_team", window="24h", **{"spend.q": "team-00041"}
    )
    assert "team-00041" in text(narrowed.text)
    whole = visitor.get("/usage", snapshot=snapshot, by="tag_team", window="24h", csv="spend").text
    every = list(csv.DictReader(io.StringIO(whole)))
    groups = [row for row in every if row["team" if "team" in row else "tag_team"] != "Total"]
    assert len(groups) == TEAMS + 1
    total = sum(float(row["total"]) for row in groups)
    assert total == pytest.approx(sum(range(1, TEAMS + 1)) + 3 * TEAMS)


def test_a_window_that_is_none_is_told_beside_the_form(lab, visitor):
    snapshot = lab.upload()
    page = visitor.get("/usage", snapshot=snapshot, window="fortnight")
    assert page.status_code == 422
    assert "write a length such as 24h" in text(page.text)
    assert 'value="fortnight"' in page.text
    wrong = visitor.get("/usage", snapshot=snapshot, by="tag_teem", window="all")
    assert wrong.status_code == 422
    assert "tag_teem" in text(wrong.text)
