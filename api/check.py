# SPDX-License-Identifier: Apache-2.0
"""What people read of ``gpuopt check``."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def check_page(document: dict[str, Any]) -> RenderableType:
    """Return the findings as a table, with one closing sentence."""
    facts = document["facts"]
    head = [f"{document['snapshot'][:23]}…  as of {document['as_of']}"]
    if "usage_from" in facts:
        head.append(f"usage {facts['usage_from']} to {facts['usage_until']}")
    if facts.get("gpu_spend_explained") is not None:
        head.append(
            f"GPU usage at on-demand prices {facts['gpu_spend_at_on_demand']:,.2f}"
            f" {document['currency']}, {facts['gpu_spend_explained']:.1%} of it explained"
        )
    table = Table(box=None, pad_edge=False)
    for name in ("", "what", "where", "finding"):
        table.add_column(name, no_wrap=name != "finding")
    for finding in document["findings"]:
        mark = "!" if finding["level"] == "warning" else "·"
        table.add_row(mark, finding["kind"], Text(finding["subject"]), Text(finding["text"]))
    warnings = sum(finding["level"] == "warning" for finding in document["findings"])
    closing = f"\nCheck: {warnings} to look at, {len(document['findings']) - warnings} notes."
    parts: list[RenderableType] = [Text("\n".join(head) + "\n")]
    if document["findings"]:
        parts.append(table)
    return Group(*parts, Text(closing))
