# SPDX-License-Identifier: Apache-2.0
"""What hardware deployments run on, or whose API they call."""

from __future__ import annotations

from typing import Any

from optimizer.tables import Case


def hardware_of(case: Case) -> dict[str, str]:
    """Deployment → the GPU that its replicas draw, such as ``aws H100``; else whose API it is.

    A deployment that draws several meters is named by the one with a GPU. Empty where the case
    routes nothing.
    """
    if not case.has("deployments") or not case.has("meters"):
        return {}
    gpus: dict[str, tuple[str, str]] = {}
    for row in case.table("meters").to_dict("records"):
        gpus[str(row["meter"])] = (str(row["provider"]), _text(row.get("gpu")))
    found: dict[str, str] = {}
    for row in case.table("deployments").to_dict("records"):
        name, meter = str(row["deployment"]), _text(row.get("meter"))
        if meter not in gpus:
            continue
        provider, gpu = gpus[meter]
        if gpu:
            found[name] = f"{provider} {gpu}"
        else:
            kind = "API" if row.get("kind") == "api" else _text(row.get("kind"))
            found.setdefault(name, f"{provider} {kind}".strip())
    return dict(sorted(found.items()))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
