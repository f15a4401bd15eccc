# SPDX-License-Identifier: Apache-2.0
"""What is known about GPUs: machine type → model, count, memory, as data in ``gpu.csv``.

A type that is not there is no error: it is kept, and whoever meets it says so.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

# Families that are sold for their accelerators; a type of one of them that gpu.csv lacks
# is worth a remark, any other type has no GPU.
_FAMILIES = {
    "aws": re.compile(
        r"(p[2-9][a-z0-9-]*|g[3-9][a-z0-9-]*|gr[0-9][a-z0-9-]*|trn|inf|dl)[0-9a-z-]*"
    ),
    "azure": re.compile(r"(?i)(standard_)?(nc|nd|nv|ng|nm)[0-9a-z_]*"),
    "gcp": re.compile(r"(a[2-9]|g[2-9])-?.*"),
}


@dataclass(frozen=True)
class Gpu:
    """The GPUs of one machine.

    Attributes
    ----------
    model : such as ``H100-80GB``; equal models are of equal capacity.
    count : GPUs in one machine; less than one where a GPU is shared out.
    memory_gib : of one GPU.
    source, as_of : where this is from, and when it was read.
    """

    model: str
    count: Decimal
    memory_gib: Decimal
    source: str
    as_of: str


@functools.cache
def _table() -> dict[tuple[str, str], Gpu]:
    text = resources.files("connectors").joinpath("gpu.csv").read_text("utf-8")
    return {
        (row["provider"], row["type"].lower()): Gpu(
            row["gpu"],
            Decimal(row["gpus"]),
            Decimal(row["memory_gib"]),
            row["source"],
            row["as_of"],
        )
        for row in csv.DictReader(text.splitlines())
    }


def gpu_of(provider: str, machine: str) -> Gpu | None:
    """Return the GPUs of a machine type; ``None`` if it has none or is not known."""
    return _table().get((provider, machine.lower()))


def gpu_types(provider: str) -> list[str]:
    """Return all machine types of a provider that are known to have GPUs."""
    return sorted(name for owner, name in _table() if owner == provider)


def looks_like_gpu(provider: str, machine: str) -> bool:
    """Whether a machine type belongs to a family that is sold for its accelerators."""
    pattern = _FAMILIES.get(provider)
    return pattern is not None and pattern.fullmatch(machine.partition(".")[0]) is not None


def is_gpu_family(meter: Mapping[str, Any]) -> bool:
    """Whether a row of ``meters`` is a machine of such a family."""
    if meter["product"] != "instance":
        return False
    machine = str(meter["meter"]).split("/")[2:3]
    return looks_like_gpu(str(meter["provider"]), machine[0] if machine else "")
