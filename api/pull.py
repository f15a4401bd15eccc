# SPDX-License-Identifier: Apache-2.0
"""``gpuopt pull`` and ``gpuopt check``: what is asked for, and what people read of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import UsageError

if TYPE_CHECKING:
    from connectors.pulled import Request
    from connectors.sources import Written

SCHEMA_VERSION = 1
_SPAN = re.compile(r"([0-9]+)([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def pull(
    providers: Sequence[str],
    options: PullOptions,
    progress: Callable[[str], None],
    now: datetime | None = None,
) -> Written:
    """Ask the providers and write a snapshot.

    Raises
    ------
    UsageError
        If an option cannot be understood.
    GpuoptError
        What a source raises when nothing else is left.
    """
    from connectors.snapshot import read_settings
    from connectors.sources import pull_snapshot

    until = _hour(options.until, now or datetime.now(tz=UTC))
    requests = _requests(providers, options, until)
    settings = read_settings(options.settings, options.currency, until)
    return pull_snapshot(requests, options.to, settings, progress, full=options.full)


class PullOptions:
    """The options of ``gpuopt pull``, as they were typed."""

    def __init__(
        self,
        *,
        to: Path,
        since: str,
        until: str | None = None,
        regions: Sequence[str] = (),
        accounts: Sequence[str] = (),
        values: Sequence[str] = (),
        settings: Path | None = None,
        currency: str | None = None,
        full: bool = False,
    ) -> None:
        self.to = to
        self.since = since
        self.until = until
        self.regions = regions
        self.accounts = accounts
        self.values = values
        self.settings = settings
        self.currency = currency
        self.full = full


def _requests(
    providers: Sequence[str], options: PullOptions, until: datetime
) -> dict[str, Request]:
    from connectors.pulled import Request
    from connectors.sources import NAMES

    if len(set(providers)) != len(providers):
        raise UsageError("a provider is named twice. To mend it: name each once")
    unknown = [name for name in providers if name not in NAMES]
    if unknown:
        msg = f"'{unknown[0]}' is no source"
        raise UsageError(f"{msg}. To mend it: use one of {', '.join(NAMES)}")
    since = _since(options.since, until)
    return {
        name: Request(
            since=since,
            until=until,
            regions=tuple(_split(_of(name, options.regions, providers))),
            accounts=tuple(_of(name, options.accounts, providers)),
            settings=_settings(name, options.values, providers),
        )
        for name in providers
    }


def _of(name: str, texts: Sequence[str], providers: Sequence[str]) -> list[str]:
    """Return what is meant for a provider: ``aws=x`` for that one, ``x`` for all of them."""
    found = []
    for text in texts:
        head, mark, rest = text.partition("=")
        if mark and head in providers:
            if head == name:
                found.append(rest)
        else:
            found.append(text)
    return found


def _split(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _settings(name: str, texts: Sequence[str], providers: Sequence[str]) -> dict[str, str]:
    """Return settings such as ``aws.export=s3://…``; without a provider they are for all."""
    found = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise UsageError(f"--set {text} is no NAME=VALUE. To mend it: write aws.export=s3://…")
        head, dot, rest = key.partition(".")
        if dot and head in providers:
            if head == name:
                found[rest] = value
        else:
            found[key] = value
    return found


def _since(text: str, until: datetime) -> datetime:
    match = _SPAN.fullmatch(text)
    since = until - timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else _hour(text, until)
    if since >= until:
        raise UsageError(f"--since {text} is not before the end. To mend it: write 90d")
    return since


def _hour(text: str | None, now: datetime) -> datetime:
    """Return a moment of the command line, cut to its hour."""
    moment = now
    if text:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            msg = f"'{text}' is no time"
            raise UsageError(f"{msg}. To mend it: write 90d, 12w, or 2026-11-21") from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(minute=0, second=0, microsecond=0)


def pulled_document(written: Written) -> dict[str, Any]:
    """What ``gpuopt pull --json`` prints: where the snapshot is, and its manifest."""
    from connectors.manifest import FILE

    manifest = json.loads((written.folder / FILE).read_text("utf-8"))
    return {"schema_version": SCHEMA_VERSION, "folder": str(written.folder), "manifest": manifest}


def pulled_lines(written: Written) -> list[str]:
    """What people read after a pull, on stderr: what is missing, and what to know."""
    from connectors.pulled import Outcome
    from connectors.redact import redact

    lines = []
    for name, answer in written.answers.items():
        report = answer.report
        good = sum(asked.outcome is Outcome.ANSWERED for asked in report.asked)
        put = [asked for asked in report.asked if asked.outcome is not Outcome.SKIPPED]
        skipped = len(report.asked) - len(put)
        rest = f", {skipped} about what is not offered there" if skipped else ""
        lines.append(f"{name}: {good} of {len(put)} questions answered{rest}")
        lines += [
            f"{name}: {asked.outcome} {asked.service}:{asked.operation} {asked.place}"
            f" {redact(asked.detail)}".rstrip()
            for asked in report.asked
            if asked.outcome in {Outcome.DENIED, Outcome.FAILED}
        ]
        lines += [
            f"{name}: note: {redact(f'{remark.subject}: {remark.text}')}"
            + (f" ({remark.rows} rows)" if remark.rows else "")
            for remark in report.remarks
        ]
    if written.partial:
        lines.append("the snapshot is partial: what did not answer is missing from it")
    return lines
