# SPDX-License-Identifier: Apache-2.0
"""What no cloud knows of a machine, stated by people in its tags or labels.

Whether work may run on spot, how much an interruption costs, which workload a machine serves:
a tag (Azure) or label (Google) named ``gpuopt-COLUMN`` fills that column of ``usage``.  Labels
allow no point and no capitals, so ``0_25`` is 0.25 too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

COLUMNS = ("workload", "spot_tolerant", "lost_hours", "restart_cost", "unmet_penalty")
PREFIX = "gpuopt-"


def stated(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of ``usage`` that tags state; a value that is no number is left out."""
    found = {}
    for key, value in tags.items():
        column = key.lower().removeprefix(PREFIX).replace("-", "_")
        if not key.lower().startswith(PREFIX) or column not in COLUMNS:
            continue
        if column == "workload":
            found[column] = value
        elif re.fullmatch(r"\d+([._]\d+)?", value):
            found[column] = value.replace("_", ".")
    return found


def misread(tags: Mapping[str, str]) -> list[str]:
    """Return the names of tags that were meant for a column but say nothing usable."""
    known = stated(tags)
    return sorted(
        key
        for key in tags
        if key.lower().startswith(PREFIX)
        and key.lower().removeprefix(PREFIX).replace("-", "_") not in known
    )


def chosen(tags: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the tags that were asked for, as ``tag_*`` columns."""
    return {f"tag_{name}": tags.get(name, "") for name in names}
