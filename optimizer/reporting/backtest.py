# SPDX-License-Identifier: Apache-2.0
"""A backtest as people read it: one table for each scenario and start, a bar for each rule.

Every number is the document's own.  :func:`chart` is the same as a Vega-Lite specification,
with the rows of the table as its data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.reporting.layout import dollars, percent, section
from optimizer.reporting.layout import table as make_table

Document = Mapping[str, Any]
COLUMNS = (
    "scenario", "start", "hours", "dates", "rule", "cost", "on_demand", "commitment_cost",
    "all_on_demand", "cost_over_optimum", "regret", "effective_savings_rate", "coverage",
    "utilization",
)  # fmt: skip
_BAR = 24
_VEGA_LITE = "https://vega.github.io/schema/vega-lite/v5.json"


def backtest_page(document: Document) -> RenderableType:
    """The page of ``gpuopt backtest``."""
    history = document["history"]
    parts: list[RenderableType] = [
        Text.assemble(
            ("gpuopt backtest", "bold"),
            (f"   {document['currency']} · snapshot {document['snapshot'][7:19]}", "dim"),
        ),
        Text(
            f"History {history['start'][:10]} to {history['end'][:10]}, {history['hours']:,} "
            f"hours; a purchase every {document['every_hours']:,} hours from "
            f"{len(document['instruments'])} offers."
        ),
    ]
    for rows in walks(document):
        parts += [section(_heading(rows)), _table(rows)]
    parts += [Text(), _closing(document)]
    if document["left_out"]:
        count = len(document["left_out"])
        parts.append(
            Text(f"{count} offers and meters were left out: --json says why.", style="dim")
        )
    parts += [Text(note, style="dim") for note in (*document["notes"], *document["method"])]
    return Group(*parts)


def walks(document: Document) -> list[list[Document]]:
    """Rows by scenario and start, the cheapest first; in JSON costs are texts."""
    found: dict[tuple[str, str], list[Document]] = {}
    for row in document["rules"]:
        found.setdefault((row["scenario"], row["start"]), []).append(row)
    return [
        sorted(rows, key=lambda row: (Decimal(str(row["cost"])), row["rule"]))
        for rows in found.values()
    ]


def gate_lines(document: Document) -> list[RenderableType]:
    """What a plan's page says of its gate: what the policy would have earned on this history."""
    gate = document.get("gate")
    if gate is None:
        return []
    words = {
        "passed": ("Gate passed: ", "green"),
        "failed": ("Gate failed: ", "bold red"),
        "unknown": ("Gate open: ", "yellow"),
    }
    lines: list[RenderableType] = [Text.assemble(words[gate["verdict"]], f"{gate['reason']}.")]
    if "policy" in gate:
        ours, theirs = gate["policy"], gate["provider"]
        lines.append(
            Text(
                f"Walked without foresight over the last {gate['window_hours'] // 24} days, our "
                f"policy would have saved {percent(ours['effective_savings_rate'])}, the "
                f"provider's rule {percent(theirs['effective_savings_rate'])}, hindsight "
                f"{percent(gate['optimum']['effective_savings_rate'])}."
            )
        )
    return lines


def chart(document: Document) -> dict[str, Any]:
    """Cost over the optimum, a bar for each rule, a row of bars for each scenario and start."""
    rows = [
        {
            "rule": row["rule"],
            "walk": f"{row['scenario']}, from {row['start'][:10]}",
            "cost_over_optimum": row["cost_over_optimum"],
            "effective_savings_rate": row["effective_savings_rate"],
        }
        for row in document["rules"]
    ]
    return {
        "$schema": _VEGA_LITE,
        "title": "What each rule would have cost, over the best that was possible",
        "data": {"values": rows},
        "facet": {"row": {"field": "walk", "type": "nominal", "title": None}},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "mark": {"type": "bar"},
            "encoding": {
                "y": {"field": "rule", "type": "nominal", "sort": "x", "title": None},
                "x": {
                    "field": "cost_over_optimum",
                    "type": "quantitative",
                    "title": "cost ÷ optimum",
                    "scale": {"zero": False},
                },
                "tooltip": [
                    {"field": "rule", "type": "nominal"},
                    {"field": "cost_over_optimum", "type": "quantitative", "format": ".4f"},
                    {"field": "effective_savings_rate", "type": "quantitative", "format": ".1%"},
                ],
            },
        },
    }


def table_rows(document: Document) -> list[list[str]]:
    """The table as text: a heading and a row for each rule, scenario and start."""
    return [
        list(COLUMNS),
        *(
            ["" if row[name] is None else str(row[name]) for name in COLUMNS]
            for row in document["rules"]
        ),
    ]


def markdown(document: Document) -> str:
    """The figures of each scenario and start as Markdown tables."""
    lines: list[str] = []
    for rows in walks(document):
        lines += [f"### {_heading(rows)}", ""]
        lines += ["| rule | cost | ÷ optimum | regret | savings rate | coverage | utilization |"]
        lines += ["|---|---:|---:|---:|---:|---:|---:|"]
        lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _heading(rows: Sequence[Document]) -> str:
    row = rows[0]
    return f"{row['scenario'].capitalize()}, from {row['start'][:10]}: {row['dates']} dates"


def _cells(row: Document) -> list[str]:
    return [
        row["rule"], dollars(row["cost"]), f"{row['cost_over_optimum']:.4f}",
        dollars(row["regret"]), percent(row["effective_savings_rate"]), percent(row["coverage"]),
        percent(row["utilization"]),
    ]  # fmt: skip


def _table(rows: Sequence[Document]) -> RenderableType:
    table = make_table(
        "rule", ">cost", ">÷ optimum", ">regret", ">savings rate", ">coverage", ">utilization",
        "regret, drawn",
    )  # fmt: skip
    most = max(float(row["regret"]) for row in rows)
    for row in rows:
        size = round(_BAR * float(row["regret"]) / most) if most > 0 else 0
        style = "bold" if row["rule"] == "gpuopt" else ""
        table.add_row(*_cells(row), "█" * size, style=style)
    return table


def _closing(document: Document) -> Text:
    """One sentence: our policy against the best peer of each walk, and the worst of each."""
    ours, theirs = [], []
    for rows in walks(document):
        by_rule = {row["rule"]: row["cost_over_optimum"] for row in rows}
        ours += [by_rule["gpuopt"]] if "gpuopt" in by_rule else []
        peers = [ratio for rule, ratio in by_rule.items() if rule not in ("gpuopt", "optimum")]
        theirs += [min(peers)] if peers else []
    if not ours or not theirs:
        return Text()
    return Text(
        f"gpuopt cost at most {max(ours):.4f} times the optimum, the best other rule of each walk "
        f"(picked afterwards) at most {max(theirs):.4f} times.",
        style="bold",
    )


__all__ = ["backtest_page", "chart", "gate_lines", "markdown", "table_rows", "walks"]
