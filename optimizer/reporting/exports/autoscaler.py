# SPDX-License-Identifier: Apache-2.0
"""Replicas as a table for an autoscaler: how many of each deployment run in each hour."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

from optimizer.reporting.exports.routed import Document, replica_hours

COLUMNS = ("hour", "deployment", "model", "replicas")


def autoscaler(document: Document, hour: str | None = None) -> str:
    """Return CSV: a row for every deployment and hour, zeros included.

    Parameters
    ----------
    hour
        Only this hour; ``None``: all of the horizon.

    Raises
    ------
    DataError
        As of :func:`~optimizer.reporting.exports.routed.replica_hours`.
    """
    rows = replica_hours(document)
    running: dict[str, dict[str, float]] = defaultdict(dict)
    models = {row["deployment"]: row["model"] for row in rows}
    for row in rows:
        running[row["hour"]][row["deployment"]] = row["replicas"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for when in sorted(running):
        if hour is None or when == hour:
            for deployment, model in sorted(models.items()):
                count = running[when].get(deployment, 0.0)
                writer.writerow([when, deployment, model, f"{count:g}"])
    return out.getvalue()
