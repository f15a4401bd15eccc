# SPDX-License-Identifier: Apache-2.0
"""The typed edits of a what-if: each says what of a case is otherwise.

    Demand    usage times a factor: ``demand[tag_team=research]=+20%``
    Cells     values of a column: ``meters[provider=aws].on_demand=-10%``
    Keep      which rows count at all: ``offers.term_hours<=8760``
    Add       a row: ``commitments+=offer:NAME,quantity:4``
    Drop      rows by name: ``commitments-=aws-ri-*``
    Setting   a key of case.toml: ``limits.upfront_cash=250000``

A new kind of edit is a class here, its words in ``grammar`` and what it does in ``apply``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from optimizer.errors import UsageError

COMPARISONS = ("<=", ">=", "!=", "==", "<", ">")


class EditError(UsageError):
    """An edit that cannot be understood, or that the case has nothing for.

    Parameters
    ----------
    edit
        The edit as it was written.
    problem, mend
        What is wrong with it, and what to do, without full stops.
    near
        Names that may have been meant.
    """

    def __init__(self, edit: str, problem: str, *, mend: str, near: tuple[str, ...] = ()) -> None:
        self.edit, self.problem, self.mend, self.near = edit, problem, mend, near
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"{edit!r}: {problem}.{meant} To mend it: {mend}.")


@dataclass(frozen=True)
class Change:
    """What becomes of a number: ``times`` a factor, ``plus`` an amount, or ``set`` to a text."""

    kind: str
    amount: Decimal = Decimal(0)
    text: str = ""

    @property
    def relative(self) -> bool:
        """Whether it needs a value that is there already."""
        return self.kind != "set"

    def of(self, value: Decimal) -> Decimal:
        """The number that a number becomes."""
        return value * self.amount if self.kind == "times" else value + self.amount


@dataclass(frozen=True)
class Where:
    """Which rows: for every column a pattern (``*``, ``?``, ``[…]``; ``|`` between several)."""

    columns: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """As it is written."""
        inside = ",".join(f"{column}={pattern}" for column, pattern in self.columns)
        return f"[{inside}]" if inside else ""


def matches(pattern: str, value: str) -> bool:
    """Whether a value is one of a pattern's, by name or by wildcard; case counts."""
    return any(value == one or fnmatchcase(value, one) for one in re.split(r"\|", pattern))


@dataclass(frozen=True)
class Edit:
    """One edit; ``written`` is how the user wrote it."""

    written: str = field(compare=False)


@dataclass(frozen=True)
class Demand(Edit):
    """All usage (or that of some meters, tags, classes) times a factor ≥ 0."""

    where: Where
    factor: Decimal


@dataclass(frozen=True)
class Cells(Edit):
    """The values of one column in some rows of a table."""

    table: str
    where: Where
    column: str
    change: Change


@dataclass(frozen=True)
class Keep(Edit):
    """Of some rows of a table only those count whose column compares so with a value."""

    table: str
    where: Where
    column: str
    comparison: str
    value: str


@dataclass(frozen=True)
class Add(Edit):
    """A row more in a table."""

    table: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drop(Edit):
    """Rows of a table by their name, which is its first column."""

    table: str
    pattern: str


@dataclass(frozen=True)
class Setting(Edit):
    """A key of ``case.toml``, in a section or (``""``) on its own."""

    section: str
    key: str
    change: Change
