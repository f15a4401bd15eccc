# SPDX-License-Identifier: Apache-2.0
"""What-ifs and sweeps over HTTP: the command line's words and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Lab

WAIT = {"Prefer": "wait=60"}


def test_a_what_if_of_a_plan(solved: Lab) -> None:
    asked = {"plan": solved.plan, "edits": ["demand=+20%"]}
    answer = solved.client.post("/v1/what-ifs", json=asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["id"].startswith("wif_")
    assert job["result"]["change"] == "15.900000000000"
    document = solved.client.get(f"{job['links']['self']}/document").json()
    assert document["edits"] == ["demand=+20%"]
    assert {"figures", "purchases", "why", "effects"} <= set(document)


def test_objects_and_texts_are_one_grammar(solved: Lab) -> None:
    edits: list[Any] = [
        {"target": "offers", "where": {"provider": "aws"}, "column": "term_hours", "op": "<=",
         "value": 8760},
        "price=+10%",
    ]  # fmt: skip
    asked = {"plan": solved.plan, "edits": edits}
    answer = solved.client.post("/v1/what-ifs", json=asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["edits"] == [
        "offers[provider=aws].term_hours<=8760",
        "price=+10%",
    ]


def test_a_sweep(solved: Lab) -> None:
    asked = {"plan": solved.plan, "sweep": "demand=-50%..+100%:4"}
    answer = solved.client.post("/v1/sweeps", json=asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["points"] == 4


@pytest.mark.parametrize(
    "edits",
    [[], ["demnd=+20%"], ["demand=nan"], ["demand=+1%", "demand=+2%"], [{"target": "demand"}],
     [{"target": "price", "value": 1e999}], ["x" * 3000], ["demand=+1%"] * 51, [None],
     "demand=+1%"],
)  # fmt: skip
def test_edits_that_are_none_are_refused_at_once(solved: Lab, edits: Any) -> None:
    body = json.dumps({"plan": solved.plan, "edits": edits})
    answer = solved.client.post(
        "/v1/what-ifs", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_the_case_does_not_have_is_the_jobs_problem(solved: Lab) -> None:
    asked = {"plan": solved.plan, "edits": ["demand[meter=gpuu]=+20%"]}
    answer = solved.client.post("/v1/what-ifs", json=asked, headers=WAIT)
    assert answer.json()["status"] == "failed"
    assert "Did you mean gpu" in answer.json()["problem"]["detail"]


def test_a_plan_of_another_tenant_is_none(solved: Lab) -> None:
    other = solved.service.lab()
    asked = {"what-ifs": {"edits": ["demand=+1%"]}, "sweeps": {"sweep": "demand=+1%..+2%:2"}}
    for source in ({"plan": solved.plan}, {"snapshot": solved.snapshot}):
        for path, more in asked.items():
            answer = other.client.post(f"/v1/{path}", json={**source, **more})
            assert answer.status_code in {404, 422}, answer.text
