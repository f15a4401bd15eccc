# SPDX-License-Identifier: Apache-2.0
"""A case: a folder of tables and ``case.toml``, read, checked and named by its content."""

from __future__ import annotations

import difflib
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import DataError, UsageError
from optimizer.tables import checks, lines, schema
from optimizer.tables.cells import UsageCells, usage_cells
from optimizer.tables.charges import Charge, charges
from optimizer.tables.lines import UsageLines
from optimizer.tables.reader import Loaded, Store
from optimizer.tables.schema import Column
from optimizer.tables.settings import FILE, Settings, parse_settings

SUFFIXES = (".csv", ".parquet")
_CHUNK = 1 << 20
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Case:
    """The tables and settings of a case, already checked.

    Parameters
    ----------
    path
        The folder it was read from; it is not read again.
    settings
        What ``case.toml`` states.
    snapshot
        ``sha256:<hex>`` of the names and bytes of ``case.toml`` and all tables.

    Attributes
    ----------
    kept
        What the floors above make of the tables and nobody changes, by name: made once.
    """

    path: Path
    settings: Settings
    snapshot: str
    _frames: Mapping[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)
    _files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    _store: Store = field(default_factory=Store, repr=False, compare=False)
    _lines: list[UsageLines] = field(default_factory=list, repr=False, compare=False)
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that the case has a file for."""
        return tuple(self._files)

    @property
    def store(self) -> Store:
        """Where its tables are held: for this floor alone."""
        return self._store

    @property
    def lines_cache(self) -> list[UsageLines]:
        """Usage by line once it was computed: for cases with the same usage."""
        return self._lines

    def table(self, name: str) -> pd.DataFrame:
        """Return a copy of a table other than ``usage``.

        Returns
        -------
        pandas.DataFrame
            One row per data row, the index ``row`` counts from 1; all declared columns
            and the file's extra ones, of dtype object: ``str`` (``""`` if absent),
            ``Decimal`` or ``None``, ``float`` (nan if absent), ``int`` or ``None`` for
            integers and hours, ``bool`` or ``None``, ``tuple`` of ``str`` for lists.
            Without a file: no rows, the declared columns.

        Raises
        ------
        KeyError
            If there is no such table.
        ValueError
            For ``usage``, which may be larger than memory: see ``usage_lines``.
        """
        if name == "usage":
            raise ValueError("usage is not given as a frame: call usage_lines()")
        if name in self._frames:
            return self._frames[name].copy()
        columns = [column.name for column in schema.table(name).columns]
        return pd.DataFrame({c: [] for c in columns}, index=_index(0), dtype=object)

    def has(self, name: str) -> bool:
        """Whether the case has a file for this table; ``KeyError`` for an unknown table."""
        return schema.table(name).name in self._files

    def file(self, name: str) -> str:
        """Return the name of a table's file, for messages; ``NAME.csv`` if it has none."""
        return self._files.get(schema.table(name).name, f"{name}.csv")

    def doubtful_columns(self) -> list[tuple[str, str, str]]:
        """Columns that nobody reads, and whose names are nearly those of columns that are absent.

        Returns
        -------
        For each one the file, the column, and the column that may have been meant.
        """
        found = []
        for loaded in self._store.tables.values():
            absent = [c.name for c in loaded.table.columns if c.name not in loaded.given]
            for name, _ in loaded.extras:
                asked = name.strip().lower().replace(" ", "_").replace("-", "_")
                near = difflib.get_close_matches(asked, absent, n=1, cutoff=0.85)
                if near and not name.startswith("tag_"):
                    found.append((loaded.file, name, near[0]))
        return found

    def require(self, *names: str) -> None:
        """Refuse a case that lacks one of these tables.

        Raises
        ------
        DataError
            Naming the first file that is missing.
        """
        for name in names:
            if not self.has(name):
                raise DataError(
                    f"the case has no table {name}",
                    mend=f"add {name}.csv or {name}.parquet to the folder of the case",
                    file=f"{name}.csv",
                )

    def usage_lines(self) -> UsageLines:
        """Return usage by line and hour; computed once.

        Raises
        ------
        DataError
            If the case has no usage table.
        """
        self.require("usage")
        with _LOCK:
            if not self._lines:
                self._lines.append(lines.usage_lines(self._store, self.settings.as_of))
        return self._lines[0]

    def usage_part(self, **only: str) -> UsageLines:
        """Return the usage with these values of some columns; ``""`` stands for none.

        Lines and hours are those of :meth:`usage_lines`, so that the two can be compared.
        """
        self.require("usage")
        return lines.usage_lines(self._store, self.settings.as_of, only)

    def usage_cells(self) -> UsageCells:
        """Return usage row by row with all its labels; read anew at each call.

        Raises
        ------
        DataError
            If the case has no usage table.
        """
        self.require("usage")
        return usage_cells(self._store, self.settings.as_of)

    def charges(self) -> list[Charge]:
        """Return what the provider charged, by place, kind and lateness; see `charges`."""
        self.require("usage")
        return charges(self._store)

    def usage_hours(self) -> tuple[int, int] | None:
        """Return the first and the last usage hour, or ``None`` without usage."""
        return lines.usage_hours(self._store)


def read_case(path: str | Path) -> Case:
    """Read and check a case; no file is changed.

    Parameters
    ----------
    path
        The folder with ``case.toml``, ``meters`` and any other table.

    Raises
    ------
    UsageError
        If the folder does not exist.
    DataError
        If ``case.toml`` or ``meters`` is missing, a file is no known table, a table is
        there twice, or a value is refused: with its file, row and column.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder; give the folder of a case")
    files = _find(folder)
    digest = _snapshot([folder / FILE, *files.values()])
    settings = parse_settings(_settings_text(folder))
    store = Store()
    for name, file in files.items():
        store.load(name, file)
    checks.check_all(store, settings)
    frames = {name: frame_of(store, store.tables[name]) for name in files if name != "usage"}
    return Case(
        path=folder,
        settings=settings,
        snapshot=digest,
        _frames=frames,
        _files={name: file.name for name, file in files.items()},
        _store=store,
    )


def _find(folder: Path) -> dict[str, Path]:
    """Return the file of each table that is there, in the order of ``schema.TABLES``."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix not in SUFFIXES or file.name.startswith("."):
            continue
        if file.stem not in schema.TABLES:
            raise DataError(
                f"'{file.name}' is not a table of a case",
                mend=f"rename or remove it; the tables are {', '.join(schema.TABLES)}",
                file=file.name,
            )
        if file.stem in found:
            raise DataError(
                f"{found[file.stem].name} and {file.name} are both there",
                mend="remove one of the two",
                file=file.name,
            )
        found[file.stem] = file
    if not (folder / FILE).is_file():
        raise DataError(
            "the file is missing", mend="add it, with currency and as_of at least", file=FILE
        )
    if "meters" not in found:
        raise DataError(
            "the case has no table meters", mend="add what can be billed", file="meters.csv"
        )
    return {name: found[name] for name in schema.TABLES if name in found}


def _settings_text(folder: Path) -> str:
    try:
        return (folder / FILE).read_text("utf-8")
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8", mend="save it as UTF-8", file=FILE) from None


def _snapshot(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        # Name and size go first, so that no two folders give the same stream of bytes.
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _index(rows: int) -> pd.RangeIndex:
    return pd.RangeIndex(1, rows + 1, name="row")


def frame_of(store: Store, loaded: Loaded) -> pd.DataFrame:
    """Return a loaded table as a frame of Python values."""
    columns = {column.name: column for column in loaded.table.columns}
    given = [name for name in columns if name in loaded.given]
    chosen = [f'"{name}"' for name in given] + [inner for _, inner in loaded.extras]
    sql = f'SELECT {", ".join(chosen)} FROM "{loaded.table.name}" ORDER BY _row'
    rows = store.rows(sql)
    values = list(zip(*rows, strict=True)) if rows else [()] * len(chosen)
    found = dict(zip([*given, *(name for name, _ in loaded.extras)], values, strict=True))
    names = [*columns, *(name for name, _ in loaded.extras)]
    data = np.empty((len(rows), len(names)), dtype=object)  # keeps a tuple in a cell one value
    for i, name in enumerate(names):
        for row, cell in enumerate(_cells(columns.get(name), found.get(name, (None,) * len(rows)))):
            data[row, i] = cell
    return pd.DataFrame(data, index=_index(len(rows)), columns=names, dtype=object)


def _cells(column: Column | None, values: tuple[Any, ...]) -> list[Any]:
    """Return DuckDB's values of a column as the values that a frame holds."""
    kind = column.kind if column else "text"
    if kind == "decimal":
        return [None if value is None else Decimal(value) for value in values]
    if kind in ("number", "share"):
        return [float("nan") if value is None else value for value in values]
    if kind in ("integer", "hour", "boolean"):
        return list(values)
    if kind == "list":
        return [_split(value) for value in values]
    return [value or "" for value in values]


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(";") if part.strip())
