# SPDX-License-Identifier: Apache-2.0
"""What was intended, beside what it cost: a section."""

from __future__ import annotations

from optimizer.planning.spend import Intent
from optimizer.reporting.document import Block, Column, Kind, Prose, Row, Section, Table


def intent_section(intent: Intent) -> Section:
    """Spend by stage, and what was planned beside what ran."""
    stages = Table(
        "spend_by_stage",
        "Spend by stage",
        (
            Column("stage", "Stage", Kind.state),
            Column("cost", "Cost", Kind.money),
            Column("share", "Share", Kind.share, formula="cost ÷ spend of the window"),
        ),
        tuple(Row((stage.stage, stage.cost, stage.share), key=stage.stage)
              for stage in intent.stages),
        note="none: usage of no initiative, and unused commitments",
    )  # fmt: skip
    initiatives = Table(
        "initiatives",
        "Planned and actual",
        (
            Column("initiative", "Initiative"),
            Column("stage", "Stage", Kind.state),
            Column("what", "Of"),
            Column("planned", "Planned", Kind.quantity, formula="quantity × hours in the window"),
            Column("actual", "Actual", Kind.quantity, formula="units or requests that matched"),
            Column("planned_cost", "Planned cost", Kind.money, formula="planned × on-demand price"),
            Column("actual_cost", "Actual cost", Kind.money),
            Column("note", "Note"),
        ),
        tuple(
            Row(
                (
                    part.initiative,
                    part.stage,
                    part.what,
                    part.planned,
                    part.actual,
                    part.planned_cost,
                    part.actual_cost,
                    part.note,
                ),
                key=f"{part.initiative}/{part.row}",
                source=f"initiatives, row {part.row}",
            )
            for part in intent.parts
        ),
    )
    blocks: list[Block] = [stages, initiatives]
    blocks += [Prose(note, "warning") for note in intent.notes]
    return Section("intent", "What was intended", tuple(blocks))
