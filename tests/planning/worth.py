# SPDX-License-Identifier: Apache-2.0
"""Rows of routed cases in which requests are told in replicas' worth: one per second."""

from __future__ import annotations

from typing import Any

from optimizer.tables import Case

from .conftest import Row, Write, at

PRORATA = '[finance]\nafter_horizon = "prorata"\n'


def asks(name: str, replicas: list[float], **more: Any) -> list[Row]:
    """Requests in replicas' worth."""
    return [
        {"workload": name, "hour": at(hour), "requests": 3600 * count} | more
        for hour, count in enumerate(replicas)
    ]


def replica(name: str, of: str, **more: Any) -> Row:
    own = {"deployment": name, "model": name, "kind": "replica", "meter": of, "meter_units": 1}
    return own | {"requests_per_second": 1} | more


def as_long_as_asked(write: Write) -> Write:
    """Write cases of as many hours as the requests have."""

    def make(toml: str = "", **tables: list[Row]) -> Case:
        return write(len({row["hour"] for row in tables["workloads"]}), toml, **tables)

    return make
