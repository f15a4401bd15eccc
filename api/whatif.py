# SPDX-License-Identifier: Apache-2.0
"""``gpuopt what-if``, ``diff`` and ``explain``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.terminal import EXIT_INFEASIBLE, Terminal
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType

    from optimizer.planning import Plan

    Page = Callable[[Mapping[str, Any]], RenderableType]

_SET = "an edit, as demand=+20% or 'offers.term_hours<=8760'; repeat (docs/what-if.md)"
_SWEEP = "one edit with FROM..TO:COUNT for its value, as demand=-50%..+100%:7"

JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="no progress on stderr")]
PlainFlag = Annotated[bool, typer.Option("--no-color", help="no colour (or set NO_COLOR)")]
OutFlag = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="also write the JSON here")
]
CaseFlag = Annotated[
    Path | None,
    typer.Option("--case", metavar="CASE", help="the case of PLAN, if it is not where it was"),
]


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the commands."""

    @app.command("what-if")
    def what_if_command(
        source: Annotated[Path, typer.Argument(metavar="CASE|PLAN", help="case, or plan's JSON")],
        edits: Annotated[list[str] | None, typer.Option("--set", metavar="EDIT", help=_SET)] = None,
        sweep: Annotated[str | None, typer.Option("--sweep", metavar="EDIT", help=_SWEEP)] = None,
        case: CaseFlag = None,
        output: OutFlag = None,
        as_json: JsonFlag = False,
        detail: Annotated[bool, typer.Option("--detail", help="with the whole new plan")] = False,
        full: Annotated[
            bool, typer.Option("--full", help="as much work as a plan, for a narrower gap")
        ] = False,
        quiet: QuietFlag = False,
        no_color: PlainFlag = False,
    ) -> None:
        """Plan CASE with some things otherwise, and say what that changes and why.

        CASE is planned first; a PLAN that gpuopt plan -o wrote is taken as the plan before.
        """
        code = 0
        with terminal.errors(machine=as_json):
            shown = _Shown(output, as_json, no_color)
            progress = terminal.progress(quiet)
            wanted = edits or []
            if sweep is not None:
                _sweep(terminal, source, wanted, sweep, case, shown, progress)
            else:
                code = _what_if(
                    terminal, source, wanted, case, shown, progress, detail=detail, full=full
                )
        raise typer.Exit(code)

    @app.command("diff")
    def diff_command(
        before: Annotated[Path, typer.Argument(metavar="A", help="a plan's JSON, or a case")],
        after: Annotated[Path, typer.Argument(metavar="B", help="a plan's JSON, or a case")],
        output: OutFlag = None,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
        no_color: PlainFlag = False,
    ) -> None:
        """Say what is different between two plans; cases are planned first."""
        with terminal.errors(machine=as_json):
            from optimizer.planning.documents import diff_document, plan_of_file
            from optimizer.reporting.difference import difference_page

            progress = terminal.progress(quiet)
            documents = [
                _planned(path, progress) if path.is_dir() else plan_of_file(path)
                for path in (before, after)
            ]
            shown = _Shown(output, as_json, no_color)
            shown(terminal, diff_document(*documents), difference_page)

    @app.command("mcp")
    def mcp_command(
        folder: Annotated[Path, typer.Argument(metavar="PLANS", help="folder of plans' JSON")],
    ) -> None:
        """Serve the plans of a folder to assistants: read-only MCP tools over stdio."""
        with terminal.errors(machine=False):
            from api.mcp import make_server

            make_server(folder).run("stdio")

    @app.command("explain")
    def explain_command(
        plan: Annotated[Path, typer.Argument(metavar="PLAN", help="a plan's JSON")],
        offer: Annotated[
            str | None, typer.Argument(metavar="OFFER", help="one offer or commitment of it")
        ] = None,
        as_json: JsonFlag = False,
        no_color: PlainFlag = False,
    ) -> None:
        """Say how the numbers of PLAN come about, or those of one OFFER."""
        with terminal.errors(machine=as_json):
            from optimizer.planning import to_json
            from optimizer.planning.documents import explanation_of, plan_of_file
            from optimizer.reporting.difference import explanation_page

            found = explanation_of(plan_of_file(plan), offer)
            if as_json:
                terminal.write(to_json(found) + "\n")
            else:
                terminal.show(explanation_page(found), no_color)


@dataclass(frozen=True)
class _Shown:
    """Where a document goes."""

    output: Path | None
    as_json: bool
    no_color: bool

    def __call__(self, terminal: Terminal, document: dict[str, Any], page: Page) -> None:
        from optimizer.planning import to_json

        text = to_json(document) + "\n"
        if self.output is not None:
            terminal.save(self.output, text)
        if self.as_json:
            terminal.write(text)
        else:
            terminal.show(page(document), self.no_color)


def _what_if(
    terminal: Terminal,
    source: Path,
    edits: list[str],
    case: Path | None,
    shown: _Shown,
    progress: Callable[[str], None],
    *,
    detail: bool,
    full: bool,
) -> int:
    if not edits:
        msg = "there is no edit. To mend it: say what is otherwise, as --set demand=+20%"
        raise UsageError(msg)
    progress("reading tables")
    from optimizer.planning import InfeasibleCase, infeasible_document
    from optimizer.planning.whatif import parse_edits, what_if, what_if_document
    from optimizer.program.solve import FULL, QUICK
    from optimizer.reporting.difference import difference_page
    from optimizer.reporting.text import infeasible_page

    parse_edits(edits)  # refused before the work, not after it
    base = open_base(source, case, progress)
    try:
        answer = what_if(base, edits, progress, effort=FULL if full else QUICK)
    except InfeasibleCase as error:
        shown(terminal, infeasible_document(error), infeasible_page)
        return EXIT_INFEASIBLE
    shown(terminal, what_if_document(answer, detail=detail), difference_page)
    return 0


def _sweep(
    terminal: Terminal,
    source: Path,
    edits: list[str],
    sweep: str,
    case: Path | None,
    shown: _Shown,
    progress: Callable[[str], None],
) -> None:
    progress("reading tables")
    from api.executors import open_executor
    from optimizer.planning.whatif.sweep import parse_sweep, sweep_document
    from optimizer.reporting.difference import sweep_page

    steps = parse_sweep(sweep)
    folder = source if source.is_dir() else (case or case_of_plan(source))
    with open_executor() as (executor, workers):
        document = sweep_document(folder, steps, edits, executor, progress, workers=workers)
    shown(terminal, document, sweep_page)


def open_base(source: Path, case: Path | None, progress: Callable[[str], None]) -> Plan:
    """The plan before: of a case, or of a plan's JSON and its case."""
    from optimizer.planning import make_plan
    from optimizer.planning.documents import plan_of_file, purchases_of, refuse_other_case
    from optimizer.tables import read_case

    if source.is_dir():
        return make_plan(read_case(source), progress)
    document = plan_of_file(source)
    opened = read_case(case or case_of_plan(source))
    refuse_other_case(document, opened, source)
    return make_plan(opened, progress, previous=purchases_of(document))


def case_of_plan(plan: Path) -> Path:
    """The folder of the case that a plan was made from, by what was written beside it."""
    from api.plan_cache import case_beside

    return case_beside(plan)


def _planned(folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    from optimizer.planning import make_plan
    from optimizer.planning.whatif.answer import plan_summary
    from optimizer.tables import read_case

    return plan_summary(make_plan(read_case(folder), progress))
