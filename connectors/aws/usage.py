# SPDX-License-Identifier: Apache-2.0
"""Usage of AWS: from data exports in S3, or from Cost Explorer where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from connectors.aws.explorer import explorer_usage
from connectors.aws.exports import add_exports
from connectors.aws.session import Cloud
from connectors.aws.words import Row, read_on
from connectors.charge_tables import meter_table, usage_table
from connectors.charges import Charges, TagKeys
from connectors.focus.source import only_regions, report_left
from connectors.pulled import Remark, Report, Request
from optimizer.errors import DataError


def read_usage(
    cloud: Cloud,
    request: Request,
    regions: Sequence[str],
    paths: Mapping[str, str],
    report: Report,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``usage`` and the ``meters`` it draws, with the prices that its rows state.

    Raises
    ------
    DataError
        If the rows are in more than one currency.
    """
    if cloud.options.export:
        with Charges(request.since, request.until, TagKeys(cloud.options.tags)) as charges:
            if add_exports(cloud, request, report, charges):
                charges.finish()
                return _tables(charges, request, regions, paths, report)
        report.remarks.append(Remark("usage", "the export could not be read"))
    frame = explorer_usage(cloud, request, regions, report)
    if not len(frame):
        return frame, pd.DataFrame({"meter": []})
    frame["account"] = frame["account"].map(lambda account: paths.get(account, account))
    return frame.drop(columns="_spot"), _explorer_meters(frame)


def _tables(
    charges: Charges,
    request: Request,
    regions: Sequence[str],
    paths: Mapping[str, str],
    report: Report,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    currencies = [
        row[0] for row in charges.rows("SELECT DISTINCT currency FROM charges ORDER BY 1")
    ]
    if len(currencies) > 1:
        raise DataError(
            f"the export is billed in {' and '.join(currencies)}",
            mend="pull each payer account into a snapshot of its own",
        )
    for account, path in paths.items():
        charges.connection.execute(
            "UPDATE charges SET account = ? WHERE account = ?", [path, account]
        )
    if regions:
        only_regions(charges, regions, report)
    report_left(charges, report)
    meters = meter_table(charges, report, "usage", read_on(request))
    if currencies and len(meters):
        meters["currency"] = currencies[0]
    return usage_table(charges, report), meters


def _explorer_meters(frame: pd.DataFrame) -> pd.DataFrame:
    rows: list[Row] = []
    for meter in sorted(set(frame["meter"])):
        _, region, machine, *rest = meter.split("/")
        rows.append(
            {
                "meter": meter,
                "provider": "aws",
                "region": region,
                "family": machine.partition(".")[0],
                "product": "instance",
                "unit": "Instance-Hours",
                "capacity_reservation_status": "unused" if rest else None,
            }
        )
    return pd.DataFrame(rows, dtype=object)
