# SPDX-License-Identifier: Apache-2.0
"""Delivery to a folder: one folder for each report, and ``latest`` for the newest.

A report's folder appears at once and whole: it is written beside its place and renamed. One
that is there already, with the same files, is the same delivery and stays.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from api.deliver.parcel import DeliveryError, Parcel

LATEST = "latest"


def put(parcel: Parcel, folder: Path) -> Path:
    """Write a parcel; return its folder, such as ``2026-11-23-060512-weekly``.

    Raises
    ------
    DeliveryError
        If the folder cannot be written to, or is full; nothing half-written is left.
    """
    made = parcel.made_at.strftime("%Y-%m-%d-%H%M%S")
    place = folder / f"{made}-{parcel.name}"
    aside = folder / f".{place.name}.{parcel.id[-16:]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if place.exists() and not _holds(place, parcel):
            place = folder / f"{place.name}-{parcel.digest[:12]}"  # another of the same second
        shutil.rmtree(aside, ignore_errors=True)  # what a try left that was ended within it
        if not _holds(place, parcel):
            _write(parcel, aside)
            aside.rename(place)
            _sync(folder)
        _point(folder, place.name)
    except OSError as error:
        msg = f"the folder cannot be written to ({error.strerror or type(error).__name__})"
        mend = "make room in it, or let the service's user write there"
        raise DeliveryError(f"{msg}. To mend it: {mend}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return place


def _holds(place: Path, parcel: Parcel) -> bool:
    """Whether a folder is this parcel, to the byte."""
    try:
        return all(
            (place / file).read_bytes() == text.encode() for file, text in parcel.files.items()
        )
    except OSError:
        return False


def _write(parcel: Parcel, folder: Path) -> None:
    folder.mkdir()
    for file, text in parcel.files.items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())


def _point(folder: Path, name: str) -> None:
    """Let ``latest`` be this report, unless it is a later one already.

    Where there are no symbolic links (some network shares), ``latest`` is a file with the name.
    """
    latest = folder / LATEST
    if latest.is_symlink():
        before = latest.readlink().name
    else:
        before = latest.read_text("utf-8", "replace").strip() if latest.is_file() else ""
    if before >= name and (folder / before).is_dir():
        return
    aside = folder / f".{LATEST}.{secrets.token_hex(4)}"
    try:
        try:
            aside.symlink_to(name, target_is_directory=True)
        except (OSError, NotImplementedError):
            aside.write_text(f"{name}\n", "utf-8")
        aside.replace(latest)
    finally:
        aside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let a rename outlast a power cut, where a folder can be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
