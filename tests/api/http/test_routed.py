# SPDX-License-Identifier: Apache-2.0
"""A case with workloads over HTTP: uploaded, planned, and asked about its floors."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Lab, zipped

WAIT = {"Prefer": "wait=60"}
FILES = {
    "case.toml": 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = 3\n'
    "[risk]\nquality_confidence = 0\n",
    "meters.csv": "meter,provider,product,unit,on_demand\n"
    "h100,aws,gpu,GPU-Hours,4\ntokens,aws,tokens,1M Tokens,2\n",
    "workloads.csv": "workload,hour,requests,quality_task,ttft_ms\n"
    "chat,2026-11-21T00:00:00Z,3600,answers,500\n"
    "chat,2026-11-21T01:00:00Z,1000,answers,500\n"
    "chat,2026-11-21T02:00:00Z,4000,answers,500\n",
    "quality.csv": "model,quality_task,quality\nsmall,answers,0.8\nlarge,answers,0.95\n",
    "deployments.csv": "deployment,model,kind,meter,meter_units,requests_per_second,ttft_ms\n"
    "own,small,replica,h100,1,1,100\napi,large,api,tokens,0.001,,300\n",
}


@pytest.fixture(scope="module")
def routed(solved: Lab) -> dict[str, Any]:
    """The plan of three hours: a replica for $4, or $0.002 for each request of the API."""
    answer = solved.client.post(
        "/v1/snapshots",
        content=zipped({name: text.encode() for name, text in FILES.items()}),
        headers={"Content-Type": "application/zip"},
    )
    assert answer.status_code == 201, answer.text
    asked = {"snapshot": answer.json()["id"]}
    plan = solved.client.post("/v1/plans", json=asked, headers=WAIT).json()
    assert plan["status"] == "succeeded", plan["problem"]
    return dict(plan)


def test_it_is_planned(solved: Lab, routed: dict[str, Any]) -> None:
    assert float(routed["result"]["total"]) == pytest.approx(4 + 2 + 4.8)
    document = solved.client.get(f"/v1/plans/{routed['id']}/document").json()
    assert {row["deployment"] for row in document["routes"]} == {"own", "api"}


@pytest.mark.parametrize(
    ("edit", "change", "left"),
    [
        ("quality_floor=0.9", 8600 * 0.002 - 10.8, "api"),  # the small model is not good enough
        ("ttft_ms=200", (1 + 1 + 2) * 4 - 10.8, "own"),  # the API is not fast enough
    ],
)
def test_floors_are_edits(
    solved: Lab, routed: dict[str, Any], edit: str, change: float, left: str
) -> None:
    asked = {"plan": routed["id"], "edits": [edit], "detail": True}
    job = solved.client.post("/v1/what-ifs", json=asked, headers=WAIT).json()
    assert job["status"] == "succeeded", job["problem"]
    assert float(job["result"]["change"]) == pytest.approx(change)
    document = solved.client.get(f"{job['links']['self']}/document").json()
    assert document["routes"]  # what differs
    assert {row["deployment"] for row in document["plan_document"]["routes"]} == {left}
