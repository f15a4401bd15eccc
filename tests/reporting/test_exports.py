# SPDX-License-Identifier: Apache-2.0
"""Exports: read back as what reads them would, and held against its published rules."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from optimizer.errors import DataError
from optimizer.reporting.exports import autoscaler, gateway, litellm
from optimizer.reporting.exports.routed import WEIGHTS, backends, labels

yaml = pytest.importorskip("yaml")

HOURS = ("2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z")
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")  # RFC 1035, as Gateway API asks of a Service


def route(workload: str, deployment: str, hour: str, requests: float) -> dict[str, Any]:
    """A row of ``routes`` under ``--detail``."""
    kind, provider, model = {
        "qwen3-235b/p5": ("replica", "aws", "qwen3-235b-a22b-2507"),
        "gpt-5-chat": ("api", "openai", "gpt-5-chat"),
        "claude": ("api", "aws", "claude-sonnet-4"),
        "gpt-5/ptu": ("throughput", "azure", "gpt-5"),
    }[deployment]
    return {
        "workload": workload,
        "deployment": deployment,
        "model": model,
        "kind": kind,
        "provider": provider,
        "hour": hour,
        "share": 0.0,
        "requests": requests,
    }


def replicas(deployment: str, hour: str, count: float) -> dict[str, Any]:
    return {"deployment": deployment, "model": "m", "hour": hour, "replicas": count}


PLAN: dict[str, Any] = {
    "plan": "pln_1",
    "status": "optimal",
    "snapshot": "sha256:0",
    "routes": [
        route("chat", "qwen3-235b/p5", HOURS[0], 2.0),
        route("chat", "gpt-5-chat", HOURS[0], 1.0),
        route("chat", "qwen3-235b/p5", HOURS[1], 999_999.0),
        route("chat", "claude", HOURS[1], 0.5),
        route("Code: C++", "gpt-5/ptu", HOURS[0], 5.0),
    ],
    "replicas": [
        replicas("qwen3-235b/p5", HOURS[0], 2.0),
        replicas("qwen3-235b/p5", HOURS[1], 40.0),
        replicas("gpt-5/ptu", HOURS[0], 15.0),
    ],
}


def test_litellm_reads_its_router() -> None:
    config = yaml.safe_load(litellm(PLAN, HOURS[0]))
    assert config["router_settings"] == {"routing_strategy": "simple-shuffle"}
    found = {m["model_info"]["id"]: m for m in config["model_list"]}
    assert set(found) == {"chat/qwen3-235b/p5", "chat/gpt-5-chat", "Code: C++/gpt-5/ptu"}
    own = found["chat/qwen3-235b/p5"]
    assert own["model_name"] == "chat"
    assert own["litellm_params"] == {
        "model": "hosted_vllm/qwen3-235b-a22b-2507",
        "api_base": "os.environ/QWEN3_235B_P5_API_BASE",
        "api_key": "os.environ/QWEN3_235B_P5_API_KEY",
        "weight": 667,
    }
    assert found["chat/gpt-5-chat"]["litellm_params"] == {
        "model": "openai/gpt-5-chat",
        "weight": 333,
    }
    units = found["Code: C++/gpt-5/ptu"]["litellm_params"]
    assert units["model"] == "azure/gpt-5"
    assert "api_base" in units
    every = yaml.safe_load(litellm(PLAN))["model_list"]
    assert {m["litellm_params"]["model"] for m in every} >= {"bedrock/claude-sonnet-4"}


def test_gateway_keeps_the_rules_of_an_http_route() -> None:
    routes = list(yaml.safe_load_all(gateway(PLAN, parent="edge", port=9000)))
    assert [r["metadata"]["name"] for r in routes] == ["code-c", "chat"]
    for each in routes:
        assert each["apiVersion"] == "gateway.networking.k8s.io/v1"
        assert each["kind"] == "HTTPRoute"
        assert each["spec"]["parentRefs"] == [{"name": "edge"}]
        (rule,) = each["spec"]["rules"]
        assert len(rule["backendRefs"]) <= 16
        for backend in rule["backendRefs"]:
            assert set(backend) == {"name", "port", "weight"}
            assert LABEL.fullmatch(backend["name"])
            assert len(backend["name"]) <= 63
            assert 0 <= backend["weight"] <= 1_000_000
            assert backend["port"] == 9000
    header = routes[0]["spec"]["rules"][0]["matches"][0]["headers"]
    assert header == [{"type": "Exact", "name": "x-gpuopt-class", "value": "Code: C++"}]


def test_weights_are_whole_and_nothing_that_is_routed_is_left_out() -> None:
    for hour in (None, *HOURS):
        for found in backends(PLAN, hour).values():
            assert sum(each.weight for each in found) == WEIGHTS
            assert all(each.weight >= 1 for each in found)
    assert [each.weight for each in backends(PLAN, HOURS[1])["chat"]] == [1, 999]


def test_autoscaler_has_every_deployment_in_every_hour() -> None:
    rows = list(csv.DictReader(io.StringIO(autoscaler(PLAN))))
    assert [(r["hour"], r["deployment"], r["replicas"]) for r in rows] == [
        (HOURS[0], "gpt-5/ptu", "15"),
        (HOURS[0], "qwen3-235b/p5", "2"),
        (HOURS[1], "gpt-5/ptu", "0"),
        (HOURS[1], "qwen3-235b/p5", "40"),
    ]
    assert len(list(csv.DictReader(io.StringIO(autoscaler(PLAN, HOURS[1]))))) == 2


def test_labels_differ_or_are_refused() -> None:
    found = labels(["llama-3.1-8b/g6e", "8b", "x" * 80])
    assert found["llama-3.1-8b/g6e"] == "llama-3-1-8b-g6e"
    assert all(LABEL.fullmatch(text) and len(text) <= 63 for text in found.values())
    with pytest.raises(DataError, match=r"'a/b' and 'a\.b' would both be named a-b"):
        labels(["a/b", "a.b"])


def test_what_cannot_be_exported_says_why() -> None:
    short = {
        **PLAN,
        "routes": [{k: v for k, v in r.items() if k != "hour"} for r in PLAN["routes"]],
    }
    assert litellm(short)
    with pytest.raises(DataError, match="without its hours"):
        litellm(short, HOURS[0])
    with pytest.raises(DataError, match="routes nothing in 2027"):
        gateway(PLAN, "2027-01-01T00:00:00Z")
    with pytest.raises(DataError, match="no replicas"):
        autoscaler({**PLAN, "replicas": []})
    many = [
        {**route("chat", "gpt-5-chat", HOURS[0], 1.0), "deployment": f"d{n}"} for n in range(17)
    ]
    with pytest.raises(DataError, match="answered by 17 deployments"):
        gateway({**PLAN, "routes": many})


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    done = CliRunner().invoke(app, ["export", str(file), "--to", "litellm"])
    assert done.exit_code == 0
    assert done.stdout == litellm(PLAN)
    out = tmp_path / "routes.yaml"
    done = CliRunner().invoke(
        app, ["export", str(file), "--to", "gateway", "--hour", HOURS[0], "-o", str(out)]
    )
    assert done.exit_code == 0
    assert out.read_text() == gateway(PLAN, HOURS[0])
    done = CliRunner().invoke(app, ["export", str(tmp_path / "no.json"), "--to", "autoscaler"])
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr
