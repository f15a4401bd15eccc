# SPDX-License-Identifier: Apache-2.0
"""Cases of four hours, small enough to reckon by hand."""

from __future__ import annotations

from pathlib import Path

from optimizer.tables import Case

from .folders import Row, cover
from .memory import case_of

EXACT = '[solve]\nmethod = "reference"\ngap = 0\n'
FOUR = [4, 4, 4, 4]


def case(
    folder: Path,
    toml: str = "",
    *,
    meters: list[Row],
    used: list[Row],
    offers: list[Row] | None = None,
    **tables: list[Row],
) -> Case:
    """Four hours; every offer covers every meter one to one unless ``covers`` says else."""
    offers = offers or []
    covers = [cover(o["offer"], m["meter"]) for o in offers for m in meters]
    return case_of(
        folder,
        4,
        EXACT + toml,
        **{"meters": meters, "usage": used, "offers": offers, "covers": covers, **tables},
    )
