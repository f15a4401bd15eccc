# SPDX-License-Identifier: Apache-2.0
"""Every error that gpuopt raises on purpose.

    GpuoptError            exit code 1
    ├── UsageError         exit code 2   the command or the settings cannot be understood
    ├── DataError          exit code 13  a table of the case is refused
    │   └── MissingPrice                 a price that is needed was not supplied
    ├── Infeasible         exit code 11  no plan satisfies the case, and that is proven
    └── SolverError        exit code 1   no solver gave an answer that passes the checks

A message says what is wrong, where it is and how to mend it.
"""

from __future__ import annotations


class GpuoptError(Exception):
    """Base of all errors that are told to the user without a traceback."""

    exit_code = 1


class UsageError(GpuoptError):
    """The command line, or a setting that is not part of the case's data, is wrong."""

    exit_code = 2


class DataError(GpuoptError):
    """A table, or ``case.toml``, is refused; nothing was written.

    Parameters
    ----------
    problem
        What is wrong, as a sentence without a full stop.
    mend
        What to do about it, as an imperative sentence without a full stop.
    file, row, column
        Where: the file's name, the data row (the first row after the header is 1),
        and the column.  ``None`` where it does not apply.
    """

    exit_code = 13

    def __init__(
        self,
        problem: str,
        *,
        mend: str,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        self.problem = problem
        self.mend = mend
        self.file = file
        self.row = row
        self.column = column
        super().__init__(problem)

    @property
    def where(self) -> str:
        """The place, such as ``usage.csv, row 7, column quantity``; empty if unknown."""
        parts = [self.file] if self.file else []
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column:
            parts.append(f"column {self.column}")
        return ", ".join(parts)

    def __str__(self) -> str:
        where = self.where
        head = f"{where}: {self.problem}" if where else self.problem
        return f"{head}. To mend it: {self.mend}."


class MissingPrice(DataError):
    """A price that the calculation needs was not supplied; absent is not zero."""


class Infeasible(GpuoptError):
    """No plan satisfies the case, and the solver has proven it."""

    exit_code = 11


class SolverError(GpuoptError):
    """No solver gave an answer that passes the independent checks."""
