# SPDX-License-Identifier: Apache-2.0
"""Rows of routed cases: meters, requests, deployments."""

from __future__ import annotations

from typing import Any

from optimizer.planning import plan_document

from .conftest import Row, at


def meter(name: str, price: Any, **more: Any) -> Row:
    return {
        "meter": name,
        "provider": "aws",
        "product": "gpu",
        "unit": "GPU-Hours",
        "on_demand": price,
    } | more


def requests(name: str, counts: list[float], **more: Any) -> list[Row]:
    return [
        {"workload": name, "hour": at(hour), "requests": count} | more
        for hour, count in enumerate(counts)
    ]


def replica(name: str, of: str, rate: Any, **more: Any) -> Row:
    return {
        "deployment": name,
        "model": f"model of {name}",
        "kind": "replica",
        "meter": of,
        "meter_units": 1,
        "requests_per_second": rate,
    } | more


def api(name: str, of: str, units: Any, **more: Any) -> Row:
    return {
        "deployment": name,
        "model": f"model of {name}",
        "kind": "api",
        "meter": of,
        "meter_units": units,
    } | more


def shares(plan: Any) -> dict[tuple[str, str], float]:
    rows = plan_document(plan)["routes"]
    return {(row["workload"], row["deployment"]): row["share"] for row in rows}


METERS = [meter("h100", 4), meter("tokens", 2, product="tokens", unit="1M Tokens")]
