# SPDX-License-Identifier: Apache-2.0
"""What the exports share: the routes of a plan's document, weights, names and YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.errors import DataError

WEIGHTS = 1000  # the weights of a class add up to it
LONGEST = 63  # characters of a label (RFC 1035)

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Backend:
    """A deployment that answers a class: with which part of its requests.

    ``weight`` is a whole number; those of a class add up to :data:`WEIGHTS`.
    """

    deployment: str
    model: str
    kind: str
    provider: str
    weight: int


def backends(document: Document, hour: str | None = None) -> dict[str, list[Backend]]:
    """Return the backends of each class, by name; of one hour, or of the whole horizon.

    Parameters
    ----------
    document
        A plan document.
    hour
        As in ``2026-11-21T14:00:00Z``; ``None``: the share of all requests of the horizon.

    Raises
    ------
    DataError
        If the plan routes nothing, or not in that hour, or was written without hours.
    """
    rows = _rows(document, "routes")
    if hour is not None:
        _need_hours(rows)
        rows = [row for row in rows if row["hour"] == hour]
        if not rows:
            raise DataError(
                f"the plan routes nothing in {hour}",
                mend="name an hour of its horizon, as in 2026-11-21T14:00:00Z",
            )
    requests: dict[str, dict[str, float]] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        own = requests.setdefault(row["workload"], {})
        own[row["deployment"]] = own.get(row["deployment"], 0.0) + row["requests"]
        facts[row["deployment"]] = row
    found = {}
    for workload, own in sorted(requests.items()):
        whole = _whole(own)
        found[workload] = [
            Backend(
                deployment=name,
                model=facts[name]["model"],
                kind=facts[name]["kind"],
                provider=facts[name]["provider"],
                weight=weight,
            )
            for name, weight in sorted(whole.items())
            if weight
        ]
    return found


def replica_hours(document: Document) -> list[Mapping[str, Any]]:
    """Return the rows of replicas by hour.

    Raises
    ------
    DataError
        If the plan has no replicas, or was written without hours.
    """
    rows = _rows(document, "replicas")
    _need_hours(rows)
    return rows


def _rows(document: Document, key: str) -> list[Mapping[str, Any]]:
    rows = document.get(key)
    if not rows:
        raise DataError(f"the plan has no {key}", mend="plan a case with workloads and deployments")
    return list(rows)


def _need_hours(rows: Sequence[Mapping[str, Any]]) -> None:
    if any("hour" not in row for row in rows):
        raise DataError(
            "the plan was written without its hours",
            mend="write it again: gpuopt plan CASE --detail --json -o PLAN.json",
        )


def _whole(requests: Mapping[str, float]) -> dict[str, int]:
    """Return whole weights by the largest remainder; what is routed at all has at least one."""
    total = sum(requests.values())
    if not total:
        return {}
    exact = {name: WEIGHTS * amount / total for name, amount in requests.items() if amount > 0}
    weights = {name: max(int(share), 1) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (weights[name] - exact[name], name))
    missing = WEIGHTS - sum(weights.values())
    for name in by_remainder[: max(missing, 0)]:
        weights[name] += 1
    if missing < 0:
        weights[max(weights, key=lambda name: (weights[name], name))] += missing
    return weights


def labels(names: Sequence[str]) -> dict[str, str]:
    """Return a Kubernetes label (RFC 1035) for each name, all different.

    Raises
    ------
    DataError
        If two names become the same label.
    """
    found: dict[str, str] = {}
    for name in names:
        text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        text = text if text[:1].isalpha() else f"d-{text}"
        text = text[:LONGEST].rstrip("-")
        other = next((known for known, label in found.items() if label == text), None)
        if other is not None:
            raise DataError(
                f"deployments '{other}' and '{name}' would both be named {text}",
                mend="give one of them a name that differs in letters or digits",
            )
        found[name] = text
    return found


def environment(name: str, suffix: str) -> str:
    """Return the name of an environment variable for a deployment."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") + f"_{suffix}"


def yaml(value: Any, indent: int = 0) -> str:
    """Write mappings, lists, texts and whole numbers as YAML; texts in JSON's quotes."""
    pad = "  " * indent
    if isinstance(value, Mapping):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, Mapping | list):
                lines.append(f"{pad}{key}:\n{yaml(inner, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {json.dumps(inner)}\n")
        return "".join(lines)
    lines = []
    for item in value:
        if isinstance(item, Mapping):
            text = yaml(item, indent + 1)
            lines.append(f"{pad}- {text[len(pad) + 2 :]}")
        else:
            lines.append(f"{pad}- {json.dumps(item)}\n")
    return "".join(lines)


def heading(document: Document, hour: str | None) -> str:
    """Return the comment that says which plan it is from, and of when."""
    span = f"the hour {hour}" if hour else "the whole horizon"
    return f"# gpuopt plan {document['plan']}, snapshot {document['snapshot']}: {span}\n"
