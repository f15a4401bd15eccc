# SPDX-License-Identifier: Apache-2.0
"""The command ``gpuopt``: stdout is the result, stderr is progress.

Heavy libraries are imported inside the commands, so that ``gpuopt --help`` answers at once.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api import anomalies, costs, export, frontier, report, whatif
from api import serve as serving
from api.backtest import backtest
from api.plan import demo_folder, opened_case, plan_case
from api.terminal import (
    EXIT_PARTIAL,
    TERMINAL,
    Errors,
    Interrupt,
    make_folder,
    progress_of,
    show,
    write,
)

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

        write(f"gpuopt {version('gpuopt')}\n")
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
    with Errors(machine=machine):
        code = plan_case(case, output, machine, detail, quiet, no_color, detailed_exitcode, start)
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
    with Errors(machine=machine):
        progress = progress_of(quiet)
        progress("reading tables")
        from optimizer.billing import bill_case
        from optimizer.planning import bill_document, to_json

        if focus is not None:
            from optimizer.billing.focus import focus_format, write_focus

            focus_format(focus)  # refused before the work, not after it
        opened = opened_case(case)
        progress("replaying usage")
        replayed = bill_case(opened)
        document = bill_document(opened, replayed, detail=detail, reconciled=reconcile)
        if focus is not None:
            progress("writing FOCUS rows")
            rows = write_focus(opened, replayed, focus)
            progress(f"{rows} FOCUS rows in {focus}")
        if machine:
            write(to_json(document) + "\n")
        else:
            from optimizer.reporting.text import bill_page

            show(bill_page(document, detail=detail), no_color)


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
    with Errors(machine=machine):
        progress = progress_of(quiet)
        progress("reading tables")
        from api.ladder import ladder_document
        from optimizer.planning import to_json
        from optimizer.program.watch import Watch
        from optimizer.reporting.ladder import ladder_page
        from optimizer.tables import read_case

        with Interrupt(progress) as interrupt:
            watch = Watch(tell=lambda told: progress(str(told)), cancelled=interrupt.asked)
            document = ladder_document(read_case(case), progress, watch)
        if machine:
            write(to_json(document) + "\n")
        else:
            show(ladder_page(document), no_color)


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
    with Errors(machine=as_json):
        from api import pull as pulling

        progress = progress_of(quiet)
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
            write(json.dumps(pulling.pulled_document(written), indent=1) + "\n")
        else:
            write(f"{written.folder}\n")
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
    with Errors(machine=machine):
        progress_of(quiet)("reading tables")
        from connectors.check import check_snapshot

        document = check_snapshot(snapshot)
        if machine:
            write(json.dumps(document, indent=1) + "\n")
        else:
            from api.check import check_page

            show(check_page(document), no_color)


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
    with Errors(machine=False):
        folder = demo_folder()
        make_folder(output)
        plan_case(folder, output / "plan.json", False, False, quiet, no_color, False, None)
        write(
            f"\nEvery number with its rows: {output / 'plan.json'}\n"
            f"The same page as text:      {output / 'plan.txt'}\n"
        )
        page = output / "report.html"
        told = report.report_of(
            output / "plan.json", folder, None, progress_of(quiet), name="Frontier Lab"
        )
        report.write_report(TERMINAL, told, report.Form.html, page)
        write(f"The weekly report, a page to read and to forward:\n{page}\n")


app.command()(backtest)


def main() -> None:
    """Entry point of the console script."""
    app()


costs.register(app, TERMINAL)
anomalies.register(app, TERMINAL)
export.register(app, TERMINAL)
frontier.register(app, TERMINAL)
report.register(app, TERMINAL)
whatif.register(app, TERMINAL)

if __name__ == "__main__":
    main()
