# SPDX-License-Identifier: Apache-2.0
"""What Azure tells only by names: Windows, Spot, Low Priority, the series, the region."""

from __future__ import annotations

import re

SIZE = re.compile(r"^(?:Standard|Basic)_([A-Z]+)(\d+)(?:-\d+)?([a-z]*)((?:_[A-Z]\w*?)?)(_v\d+)?$")
# Usage details of older agreements write the geography first.
TURNED = {"us": "us", "eu": "europe", "ap": "asia"}
SIDE = re.compile(
    r"^(us|eu|ap)\s+(east|west|north|south|central|southeast|north central|south central"
    r"|west central)\s*(\d?)$"
)


def is_windows(name: str) -> bool:
    """Whether a product or sub-category is billed with a Windows licence."""
    return bool(re.search(r"\bWindows\b", name))


def is_spot(name: str) -> bool:
    """Whether a meter or SKU is that of spot machines."""
    return bool(re.search(r"\bSpot\b", name))


def is_low_priority(name: str) -> bool:
    """Whether a meter or SKU is that of low-priority machines, which spot has replaced."""
    return "Low Priority" in name


def is_cloud_service(name: str) -> bool:
    """Whether a product is the old Cloud Services, which list the same sizes again."""
    return bool(re.search(r"\bCloud ?Services\b", name))


def is_size(name: str) -> bool:
    """Whether a name is that of a machine's size, whether or not it is known."""
    return name.lower().startswith(("standard_", "basic_"))


def series_of(machine: str) -> str:
    """Return the series of a size: ``NCadsA100v4`` of ``Standard_NC24ads_A100_v4``.

    A size that is not named this way is its own series: unknown is kept, not dropped.
    """
    match = SIZE.match(machine)
    if match is None:
        return machine
    letters, _, features, accelerator, version = match.groups()
    return f"{letters}{features}{accelerator.strip('_')}{(version or '').strip('_')}"


def region_of(text: str) -> str:
    """Return a region as Azure Resource Manager writes it: ``eastus`` of ``US East``."""
    lower = " ".join(text.lower().split())
    turned = SIDE.match(lower)
    if turned:
        place, side, number = turned.groups()
        return f"{side.replace(' ', '')}{TURNED[place]}{number}"
    return lower.replace(" ", "")
