# SPDX-License-Identifier: Apache-2.0
"""Writes a snapshot: the tables of a case, whole or not at all, named by their hash.

A snapshot lies at ``FOLDER/<16 hex digits of its hash>/``. It is written into a temporary
folder beside it, read back and checked, brought to the disk and then renamed; so a reader
sees all of it or nothing, even if the pull is killed. The same tables give the same name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from connectors.manifest import FILE as MANIFEST
from connectors.manifest import Answer, manifest_text, stamp
from connectors.merge import merge_tables
from connectors.months import Kept
from connectors.usage_file import read_kept, write_usage
from optimizer.errors import DataError, UsageError
from optimizer.tables import Case, read_case, write_case

DIGITS = 16
_PARTIAL = ".pull-"
_LOCK = ".lock"


def write_snapshot(
    folder: Path,
    answers: Mapping[str, Answer],
    kept: Mapping[str, Kept],
    settings: Mapping[str, Any],
) -> Path:
    """Write a snapshot and return its folder.

    Parameters
    ----------
    folder
        Where snapshots lie; it is made if it is not there.
    answers
        By source. Their requests state the whole window.
    kept
        By source, the closed months that an earlier snapshot holds.
    settings
        What ``case.toml`` shall state; ``currency`` and ``as_of`` at least.

    Raises
    ------
    DataError
        If two sources state the same row, or the tables are no case; nothing is written.
    UsageError
        If the folder cannot be written.
    """
    frames = {s: _usage(answer, kept[s]) for s, answer in answers.items()}
    tables = {s: _with_kept_meters(answer, kept[s], frames[s]) for s, answer in answers.items()}
    merged = merge_tables(tables)
    if "meters" not in merged:
        raise DataError(
            "no source gave any meter, so there is nothing to keep",
            mend="look at what the sources reported above; widen the window or the regions",
        )
    with _writing(folder) as place:
        case = place / "case"
        write_case(merged, settings_toml(settings), case)
        requests = {source: answer.request for source, answer in answers.items()}
        complete = {source: not answer.report.partial for source, answer in answers.items()}
        months = write_usage(case, frames, requests, kept, complete)
        told = {
            source: replace(answer, months=months[source], usage_rows=len(frames[source]))
            for source, answer in answers.items()
        }
        checked = read_case(case)
        return _publish(checked, folder, told, settings)


def _publish(
    case: Case, folder: Path, answers: Mapping[str, Answer], settings: Mapping[str, Any]
) -> Path:
    """Give a finished case its name; the one moment at which the snapshot appears."""
    target = folder / snapshot_name(case.snapshot)
    stated = {name: str(settings[name]) for name in ("currency", "as_of")}
    text = manifest_text(answers, case.snapshot, stated, datetime.now(tz=UTC))
    if target.is_dir():
        if read_case(target).snapshot != case.snapshot:
            raise DataError(
                f"'{target}' has been changed since it was pulled",
                mend="move it away: a snapshot is what its name says",
            )
        # The same tables: only what is known about how they came to be is newer.
        partial = folder / f"{_PARTIAL}{uuid.uuid4().hex}.json"
        partial.write_text(text, "utf-8")
        _to_disk(partial)
        partial.replace(target / MANIFEST)
        _to_disk(target)
        return target
    (case.path / MANIFEST).write_text(text, "utf-8")
    for path in sorted(case.path.rglob("*")):
        _to_disk(path)
    _to_disk(case.path)
    case.path.rename(target)
    _to_disk(folder)
    return target


def snapshot_name(digest: str) -> str:
    """Return the folder name of a case's hash."""
    return digest.removeprefix("sha256:")[:DIGITS]


def settings_toml(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of ``case.toml``."""
    scalars = {k: v for k, v in settings.items() if not isinstance(v, Mapping)}
    lines = [f"{name} = {_value(value)}" for name, value in scalars.items()]
    for section, values in settings.items():
        if not isinstance(values, Mapping):
            continue
        plain = {k: v for k, v in values.items() if not _is_tables(v)}
        if plain:
            lines += ["", f"[{section}]", *(f"{k} = {_value(v)}" for k, v in plain.items())]
        for name, entries in values.items():
            for entry in entries if _is_tables(entries) else ():
                lines += ["", f"[[{section}.{name}]]"]
                lines += [f"{k} = {_value(v)}" for k, v in entry.items()]
    return "\n".join(lines) + "\n"


def read_settings(file: Path | None, currency: str | None, as_of: datetime) -> dict[str, Any]:
    """Return the settings of a snapshot: those of a file, with this currency and as-of.

    Raises
    ------
    UsageError
        If the file cannot be read or is no TOML.
    """
    base: dict[str, Any] = {}
    if file is not None:
        try:
            base = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{file} cannot be read as settings ({error})"
            raise UsageError(f"{msg}. To mend it: name a case.toml") from error
    told = {"currency": currency or base.get("currency", "USD"), "as_of": stamp(as_of)}
    return {**told, **{k: v for k, v in base.items() if k not in told}}


def _usage(answer: Answer, kept: Kept) -> pd.DataFrame:
    """The usage of a source: what it gave of the window, and what is kept of it."""
    given = answer.pulled.tables.get("usage", pd.DataFrame())
    if len(given):
        # A source may give whole days or months around what it was asked for; a later pull,
        # which asks for less, would not give them again.
        first, last = (
            pd.Timestamp(moment.replace(tzinfo=None))
            for moment in (kept.request.since, answer.request.until)
        )
        given = given[(given["hour"] >= first) & (given["hour"] < last)]
    if not kept.files:
        return given
    held = read_kept(kept, answer.request.since)
    if not len(given):
        return held
    columns = list(dict.fromkeys([*held.columns, *given.columns]))
    parts = [frame.reindex(columns=columns).astype(object) for frame in (held, given)]
    return pd.concat(parts, ignore_index=True)


def _with_kept_meters(answer: Answer, kept: Kept, usage: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Add the meters of kept months that the source did not give again, as they were."""
    tables = dict(answer.pulled.tables)
    if kept.snapshot is None:
        return tables
    meters = tables.get("meters", pd.DataFrame({"meter": []}))
    missing = set(usage["meter"]) - set(meters["meter"])
    if missing:
        before = read_case(kept.snapshot).table("meters")
        rows = before[before["meter"].isin(missing)]
        records = [*meters.to_dict("records"), *rows.to_dict("records")]
        tables["meters"] = pd.DataFrame(records, dtype=object)
    return tables


@contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside the target, alone among all writers.

    The lock goes when its process goes, however it ends. Whoever has it may therefore
    take away what earlier writers have left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        msg = f"'{folder}' cannot be written ({error.strerror})"
        raise UsageError(f"{msg}. To mend it: name another folder with --to") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.glob(f"{_PARTIAL}*"):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        place = folder / f"{_PARTIAL}{uuid.uuid4().hex}"
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(handle)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
