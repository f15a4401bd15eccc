# SPDX-License-Identifier: Apache-2.0
"""The command ``gpuopt``: stdout is the result, stderr is progress.

Heavy libraries are imported inside the commands, so that ``gpuopt --help`` answers at once.
"""

from __future__ import annotations

import decimal
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api import anomalies, costs, export, frontier, report, whatif
from api import serve as serving
from api.backtest import backtest
from api.terminal import Terminal
from optimizer.errors import DataError, GpuoptError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from optimizer.tables import Case

WIDTH = 132  # where stdout is no terminal
DEMO = "frontier-lab"

EXIT_INFEASIBLE = 11
EXIT_CHANGES = 10
EXIT_STOPPED = 12
EXIT_PARTIAL = 14
EXIT_INTERRUPTED = 130
_DIGITS = 64
_MOST_START = Decimal(10) ** 12
_PROVIDERS = "aws, azure, gcp, focus, llm: one or several"

app = typer.Typer(
    name="gpuopt",
    help="Plan GPU commitments: what to buy, and how far from perfect it can be at most.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Format(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        _print(f"gpuopt {version('gpuopt')}\n")
        raise typer.Exit


CaseArgument = Annotated[Path, typer.Argument(metavar="CASE", help="folder of tables")]
JsonOption = Annotated[bool, typer.Option("--json", help="same as --format json")]
FormatOption = Annotated[Format, typer.Option("--format", help="how to print the result")]
DetailOption = Annotated[bool, typer.Option("--detail", help="every row: hours, lines, losers")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no progress on stderr")]
ColourOption = Annotated[bool, typer.Option("--no-color", help="no colour (or set NO_COLOR)")]
OutOption = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="also write the JSON here")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--start", metavar="PLAN", help="an earlier plan's JSON to start from"),
]
FocusOption = Annotated[
    Path | None,
    typer.Option(
        "--focus", metavar="FILE", help="also write FOCUS 1.2 rows: .csv .csv.gz .parquet"
    ),
]
ReconcileOption = Annotated[
    bool, typer.Option("--reconcile", help="compare with billed_cost, with a reason for each gap")
]
ExitOption = Annotated[
    bool, typer.Option("--detailed-exitcode", help="10: changes advised, 12: stopped at a limit")
]


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="print the version", is_eager=True, callback=_version),
    ] = False,
) -> None:
    pass


@app.command()
def plan(
    case: CaseArgument,
    output: OutOption = None,
    as_json: JsonOption = False,
    form: FormatOption = Format.table,
    detail: DetailOption = False,
    quiet: QuietOption = False,
    no_color: ColourOption = False,
    detailed_exitcode: ExitOption = False,
    start: StartOption = None,
) -> None:
    """Plan the horizon of CASE: what to buy, with the proof of how good it is."""
    machine = as_json or form is Format.json
    with _Errors(machine=machine):
        code = _plan(case, output, machine, detail, quiet, no_color, detailed_exitcode, start)
    raise typer.Exit(code)


@app.command()
def bill(
    case: CaseArgument,
    as_json: JsonOption = False,
    form: FormatOption = Format.table,
    detail: DetailOption = False,
    focus: FocusOption = None,
    reconcile: ReconcileOption = False,
    quiet: QuietOption = False,
    no_color: ColourOption = False,
) -> None:
    """Replay the usage of CASE against its commitments, by the providers' own rules."""
    machine = as_json or form is Format.json
    with _Errors(machine=machine):
        progress = _progress(quiet)
        progress("reading tables")
        from optimizer.billing import bill_case
        from optimizer.planning import bill_document, to_json

        if focus is not None:
            from optimizer.billing.focus import focus_format, write_focus

            focus_format(focus)  # refused before the work, not after it
        opened = _opened(case)
        progress("replaying usage")
        replayed = bill_case(opened)
        document = bill_document(opened, replayed, detail=detail, reconciled=reconcile)
        if focus is not None:
            progress("writing FOCUS rows")
            rows = write_focus(opened, replayed, focus)
            progress(f"{rows} FOCUS rows in {focus}")
        if machine:
            _print(to_json(document) + "\n")
        else:
            from optimizer.reporting.text import bill_page

            _show(bill_page(document, detail=detail), no_color)


@app.command()
def ladder(
    case: CaseArgument,
    as_json: JsonOption = False,
    form: FormatOption = Format.table,
    quiet: QuietOption = False,
    no_color: ColourOption = False,
) -> None:
    """What to buy when in the next twelve months, and what would change that."""
    machine = as_json or form is Format.json
    with _Errors(machine=machine):
        progress = _progress(quiet)
        progress("reading tables")
        from api.ladder import ladder_document
        from optimizer.planning import to_json
        from optimizer.program.watch import Watch
        from optimizer.reporting.ladder import ladder_page
        from optimizer.tables import read_case

        with _Interrupt(progress) as interrupt:
            watch = Watch(tell=lambda told: progress(str(told)), cancelled=interrupt.asked)
            document = ladder_document(read_case(case), progress, watch)
        if machine:
            _print(to_json(document) + "\n")
        else:
            _show(ladder_page(document), no_color)


@app.command()
def pull(
    providers: Annotated[list[str], typer.Argument(metavar="PROVIDER…", help=_PROVIDERS)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="where snapshots lie")],
    since: Annotated[str, typer.Option("--since", help="90d, 12w, or a date")] = "90d",
    until: Annotated[
        str | None, typer.Option("--until", help="the hour that ends the window; default now")
    ] = None,
    regions: Annotated[
        list[str] | None, typer.Option("--regions", help="a,b or aws=a,b; default: all there are")
    ] = None,
    accounts: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            help="role, subscription, project or file; for one of several: aws=ROLE; repeat",
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="a setting, as export=s3://… or aws.export=s3://…; repeat",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="a case.toml whose settings are taken"),
    ] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="ISO 4217")] = None,
    full: Annotated[bool, typer.Option("--full", help="ask for closed months again")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Pull usage, prices, offers and commitments into a snapshot that can be planned.

    Several providers make one snapshot. Accounts are read, never changed; credentials are those
    of each cloud's own tools. stdout is the snapshot's folder.

    Exit codes: 0 done, 1 error, 2 usage or no credentials, 13 data refused, 14 written but partial.

    What each provider can tell, its settings and permissions: docs/connectors.md.
    """
    with _Errors(machine=as_json):
        from api import pull as pulling

        progress = _progress(quiet)
        options = pulling.PullOptions(
            to=to,
            since=since,
            until=until,
            regions=regions or (),
            accounts=accounts or (),
            values=values or (),
            settings=settings,
            currency=currency,
            full=full,
        )
        written = pulling.pull(providers, options, progress)
        for line in pulling.pulled_lines(written):
            progress(line)
        if as_json:
            _print(json.dumps(pulling.pulled_document(written), indent=1) + "\n")
        else:
            _print(f"{written.folder}\n")
    raise typer.Exit(EXIT_PARTIAL if written.partial else 0)


@app.command()
def check(
    snapshot: Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="a snapshot or case")],
    as_json: JsonOption = False,
    form: FormatOption = Format.table,
    quiet: QuietOption = False,
    no_color: ColourOption = False,
) -> None:
    """Say how far SNAPSHOT can be trusted: age, gaps, outliers, meters without a price."""
    machine = as_json or form is Format.json
    with _Errors(machine=machine):
        _progress(quiet)("reading tables")
        from connectors.check import check_snapshot

        document = check_snapshot(snapshot)
        if machine:
            _print(json.dumps(document, indent=1) + "\n")
        else:
            from api.check import check_page

            _show(check_page(document), no_color)


app.command()(serving.serve)
app.command()(serving.tenant)
app.command()(serving.openapi)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="where the report goes")
    ] = Path("gpuopt-demo"),
    quiet: QuietOption = False,
    no_color: ColourOption = False,
) -> None:
    """Plan the demonstration company, which comes with the program."""
    with _Errors(machine=False):
        folder = _demo_folder()
        _writable(output)
        _plan(folder, output / "plan.json", False, False, quiet, no_color, False, None)
        _print(
            f"\nEvery number with its rows: {output / 'plan.json'}\n"
            f"The same page as text:      {output / 'plan.txt'}\n"
        )
        page = output / "report.html"
        told = report.report_of(
            output / "plan.json", folder, None, _progress(quiet), name="Frontier Lab"
        )
        report.write_report(_TERMINAL, told, report.Form.html, page)
        _print(f"The weekly report, a page to read and to forward:\n{page}\n")


app.command()(backtest)


def main() -> None:
    """Entry point of the console script."""
    app()


def _plan(
    case: Path,
    output: Path | None,
    machine: bool,
    detail: bool,
    quiet: bool,
    no_color: bool,
    detailed_exitcode: bool,
    start: Path | None,
) -> int:
    progress = _progress(quiet)
    progress("reading tables")
    from optimizer.planning import (
        InfeasibleCase,
        infeasible_document,
        make_plan,
        plan_document,
        to_json,
    )
    from optimizer.program.watch import Watch
    from optimizer.reporting.text import infeasible_page, plan_page, render

    if output is not None and output.suffix != ".json":
        msg = f"the plan is written as JSON, but {output} does not end in .json"
        raise UsageError(f"{msg}. To mend it: name a file such as {output.name}.json")
    opened = _opened(case)
    previous = None if start is None else _purchases_of(start)
    if previous is not None:
        offers = set(opened.table("offers")["offer"])
        for offer in sorted(previous.keys() - offers):
            sys.stderr.write(f"{start}: the case has no offer '{offer}': it is ignored\n")
        previous = {offer: amount for offer, amount in previous.items() if offer in offers}
    try:
        with _Interrupt(progress) as interrupt:
            watch = Watch(tell=lambda told: progress(str(told)), cancelled=interrupt.asked)
            plan = make_plan(opened, progress, watch=watch, previous=previous)
        document = plan_document(plan, detail=detail)
    except InfeasibleCase as error:
        document = infeasible_document(error)
    text = to_json(document) + "\n"
    if output is not None:
        from api.plan_cache import beside, case_note

        _write(output, text)
        _write(beside(output), case_note(output, case))
    infeasible = document["status"] == "infeasible"
    page = infeasible_page(document) if infeasible else plan_page(document, detail=detail)
    if output is not None and case == _demo_folder():
        _write(output.with_suffix(".txt"), render(page, width=WIDTH, colour=False))
    if machine:
        _print(text)
    else:
        _show(page, no_color)
    if infeasible:
        return EXIT_INFEASIBLE
    if detailed_exitcode and document["status"] == "stopped":
        return EXIT_STOPPED
    return EXIT_CHANGES if detailed_exitcode and document["purchases"] else 0


class _Interrupt:
    """The first Ctrl-C ends the search and keeps the best plan so far; a second one aborts."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.progress = progress
        self.wanted = False
        self.before: Any = None

    def asked(self) -> bool:
        return self.wanted

    def __enter__(self) -> _Interrupt:
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


def _purchases_of(file: Path) -> dict[str, Decimal]:
    """Amounts by offer of a plan that was written before."""
    mend = "To mend it: name a file that gpuopt plan -o wrote"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        rows = [(str(row["offer"]), Decimal(str(row["quantity"]))) for row in document["purchases"]]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}. {mend}") from None
    except (ValueError, KeyError, TypeError, ArithmeticError):
        raise UsageError(f"{file} is not a plan. {mend}") from None
    for number, (offer, amount) in enumerate(rows, start=1):
        if not amount.is_finite() or not 0 <= amount < _MOST_START:
            msg = f"{file}, purchase {number} ({offer}): the quantity {amount} is no amount"
            mend = f"write a number of at least 0 and below {_MOST_START:f}, or remove the entry"
            raise UsageError(f"{msg}. To mend it: {mend}")
    return dict(rows)


def _demo_folder() -> Path:
    """The bundled case: beside the packages in a checkout, inside ``optimizer`` in a wheel."""
    import optimizer

    root = Path(optimizer.__file__).parent
    for folder in (root / "demo" / DEMO, root.parent / "fixtures" / DEMO):
        if folder.is_dir():
            return folder
    msg = "the demonstration case is not installed. To mend it: install gpuopt again"
    raise UsageError(msg)


def _show(page: RenderableType, no_color: bool) -> None:
    from optimizer.reporting.text import render

    terminal = sys.stdout.isatty()
    colour = terminal and not no_color and "NO_COLOR" not in os.environ
    width = max(100, os.get_terminal_size().columns) if terminal else WIDTH
    _print(render(page, width=width, colour=colour))


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _opened(case: Path) -> Case:
    """Read a case, and name columns that nobody reads but somebody may count on."""
    from optimizer.tables import read_case

    opened = read_case(case)
    for file, column, meant in opened.doubtful_columns():
        sys.stderr.write(f"{file}: the column {column} is ignored; {meant} may be meant\n")
    return opened


def _progress(quiet: bool) -> Callable[[str], None]:
    """Progress on stderr: one line that is overwritten in a terminal, else plain lines."""
    if quiet:
        return lambda _: None
    ending = "\r" if sys.stderr.isatty() else "\n"

    def say(message: str) -> None:
        sys.stderr.write(f"{message:<70}{ending}" if ending == "\r" else f"{message}{ending}")
        sys.stderr.flush()

    return say


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"cannot write to {folder} ({error.strerror}). To mend it: name another folder with -o"
        )
        raise UsageError(msg) from error


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        msg = f"cannot write {path} ({error.strerror}). To mend it: name another file with -o"
        raise UsageError(msg) from error


class _Errors:
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


_TERMINAL = Terminal(errors=_Errors, progress=_progress, write=_print, show=_show, save=_write)
costs.register(app, _TERMINAL)
anomalies.register(app, _TERMINAL)
export.register(app, _TERMINAL)
frontier.register(app, _TERMINAL)
report.register(app, _TERMINAL)
whatif.register(app, _TERMINAL)

if __name__ == "__main__":
    main()
