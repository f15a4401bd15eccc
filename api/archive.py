# SPDX-License-Identifier: Apache-2.0
"""Unpacks uploaded cases, trusting nothing that an archive says of itself.

Only the files of a case are taken, by name, from the top of the archive or from one folder in
it. Sizes are counted while bytes are written, so that what an archive claims does not matter.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from optimizer.errors import GpuoptError
from optimizer.tables import schema

SETTINGS = "case.toml"
MANIFEST = "manifest.json"
NAMES = frozenset(
    {SETTINGS} | {f"{table}.{end}" for table in schema.TABLES for end in ("csv", "parquet")}
)
MOST_FILES = 1000  # with the months that a pulled snapshot keeps, which are left out
_CHUNK = 1 << 20
_MONTHS = "months"  # closed months of a pulled snapshot, which only the next pull needs


class ArchiveRefused(GpuoptError):
    """An archive that is broken, or holds what no case holds."""


class ArchiveTooLarge(GpuoptError):
    """An archive that unpacks to more than is allowed."""


@dataclass(frozen=True)
class _Member:
    name: str
    regular: bool
    folder: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, place: Path, most: int) -> None:
    """Unpack a zip or tar (plain, gzip, bzip2, xz) with a case into a folder.

    Raises
    ------
    ArchiveRefused
        If it is no such archive, or holds a path, a link or a file that no case holds.
    ArchiveTooLarge
        If it unpacks to more than ``most`` bytes.
    """
    room = Room(most)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _take(_zipped(opened), place, room)
            return
        with tarfile.open(archive) as tar:
            _take(_tarred(tar), place, room)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _broken(error) from error
    except (NotImplementedError, RuntimeError) as error:  # encrypted, or an unknown method
        raise _broken(error) from error
    except Exception as error:
        if type(error).__module__ in {"zlib", "lzma", "_lzma"}:
            raise _broken(error) from error
        raise


def _broken(error: Exception) -> ArchiveRefused:
    # tarfile tells what each way of unpacking said, a line each, when none of them fits.
    said = " ".join(str(error).splitlines()[:1]).rstrip(":")[:120]
    return ArchiveRefused(
        f"the upload is no archive that can be read ({said}). "
        "To mend it: send a zip or a tar of the case's files"
    )


class Room:
    """The bytes that may still be written."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.left = most

    def write(self, source: IO[bytes], target: Path) -> None:
        """Copy a stream into a new file, and stop where the room ends."""
        with target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                self.left -= len(chunk)
                if self.left < 0:
                    raise ArchiveTooLarge(
                        f"the upload unpacks to more than {self.most} bytes. To mend it: send "
                        "Parquet, or have the operator raise GPUOPT_MAX_SNAPSHOT_BYTES"
                    )
                file.write(chunk)


def refuse_many_rows(place: Path, most: int) -> None:
    """Refuse Parquet files that hold more rows than may be: repeated rows take no bytes.

    A file that cannot be read is left to the reader of the case, which says what is wrong.

    Raises
    ------
    ArchiveTooLarge
        If a file has more than ``most`` rows.
    """
    import duckdb

    with duckdb.connect() as connection:
        for file in sorted(place.glob("*.parquet")):
            try:
                found = connection.execute(
                    "SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(file)]
                ).fetchone()
            except duckdb.Error:
                continue
            if found and (found[0] or 0) > most:
                raise ArchiveTooLarge(
                    f"'{file.name}' has {found[0]} rows, and no more than {most} are taken. "
                    "To mend it: send fewer hours, or have the operator raise GPUOPT_MAX_ROWS"
                )


def checked_name(name: str) -> str:
    """Return the name of a file of a case.

    Raises
    ------
    ArchiveRefused
        If it is a path, or no file of a case.
    """
    if name not in NAMES:
        shown = name[:80].encode("ascii", "backslashreplace").decode()
        raise ArchiveRefused(
            f"'{shown}' is no file of a case. To mend it: send case.toml and tables such as "
            "usage.parquet, without folders"
        )
    return name


def _take(members: Iterable[_Member], place: Path, room: Room) -> None:
    folders: set[str] = set()
    for number, member in enumerate(members):
        if number >= MOST_FILES:
            raise ArchiveRefused(
                f"the archive has more than {MOST_FILES} entries. To mend it: send one case"
            )
        path = PurePosixPath(member.name)
        parts = path.parts[1:] if path.parts[:1] == (".",) else path.parts
        if "\\" in member.name or path.is_absolute() or ".." in parts or "\0" in member.name:
            shown = member.name[:80].encode("ascii", "backslashreplace").decode()
            raise ArchiveRefused(
                f"'{shown}' leads out of the archive. To mend it: send the files of a case alone"
            )
        if member.folder or not parts:
            continue
        if not member.regular:
            raise ArchiveRefused(
                f"'{parts[-1][:80]}' is a link or a device. To mend it: send the file itself"
            )
        if parts[-1] == MANIFEST or _MONTHS in parts[:-1]:
            continue  # what a pull knows of itself is not believed of an upload
        if len(parts) > 2:
            raise ArchiveRefused(
                f"'{parts[-1][:80]}' lies too deep. To mend it: send the files of one folder"
            )
        folders.add(parts[0] if len(parts) == 2 else "")
        if len(folders) > 1:
            raise ArchiveRefused("the archive has several folders. To mend it: send one case")
        target = place / checked_name(parts[-1])
        if target.exists():
            raise ArchiveRefused(f"'{parts[-1]}' is there twice. To mend it: send it once")
        source = member.open()
        if source is not None:
            with source:
                room.write(source, target)


def _zipped(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        regular = kind in (0, stat.S_IFREG)
        yield _Member(
            info.filename,
            regular,
            info.is_dir(),
            lambda info=info: archive.open(info),  # type: ignore[misc]
        )


def _tarred(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        yield _Member(
            info.name,
            info.isreg(),
            info.isdir(),
            lambda info=info: archive.extractfile(info),  # type: ignore[misc]
        )
