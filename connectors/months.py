# SPDX-License-Identifier: Apache-2.0
"""Closed billing periods: which months need no second pull, and where their rows lie.

A snapshot keeps the usage of each closed month and source in ``months/SOURCE/``. A later
pull that asks for the same takes them from there and asks for open months only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.manifest import FILE, fingerprint, read_manifest, stamp
from connectors.pulled import Request

FOLDER = "months"
# Providers correct a month's rows for some days after its end; then the invoice is final.
CLOSED_AFTER = timedelta(days=10)


@dataclass(frozen=True)
class Kept:
    """What an earlier snapshot holds of a source.

    Attributes
    ----------
    files : of the closed months that are kept, by month.
    meters : the names of the meters in them.
    request : what is still to be asked.
    snapshot : the folder that they are kept from.
    """

    files: Mapping[str, Path]
    request: Request
    snapshot: Path | None = None


def months_of(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the calendar months of a window as half-open intervals, clipped to it."""
    start = since
    while start < until:
        first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        yield start, min(following, until)
        start = following


def month_name(moment: datetime) -> str:
    """Return the month of a moment, as ``2026-09``."""
    return moment.strftime("%Y-%m")


def is_closed(moment: datetime, until: datetime) -> bool:
    """Whether the month of a moment is final at ``until``."""
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1) + CLOSED_AFTER <= until


def latest_snapshot(folder: Path) -> Path | None:
    """Return the snapshot in a folder that was pulled last; ``None`` if there is none."""
    found: list[tuple[str, Path]] = []
    if folder.is_dir():
        for place in folder.iterdir():
            manifest = None if place.name.startswith(".") else read_manifest(place)
            if manifest is not None and (place / FILE).is_file():
                found.append((str(manifest.get("pulled_at", "")), place))
    return max(found)[1] if found else None


def kept_months(source: str, request: Request, snapshot: Path | None) -> Kept:
    """Return which closed months of a request an earlier snapshot answers already.

    They are kept only from the start of the window on and without a hole, and only if
    the same was asked for (regions, accounts, settings) and everything answered.
    """
    manifest = read_manifest(snapshot) if snapshot else None
    told = (manifest or {}).get("sources", {}).get(source)
    if snapshot is None or not told or told["fingerprint"] != fingerprint(request):
        return Kept({}, request)
    files = {}
    since = request.since
    entries: dict[str, Any] = {entry["month"]: entry for entry in told["months"]}
    for start, end in months_of(request.since, request.until):
        entry = entries.get(month_name(start))
        file = snapshot / FOLDER / source / f"{month_name(start)}.parquet"
        if not entry or not entry["closed"] or entry["start"] > stamp(start) or not file.is_file():
            break
        files[month_name(start)] = file
        since = end
    return Kept(files, replace(request, since=since), snapshot if files else None)
