# SPDX-License-Identifier: Apache-2.0
"""What the commands in modules of their own share with the command line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Form(StrEnum):
    """How a command that answers with tables prints them."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


@dataclass(frozen=True)
class Terminal:
    """Errors as messages and exit codes, progress on stderr, results on stdout.

    Attributes
    ----------
    errors
        ``errors(machine=…)``: a context that turns errors into a message and an exit code.
    progress
        ``progress(quiet)``: says what is being done.
    write, show, save
        A text; a page (and whether without colour); a file, whole or not at all.
    """

    errors: Callable[..., AbstractContextManager[None]]
    progress: Callable[[bool], Callable[[str], None]]
    write: Callable[[str], None]
    show: Callable[[Any, bool], None]
    save: Callable[[Path, str], None]
