# SPDX-License-Identifier: Apache-2.0
"""One anomaly told in full, and what the values of a column carry of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from optimizer.planning.anomalies import Anomaly, Carrier, Findings
from optimizer.reporting.document import Column, Kind, Row, Table
from optimizer.reporting.sections.anomalies import KINDS
from optimizer.reporting.spend_tables import name_of, word_of
from optimizer.tables import format_hour

ZERO = Decimal(0)
_FIRST = ("meter", "tag_team", "model")  # columns that are asked for most
_ABOVE = "usage less what was expected, at on-demand prices"


def key_of(anomaly: Anomaly) -> str:
    """What an anomaly is called within its findings: that of its row in the section's table."""
    return f"{anomaly.start}/{anomaly.name}"


def columns_of(findings: Findings) -> list[str]:
    """The columns that explain some of the anomalies: meter, team and model first."""
    found = {carrier.column for each in findings.anomalies for carrier in each.carriers}
    first = [column for column in _FIRST if column in found]
    tags = sorted(column for column in found if column.startswith("tag_"))
    return list(dict.fromkeys([*first, *tags, *sorted(found)]))


def carried_by(anomaly: Anomaly, column: str, value: str) -> bool:
    """Whether a value of a column is among those that carry an anomaly."""
    return any((each.column, each.value) == (column, value) for each in anomaly.carriers)


def carrier_key(carrier: Carrier) -> str:
    """What a carrier is called within its anomaly: that of its row in :func:`carrier_table`."""
    return f"{len(carrier.column)}/{carrier.column}/{carrier.value}"


def carrier_table(anomaly: Anomaly) -> Table:
    """Who carries an anomaly: by column, the most first."""
    columns = (
        Column("column", "By"),
        Column("value", "Who or what"),
        Column("dollars", "Above expected", Kind.change, formula=_ABOVE),
        Column("share", "Of it", Kind.share, formula="part of the whole of this anomaly"),
    )
    order = {column: place for place, column in enumerate(_FIRST)}
    carriers = sorted(
        anomaly.carriers,
        key=lambda each: (order.get(each.column, len(order)), not each.column.startswith("tag_")),
    )
    rows = tuple(
        Row(
            (
                word_of(each.column),
                name_of(each.column, each.value or None),
                each.dollars,
                each.share if each.dollars is not None else None,
            ),
            key=carrier_key(each),
        )
        for each in carriers
    )
    return Table(
        "carriers",
        "Who carries it",
        columns,
        rows,
        note="Of each column the largest parts, at least 5 % of the whole; below zero: less than "
        "was expected.",
        empty="Nothing is known of who carries it.",
    )


def value_table(anomalies: Sequence[Anomaly], column: str) -> Table:
    """The anomalies by the values of a column that carry them, those of the most dollars first."""
    word = word_of(column)
    columns = (
        Column("value", word),
        Column("events", "Events", Kind.whole, formula="anomalies that it carries a part of"),
        Column("on", "Still on", Kind.whole),
        Column("above", "Above expected", Kind.change, formula=f"{_ABOVE}; where it is more"),
        Column("below", "Below expected", Kind.change, formula=f"{_ABOVE}; where it is less"),
        Column("last", "Last began", Kind.moment),
    )
    parts: dict[str, list[tuple[Anomaly, Decimal | None]]] = {}
    for anomaly in anomalies:
        for carrier in anomaly.carriers:
            if carrier.column == column:
                parts.setdefault(carrier.value, []).append((anomaly, carrier.dollars))
    rows = []
    for value, found in parts.items():
        dollars = [amount for _, amount in found if amount is not None]
        last = max(anomaly.start for anomaly, _ in found)
        rows.append(
            Row(
                (
                    name_of(column, value or None),
                    len(found),
                    sum(anomaly.ongoing for anomaly, _ in found),
                    sum((amount for amount in dollars if amount > 0), ZERO) or None,
                    sum((amount for amount in dollars if amount < 0), ZERO) or None,
                    datetime.fromisoformat(format_hour(last)),
                ),
                key=value,
            )
        )
    rows.sort(key=lambda row: (-_size(row), str(row.values[0])))
    return Table(
        "by",
        f"Anomalies by {column.removeprefix('tag_')}",
        columns,
        tuple(rows),
        note="Of each anomaly the values that carry at least 5 % of it.",
        empty="No anomaly is explained by this column.",
    )


def _size(row: Row) -> Decimal:
    return sum((abs(value) for value in row.values if isinstance(value, Decimal)), ZERO)


def fact_rows(anomaly: Anomaly) -> list[tuple[str, object, Kind, str]]:
    """What is known of an anomaly: (title, value, kind, unit), in the order to be read."""
    kind = Kind.money if anomaly.measure in ("cost", "bill") else Kind.quantity
    unit = "" if kind is Kind.money else anomaly.unit
    rows: list[tuple[str, object, Kind, str]] = [
        ("What", KINDS[anomaly.kind], Kind.text, ""),
        ("First hour", datetime.fromisoformat(format_hour(anomaly.start)), Kind.moment, ""),
        ("Hours", anomaly.hours, Kind.whole, "and still on" if anomaly.ongoing else ""),
        ("Told", datetime.fromisoformat(format_hour(anomaly.told)), Kind.moment, ""),
    ]
    if anomaly.kind != "gap":
        rows += [
            ("Was", _amount(anomaly.actual, kind), kind, unit),
            ("Expected", _amount(anomaly.expected, kind), kind, unit),
            ("Above expected", anomaly.dollars, Kind.change, "at on-demand prices"),
            ("Effect on the bill", anomaly.bill, Kind.change, "replayed with what is held"),
        ]
    return rows


def _amount(value: float, kind: Kind) -> Decimal | float:
    return Decimal(repr(value)) if kind is Kind.money else value
