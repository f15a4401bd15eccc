# SPDX-License-Identifier: Apache-2.0
"""What all commands share: results on stdout, progress on stderr, errors with exit codes."""

from __future__ import annotations

import decimal
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from optimizer.errors import DataError, GpuoptError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 132  # where stdout is no terminal
EXIT_INFEASIBLE = 11
EXIT_CHANGES = 10
EXIT_STOPPED = 12
EXIT_PARTIAL = 14
EXIT_INTERRUPTED = 130
_DIGITS = 64


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


def show(page: RenderableType, no_color: bool) -> None:
    """Print a page, as wide as the terminal."""
    from optimizer.reporting.text import render

    terminal = sys.stdout.isatty()
    colour = terminal and not no_color and "NO_COLOR" not in os.environ
    width = max(100, os.get_terminal_size().columns) if terminal else WIDTH
    write(render(page, width=width, colour=colour))


def write(text: str) -> None:
    """Write to stdout."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress_of(quiet: bool) -> Callable[[str], None]:
    """Progress on stderr: one line that is overwritten in a terminal, else plain lines."""
    if quiet:
        return lambda _: None
    ending = "\r" if sys.stderr.isatty() else "\n"

    def say(message: str) -> None:
        sys.stderr.write(f"{message:<70}{ending}" if ending == "\r" else f"{message}{ending}")
        sys.stderr.flush()

    return say


def make_folder(folder: Path) -> None:
    """Make the folder that results go to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"cannot write to {folder} ({error.strerror}). To mend it: name another folder with -o"
        )
        raise UsageError(msg) from error


def save(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        msg = f"cannot write {path} ({error.strerror}). To mend it: name another file with -o"
        raise UsageError(msg) from error


class Interrupt:
    """The first Ctrl-C ends the search and keeps the best plan so far; a second one aborts."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.progress = progress
        self.wanted = False
        self.before: Any = None

    def asked(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.wanted

    def __enter__(self) -> Interrupt:
        def stop(*_: object) -> None:
            if self.wanted:
                raise KeyboardInterrupt
            self.wanted = True
            self.progress("stopping: the best plan so far is kept (Ctrl-C again aborts)")

        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


class Errors:
    """Turn errors into one message and an exit code; never a traceback for the user."""

    def __init__(self, *, machine: bool) -> None:
        self.machine = machine

    def __enter__(self) -> None:
        """Widen decimals: 28 digits, of which twelve are places, end at money of 1e16."""
        self.before = decimal.getcontext()
        decimal.setcontext(decimal.Context(prec=_DIGITS))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        decimal.setcontext(self.before)
        if error is None or isinstance(error, typer.Exit):
            return
        if isinstance(error, GpuoptError):
            self._fail(error, error.exit_code)
        if isinstance(error, KeyboardInterrupt) or error.args == ("Query interrupted",):
            # DuckDB raises a RuntimeError of these words in place of the KeyboardInterrupt.
            self._fail(error, EXIT_INTERRUPTED, "interrupted. To mend it: run it again")
        if isinstance(error, MemoryError):
            self._fail(error, 1, "out of memory. To mend it: plan a shorter horizon")
        if isinstance(error, Exception) and "GPUOPT_DEBUG" not in os.environ:
            self._fail(
                error, 1, f"unexpected {type(error).__name__}: {error}. To mend it: this is a "
                "defect of gpuopt; set GPUOPT_DEBUG=1 for the traceback and report it",
            )  # fmt: skip

    def _fail(self, error: BaseException, code: int, message: str | None = None) -> NoReturn:
        text = message or str(error)
        if self.machine:
            problem: dict[str, Any] = {
                "type": f"urn:gpuopt:error:{type(error).__name__}",
                "title": getattr(error, "problem", text),
                "detail": text,
                "exit_code": code,
            }
            if isinstance(error, DataError):
                problem["errors"] = [{"file": error.file, "row": error.row, "column": error.column}]
            sys.stderr.write(json.dumps(problem) + "\n")
        else:
            sys.stderr.write(f"gpuopt: {text}\n")
        raise typer.Exit(code) from None


TERMINAL = Terminal(errors=Errors, progress=progress_of, write=write, show=show, save=save)
