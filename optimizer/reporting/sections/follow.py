# SPDX-License-Identifier: Apache-2.0
"""Last advice and what became of it: predicted against realised savings of the week."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from optimizer.planning.weekly.follow import Followed, FollowUp
from optimizer.reporting.document import Block, Column, Kind, Prose, Row, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.words import count_of

MOST = 40
_PREDICTED = (
    "(units that the plan expected it to cover × on-demand price − amortised cost) over the hours "
    "of the plan's horizon in which it is in force, in proportion to those of the week"
)


def follow_section(found: FollowUp, currency: str) -> Section:
    """What was advised, bought and saved."""
    title = "Whether earlier advice came true"
    if not found.rows:
        text = (
            "No earlier advice is known: give the plan of last week to follow up what it advised."
        )
        return Section("follow_up", title, (Prose(text),))
    blocks: list[Block] = [Prose(_sentence(found, currency)), _table(found)]
    return Section("follow_up", title, tuple(blocks))


def _sentence(found: FollowUp, currency: str) -> str:
    states = Counter(row.state for row in found.rows)
    told = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
    text = f"Of {count_of(len(found.rows), 'purchase')} that were advised: {told}."
    if found.together is None:
        return f"{text} None of them was held in the week."
    saved = money(found.together.saving, currency)
    text += f" Together they saved {saved} in the week"
    predicted = found.predicted
    if predicted is None:
        return f"{text}."
    return f"{text}; {money(predicted, currency)} had been predicted."


def _table(found: FollowUp) -> Table:
    columns = (
        Column("offer", "Offer"),
        Column("advised", "Advised", Kind.quantity, formula="in the measure of the offer"),
        Column("state", "State", Kind.state),
        Column("held_as", "Held as"),
        Column("predicted", "Predicted in the week", Kind.money, formula=_PREDICTED),
        Column(
            "realised", "Realised in the week", Kind.money,
            formula="replay of the week's usage without the matched purchase − that with it",
        ),
        Column("difference", "Difference", Kind.change, formula="realised − predicted"),
        Column("reason", "Reason"),
    )  # fmt: skip
    ordered = sorted(found.rows, key=_order)
    rows = [
        Row(
            (
                row.offer, row.wanted, row.state, ", ".join(row.commitments), row.predicted,
                row.realised, _difference(row), row.reason,
            ),
            key=row.offer, source=f"plan {row.plan}",
        )
        for row in ordered[:MOST]
    ]  # fmt: skip
    if found.together is not None:
        saving, predicted = found.together.saving, found.predicted
        more = None if predicted is None else saving - predicted
        rows.append(
            Row(
                ("All that were purchased, together", None, None, None, predicted, saving, more,
                 None),
                key="total", source="replay of usage without all of them", emphasis=True,
            )
        )  # fmt: skip
    left = len(ordered) - MOST
    return Table(
        "follow_up",
        "Predicted and realised savings",
        columns,
        tuple(rows),
        note=(
            "Together is the replay without all of them: where one stands in for another, it is "
            "not the sum of the rows."
        )
        if found.together is not None
        else "",
        rest=f"{count_of(left, 'more purchase')} that nothing is known of." if left > 0 else "",
        stack=True,
    )


def _order(row: Followed) -> tuple[bool, Decimal, str]:
    return (not row.commitments, -(row.realised or Decimal(0)), row.offer)


def _difference(row: Followed) -> Decimal | None:
    if row.predicted is None or row.realised is None:
        return None
    return row.realised - row.predicted
