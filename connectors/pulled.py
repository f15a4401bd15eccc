# SPDX-License-Identifier: Apache-2.0
"""What every source is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import pandas as pd


class Outcome(StrEnum):
    """How a question to a source ended."""

    ANSWERED = "answered"
    DENIED = "denied"  # a permission is missing
    FAILED = "failed"  # no answer after every retry
    SKIPPED = "skipped"  # not asked, for a reason that is stated


@dataclass(frozen=True)
class Request:
    """What a pull asks of a source.

    Attributes
    ----------
    since, until : the half-open UTC window of usage; ``until`` is the snapshot's as-of.
    regions : asked for; empty means every region the account has.
    accounts : roles, subscriptions, projects or files, in the source's own words.
    settings : further settings of the source by name (bucket, billing table, ...).
    kept_meters : meters of the closed months that an earlier snapshot has already; their
        usage is not asked for again, but their prices and offers are.
    """

    since: datetime
    until: datetime
    regions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    kept_meters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """One question and how it ended: a line of the manifest.

    Attributes
    ----------
    service, operation, place : for instance ``ec2``, ``describe_reserved_instances``,
        ``111122223333/us-east-1``.
    rows : what the answer held.
    detail : for anything but an answer, why; names the missing permission if denied.
    """

    service: str
    operation: str
    place: str
    outcome: Outcome
    rows: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Remark:
    """Something that was understood only in part, and how it was treated."""

    subject: str
    text: str
    rows: int = 0


@dataclass
class Report:
    """What a source asked, what answered, and what was left out.

    Not thread-safe: sources that ask in parallel collect their answers in one place.
    """

    asked: list[Asked] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    progress: Callable[[str], None] = lambda _: None

    @property
    def partial(self) -> bool:
        """Whether anything that was asked for is missing."""
        return any(a.outcome in {Outcome.DENIED, Outcome.FAILED} for a in self.asked)


@dataclass(frozen=True)
class Pulled:
    """The tables one source gave.

    Attributes
    ----------
    tables : by table name (``meters``, ``usage``, ``offers``, ...), the columns named as in
        ``optimizer.tables``; decimals as strings, never floats; hours as naive UTC.
    """

    tables: Mapping[str, pd.DataFrame]


Source = Callable[[Request, Report], Pulled]
