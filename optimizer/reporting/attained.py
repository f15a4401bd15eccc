# SPDX-License-Identifier: Apache-2.0
"""What hours of a plan attained when they were played, as a plan page says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from optimizer.reporting.layout import percent, section, table


def attained_sections(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A section for the latency that was attained; none where the plan claims none."""
    found = document.get("attainment")
    if not found or not found["latency"]:
        return
    yield section("Latency, attained in hours that were played")
    rows = table(
        "class", ">asked", ">attained", ">worst hour", ">worst ten minutes", ">requests", ""
    )
    for row in found["latency"]:
        rows.add_row(
            row["workload"],
            percent(row["asked"]),
            percent(row["attained"]),
            percent(row["least"]),
            percent(row["least_in_ten_minutes"]),
            f"{row['requests']:,}",
            "kept" if row["kept"] else "missed",
        )
    yield rows
    yield Text(f"{len(found['hours'])} hours, the busiest of each class among them.", style="dim")
