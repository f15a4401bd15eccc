# SPDX-License-Identifier: Apache-2.0
"""The manifest of a snapshot: what was asked, what answered, and what is missing.

``manifest.json`` lies beside the tables and is no part of the snapshot's hash, because it
holds the time of the pull.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.pulled import Outcome, Pulled, Report, Request
from connectors.redact import redact_all, redact_settings

FILE = "manifest.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Month:
    """A month of one source's usage.

    Attributes
    ----------
    month : ``2026-09``.
    start : the first hour of it that was asked for.
    rows : of usage.
    closed : whether the provider changes nothing in it any more; it is not pulled again.
    kept : whether the rows come from an earlier snapshot.
    """

    month: str
    start: str
    rows: int
    closed: bool
    kept: bool


@dataclass(frozen=True)
class Answer:
    """What one source was asked, what it reported and what it gave."""

    request: Request
    report: Report
    pulled: Pulled
    months: Sequence[Month] = field(default_factory=tuple)
    usage_rows: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The part of the manifest about this source; secrets are taken out."""
        tables = {name: len(frame) for name, frame in sorted(self.pulled.tables.items())}
        if "usage" in tables or self.usage_rows:
            tables["usage"] = self.usage_rows
        asked = sorted(self.report.asked, key=lambda a: (a.service, a.operation, a.place))
        return {
            "request": {
                "since": stamp(self.request.since),
                "until": stamp(self.request.until),
                "regions": list(self.request.regions),
                "accounts": redact_all(list(self.request.accounts)),
                "settings": redact_settings(self.request.settings),
            },
            "fingerprint": fingerprint(self.request),
            "partial": self.report.partial,
            "outcomes": dict(sorted(Counter(str(a.outcome) for a in asked).items())),
            "missing_permissions": sorted(
                {f"{a.service}:{a.operation}" for a in asked if a.outcome is Outcome.DENIED}
            ),
            "tables": tables,
            "months": [asdict(month) for month in self.months],
            "remarks": redact_all([asdict(remark) for remark in self.report.remarks]),
            "asked": redact_all([{**asdict(a), "outcome": str(a.outcome)} for a in asked]),
        }


def fingerprint(request: Request) -> str:
    """Name what a request asks for, but for its window: equal names give equal months."""
    text = json.dumps([request.regions, request.accounts, sorted(request.settings.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def manifest_text(
    answers: Mapping[str, Answer], snapshot: str, settings: Mapping[str, str], now: datetime
) -> str:
    """Return the manifest as JSON.

    Parameters
    ----------
    snapshot
        The hash of the case.
    settings
        ``currency`` and ``as_of``.
    now
        When the pull ended.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "snapshot": snapshot,
        **settings,
        # To the microsecond: the newest snapshot of a folder is found by it.
        "pulled_at": now.astimezone(UTC).isoformat(timespec="microseconds"),
        "partial": any(answer.report.partial for answer in answers.values()),
        "sources": {name: answer.as_dict() for name, answer in answers.items()},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a snapshot, or ``None`` if the folder has none."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return None  # written by something else; a pull does not build on it
    return found if isinstance(found, dict) else None


def stamp(moment: datetime) -> str:
    """Return a moment as ``2026-11-21T05:00:00Z``; a naive one is UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%SZ")
