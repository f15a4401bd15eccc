# SPDX-License-Identifier: Apache-2.0
"""The anomalies of a window as a section: a sentence, the events by dollars, who carries them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from optimizer.planning.anomalies import Anomaly, Findings
from optimizer.reporting.document import Block, Column, Kind, Prose, Row, Section, Table
from optimizer.reporting.render.values import money
from optimizer.tables import format_hour

TOLD = 10  # events of the table; the rest is counted
ALL = 0.995  # a share that is shown as the whole
KINDS = {
    "spike": "spike",
    "drop": "drop",
    "rise": "level up",
    "fall": "level down",
    "gap": "no data",
}
_ABOVE = (
    "usage of the event's hours less what was expected, at on-demand prices; "
    "of a new level its first day"
)
_BILL = "bill of the event's hours less that of what was expected, both replayed with what is held"


def anomaly_section(findings: Findings, *, most: int = TOLD) -> Section:
    """Return the section: the ``most`` events of the most dollars, each with who carries it."""
    columns = (
        Column("kind", "What", Kind.state),
        Column("series", "Where"),
        Column("start", "First hour", Kind.moment),
        Column("hours", "Hours", Kind.whole),
        Column("state", "Now", Kind.state),
        Column("dollars", "Above expected", Kind.change, formula=_ABOVE),
        Column("bill", "Effect on the bill", Kind.change, formula=_BILL),
        Column("carriers", "Carried by", formula="values with the largest part of the excess"),
    )
    told = findings.anomalies[:most]
    more = len(findings.anomalies) - len(told)
    rest = (
        f"{more} more of fewer dollars; gpuopt anomalies CASE --format csv has all of them."
        if more
        else ""
    )
    table = Table(
        name="anomalies",
        title="Anomalies by dollars",
        columns=columns,
        rows=tuple(_row(anomaly) for anomaly in told),
        note=_note(findings),
        rest=rest,
        empty="Nothing was out of the ordinary.",
        stack=True,
    )
    blocks: list[Block] = [Prose(sentence(findings), _tone(findings)), table]
    blocks += [Prose(note, "warning") for note in findings.notes]
    return Section("anomalies", "Anomalies", tuple(blocks))


def sentence(findings: Findings) -> str:
    """What was found, in a sentence."""
    gaps = [a for a in findings.anomalies if a.kind == "gap"]
    events = [a for a in findings.anomalies if a.kind != "gap"]
    lacking = ""
    if gaps:
        hours = max(a.hours for a in gaps)
        where = ", ".join(sorted({a.value or "requests" for a in gaps}))
        lacking = f" Data is missing: {where}, up to {hours} hours; they are not judged."
    if not findings.series:
        return f"No series could be judged: it takes two weeks of hourly rows.{lacking}"
    if not events:
        return f"{findings.series} series were judged: nothing was out of the ordinary.{lacking}"
    on = sum(a.ongoing for a in events)
    above = money(
        sum((a.dollars for a in events if a.dollars and a.dollars > 0), Decimal(0)),
        findings.currency,
    )
    return (
        f"{len(events)} event{'s' if len(events) > 1 else ''} in {findings.series} series, "
        f"{on or 'none'} still on; those above what was expected come to {above} "
        f"at on-demand prices.{lacking}"
    )


def _note(findings: Findings) -> str:
    parts = []
    if findings.small:
        least = money(findings.least, findings.currency)
        parts.append(f"{findings.small} events below {least} are left out.")
    if findings.too_short:
        shown = ", ".join(findings.too_short[:5])
        more = len(findings.too_short) - 5
        parts.append(
            f"Too short to judge (less than two weeks): {shown}"
            + (f" and {more} more." if more > 0 else ".")
        )
    return " ".join(parts)


def _tone(findings: Findings) -> str:
    if any(a.ongoing or a.kind == "gap" for a in findings.anomalies):
        return "warning"
    return "plain" if findings.anomalies else "good"


def _row(anomaly: Anomaly) -> Row:
    gap = anomaly.kind == "gap"
    return Row(
        values=(
            KINDS[anomaly.kind],
            f"rows of {anomaly.value or 'requests'}" if gap else anomaly.name,
            datetime.fromisoformat(format_hour(anomaly.start)),
            anomaly.hours,
            _state(anomaly),
            anomaly.dollars,
            anomaly.bill,
            carried(anomaly),
        ),
        key=f"{anomaly.start}/{anomaly.name}",
        source="workloads" if anomaly.measure in ("requests", "input_tokens", "output_tokens")
        else "usage",
    )  # fmt: skip


def _state(anomaly: Anomaly) -> str:
    if anomaly.ongoing:
        return "still on"
    return "new level" if anomaly.kind in ("rise", "fall") else "ended"


def carried(anomaly: Anomaly) -> str:
    """The value of each column that carries the most, with its share where it is not all.

    Tags first; zones are in the JSON only.
    """
    found = []
    columns = dict.fromkeys(carrier.column for carrier in anomaly.carriers)
    for column in sorted(
        columns, key=lambda name: (not name.startswith("tag_"), name == "account")
    ):
        if column == "zone":
            continue
        most = [c for c in anomaly.carriers if c.column == column and c.value]
        if (column, anomaly.value) == (anomaly.column, most[0].value if most else ""):
            continue  # said by where it is
        if most:
            share = f" {most[0].share:.0%}" if 0 < most[0].share < ALL else ""
            found.append(f"{column.removeprefix('tag_')} {most[0].value}{share}")
    return " · ".join(found)
