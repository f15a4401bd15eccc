# SPDX-License-Identifier: Apache-2.0
"""How far a snapshot can be trusted: freshness, gaps, outliers, meters, GPU spend.

It judges what is there and refuses nothing; a table that is wrong is refused by reading it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from connectors.gpus import is_gpu_family
from connectors.manifest import read_manifest
from optimizer.tables import Case, UsageLines, format_hour, read_case

SCHEMA_VERSION = 1
STALE_USAGE_HOURS = 72  # exports are refreshed several times a day, bills lag by a day or two
STALE_PRICES_DAYS = 35
GAP_HOURS = 3  # shorter ones are usual where nothing ran
DEVIATIONS = 8.0  # of the median absolute deviation: a jump that wants a look
SHOWN = 20


def check_snapshot(folder: Path) -> dict[str, Any]:
    """Return what a snapshot, or any case, gives reason to look at.

    Returns
    -------
    A document: ``findings`` of ``{"kind", "subject", "text", "level"}`` (``warning`` or
    ``note``), and ``facts`` with the numbers behind them.

    Raises
    ------
    UsageError, DataError
        If the folder is no case, or a table of it is refused.
    """
    case = read_case(folder)
    lines = case.usage_lines() if case.has("usage") else None
    meters = {row["meter"]: row for row in case.table("meters").to_dict("records")}
    findings: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"meters": len(meters)}
    if lines is None or not lines.meter:
        findings.append(_finding("usage", "usage", "there is no usage"))
    else:
        findings += _freshness(case, lines, meters, facts)
        findings += _gaps(lines, meters)
        findings += _outliers(lines)
        findings += _unmatched(case, lines, meters)
        findings += _spend(lines, meters, facts)
    findings += _columns(case)
    findings += _missing(folder)
    return {
        "schema_version": SCHEMA_VERSION,
        "snapshot": case.snapshot,
        "as_of": format_hour(case.settings.as_of),
        "currency": case.settings.currency,
        "facts": facts,
        "findings": findings,
    }


def _finding(kind: str, subject: str, text: str, level: str = "warning") -> dict[str, Any]:
    return {"kind": kind, "subject": subject, "text": text, "level": level}


def _freshness(
    case: Case, lines: UsageLines, meters: dict[str, Any], facts: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """How old the newest usage of each provider and the prices are, at the case's as-of."""
    as_of = case.settings.as_of
    present = _by_provider(lines, meters)
    facts["usage_from"] = format_hour(lines.first_hour)
    facts["usage_until"] = format_hour(lines.first_hour + lines.quantity.shape[1])
    for provider, hours in sorted(present.items()):
        last = lines.first_hour + int(np.flatnonzero(hours)[-1]) + 1
        age = as_of - last
        if age > STALE_USAGE_HOURS:
            text = f"the newest usage ends {format_hour(last)}, {age} hours before as_of"
            yield _finding("freshness", provider, text)
    today = datetime.fromtimestamp(as_of * 3600, tz=UTC)
    old: dict[str, int] = {}
    for row in meters.values():
        read = _moment(row["as_of"])
        if read is not None and (today - read).days > STALE_PRICES_DAYS:
            old[row["provider"]] = old.get(row["provider"], 0) + 1
    for provider, count in sorted(old.items()):
        text = f"the prices of {count} meters are more than {STALE_PRICES_DAYS} days old"
        yield _finding("freshness", provider, text, "note")


def _moment(text: str) -> datetime | None:
    """When a price was read; a month counts from its first day, anything else is unknown."""
    try:
        moment = datetime.fromisoformat(f"{text}-01" if len(text) == len("2026-08") else text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _gaps(lines: UsageLines, meters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Hours without any row of a provider between its first and its last."""
    for provider, hours in sorted(_by_provider(lines, meters).items()):
        found = np.flatnonzero(hours)
        steps = np.diff(found)
        for i in np.flatnonzero(steps > GAP_HOURS)[:SHOWN]:
            start = lines.first_hour + int(found[i]) + 1
            text = f"no usage at all from {format_hour(start)} for {int(steps[i]) - 1} hours"
            yield _finding("gap", provider, text)


def _outliers(lines: UsageLines) -> Iterator[dict[str, Any]]:
    """Days of a meter that are far from its usual days."""
    first = -lines.first_hour % 24
    days = (lines.quantity.shape[1] - first) // 24
    if days < 7:
        return
    names = np.array(lines.meter)
    found = []
    for meter in sorted(set(lines.meter)):
        hours = lines.quantity[names == meter].sum(axis=0)
        daily = hours[first : first + 24 * days].reshape(days, 24).sum(axis=1)
        busy = daily[daily > 0]
        if len(busy) < 7:
            continue
        middle = float(np.median(busy))
        # A fleet that never moves has no deviation; a tenth of it is then still usual.
        spread = max(float(np.median(np.abs(busy - middle))), 0.1 * middle)
        jumps = np.flatnonzero((daily - middle) / spread > DEVIATIONS)
        if len(jumps):
            day = int(jumps[np.argmax(daily[jumps])])
            start = format_hour(lines.first_hour + first + 24 * day)[:10]
            text = f"{daily[day]:,.0f} units on {start}; the median day has {middle:,.0f}"
            others = f"; {len(jumps) - 1} more days like it" if len(jumps) > 1 else ""
            found.append((-(daily[day] - middle) / spread, meter, text + others))
    for _, meter, text in sorted(found)[:SHOWN]:
        yield _finding("outlier", meter, text, "note")


def _unmatched(case: Case, lines: UsageLines, meters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Meters in use without a price, or GPU machines whose GPU nobody knows."""
    covered = set(case.table("covers")["meter"]) if case.has("covers") else set()
    for meter in sorted(set(lines.meter)):
        row = meters[meter]
        if row["on_demand"] is None:
            level = "note" if meter in covered else "warning"
            yield _finding("unmatched", meter, "used, but it has no on-demand price", level)
        if row["product"] == "instance" and not row["gpu"] and is_gpu_family(row):
            yield _finding("unmatched", meter, "a GPU machine whose GPU is not known")


def _spend(
    lines: UsageLines, meters: dict[str, Any], facts: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The share of the spend on GPUs whose meter has a price, a GPU and a count."""
    known = total = 0.0
    unpriced = []
    for i, meter in enumerate(lines.meter):
        row = meters[meter]
        gpu = bool(row["gpu"]) or row["product"] in ("gpu", "tpu") or is_gpu_family(row)
        if not gpu:
            continue
        if row["on_demand"] is None:
            unpriced.append(meter)
            continue
        cost = float(lines.quantity[i].sum()) * float(row["on_demand"])
        total += cost
        if row["gpu"] and row["gpus"] == row["gpus"]:
            known += cost
    facts["gpu_spend_at_on_demand"] = round(total, 2)
    facts["gpu_spend_explained"] = round(known / total, 6) if total else None
    if unpriced:
        text = f"GPU usage without a price is in no share: {', '.join(sorted(set(unpriced))[:5])}"
        yield _finding("spend", "GPU", text)
    if total and known < 0.99 * total:
        text = (
            f"only {known / total:.1%} of the GPU spend is on GPUs whose model and count is known"
        )
        yield _finding("spend", "GPU", text)


def _columns(case: Case) -> Iterator[dict[str, Any]]:
    """Columns that are kept and ignored, but whose names are nearly those of known ones."""
    for file, column, meant in case.doubtful_columns():
        text = f"the column {column} is not known and is ignored; {meant} may be meant"
        yield _finding("column", file, text)


def _missing(folder: Path) -> Iterator[dict[str, Any]]:
    """What the manifest says is not there."""
    manifest = read_manifest(folder)
    if manifest is None:
        yield _finding("manifest", str(folder.name), "no manifest: not a snapshot", "note")
        return
    for source, told in manifest.get("sources", {}).items():
        for asked in told.get("asked", []):
            if asked["outcome"] in ("denied", "failed"):
                what = f"{asked['service']}:{asked['operation']} {asked['place']}".strip()
                yield _finding("missing", source, f"{what} {asked['outcome']}: {asked['detail']}")


def _by_provider(lines: UsageLines, meters: dict[str, Any]) -> dict[str, Any]:
    """Whether a provider has any row, by hour: shape (T,) each."""
    found: dict[str, Any] = {}
    for i, meter in enumerate(lines.meter):
        provider = meters[meter]["provider"]
        mine = lines.present[i]
        found[provider] = found[provider] | mine if provider in found else mine.copy()
    return found
