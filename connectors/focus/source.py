# SPDX-License-Identifier: Apache-2.0
"""The source ``focus``: files of FOCUS rows → usage, meters and what is held."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd

from connectors.charge_tables import meter_table, usage_table
from connectors.charges import Charges, TagKeys
from connectors.focus.commitments import commitment_tables
from connectors.focus.files import column_types, find_files, literal, source_sql
from connectors.focus.rows import Reader, charges_sql
from connectors.pulled import Asked, Outcome, Pulled, Remark, Report, Request
from optimizer.errors import DataError


def pull(request: Request, report: Report) -> Pulled:
    """Read the files and folders that ``request.accounts`` names.

    Settings: ``tags`` (keys that become ``tag_*`` columns, ``;`` between them) and
    ``term_hours`` (of commitments whose term no row tells; default 8760).

    Raises
    ------
    UsageError
        If a path does not exist.
    DataError
        If a file is no FOCUS export, is cut off, or the files have several currencies.
    """
    return pull_files(find_files(request.accounts), request, report)


def pull_files(files: Sequence[Path], request: Request, report: Report) -> Pulled:
    """Read some files; see :func:`pull`."""
    tags = TagKeys(
        tuple(k.strip() for k in request.settings.get("tags", "").split(";") if k.strip())
    )
    with Charges(request.since, request.until, tags) as charges:
        for i, file in enumerate(files):
            report.progress(f"reading {file.name} ({i + 1} of {len(files)})")
            add_file(charges, file)
            report.asked.append(Asked("focus", "read", file.name, Outcome.ANSWERED))
        charges.finish()
        return focus_tables(charges, request, report, "FOCUS rows")


def add_file(charges: Charges, file: Path) -> None:
    """Add one file of FOCUS rows."""
    reader = Reader(column_types(charges.connection, file), file.name)
    sql = charges_sql(reader, source_sql(file), charges.tags)
    charges.add(sql, [literal(file)], file.name)


def focus_tables(charges: Charges, request: Request, report: Report, source: str) -> Pulled:
    """Return the tables of all charges that were added.

    Raises
    ------
    DataError
        If they are in more than one currency.
    """
    currencies = [
        row[0] for row in charges.rows("SELECT DISTINCT currency FROM charges ORDER BY 1")
    ]
    if len(currencies) > 1:
        raise DataError(
            f"the rows are billed in {' and '.join(currencies)}",
            mend="pull each currency into a snapshot of its own",
        )
    if request.regions:
        only_regions(charges, request.regions, report)
    report_left(charges, report)
    as_of = f"{request.until:%Y-%m-%d}"
    tables = {
        "meters": meter_table(charges, report, source, as_of),
        "usage": usage_table(charges, report),
        **commitment_tables(charges, report, request.settings, as_of),
    }
    if len(currencies) == 1 and len(tables["meters"]):
        tables["meters"]["currency"] = currencies[0]
    _drop_covers_elsewhere(tables)
    return Pulled(tables)


def only_regions(charges: Charges, regions: Sequence[str], report: Report) -> None:
    """Leave out usage of other regions than those asked for."""
    names = ", ".join("?" for _ in regions)
    where = f"is_usage AND region <> '' AND region NOT IN ({names})"
    found = charges.rows(f"SELECT coalesce(sum(rows), 0) FROM charges WHERE {where}", regions)[0][0]
    if found:
        charges.connection.execute(f"DELETE FROM charges WHERE {where}", list(regions))
        report.remarks.append(Remark("regions", "usage of other regions is left out", int(found)))


def report_left(charges: Charges, report: Report) -> None:
    """Say what is in the rows but not in the case."""
    for service, rows, billed in charges.rows(
        "SELECT service, sum(rows), sum(billed) FROM charges"
        " WHERE NOT scoped GROUP BY service ORDER BY sum(billed) DESC, service LIMIT 20"
    ):
        amount = Decimal(billed or 0).quantize(Decimal("0.01"))
        text = f"neither compute nor AI: left out, {amount} billed"
        report.remarks.append(Remark(service or "a service without a name", text, int(rows)))


def _drop_covers_elsewhere(tables: dict[str, pd.DataFrame]) -> None:
    """Drop covers of meters outside the case (another region): an offer may cover less."""
    if "covers" not in tables:
        return
    known = set(tables["meters"]["meter"])
    covers = tables["covers"]
    tables["covers"] = covers[covers["meter"].isin(known)].reset_index(drop=True)
    sold = set(tables["covers"]["offer"])
    for name in ("offers", "commitments"):
        frame = tables[name]
        tables[name] = frame[frame["offer"].isin(sold)].reset_index(drop=True)
    if not len(tables["commitments"]):
        for name in ("offers", "covers", "commitments"):
            del tables[name]
