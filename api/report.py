# SPDX-License-Identifier: Apache-2.0
"""``gpuopt report``: the weekly report of a plan as a page, Markdown, JSON or CSV."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.terminal import Terminal
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from optimizer.reporting.document import Document
    from optimizer.tables import Case


class Form(StrEnum):
    """What a report is written as."""

    html = "html"
    md = "md"
    json = "json"
    csv = "csv"


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the command."""

    @app.command("report")
    def report_command(
        plan: Annotated[Path, typer.Argument(metavar="PLAN", help="a plan's JSON")],
        case: Annotated[
            Path | None,
            typer.Option("--case", metavar="CASE", help="the case of PLAN, if not where it was"),
        ] = None,
        before: Annotated[
            Path | None,
            typer.Option(
                "--before", metavar="PLAN", help="an earlier plan, to follow up its advice"
            ),
        ] = None,
        form: Annotated[
            Form | None,
            typer.Option("--format", help="what to write; default: by the name of -o, else html"),
        ] = None,
        output: Annotated[
            Path | None,
            typer.Option("-o", "--output", metavar="FILE", help="write it here; csv: a folder"),
        ] = None,
        name: Annotated[
            str,
            typer.Option(
                "--name", help="whose report it is; default: the case's name, else its folder"
            ),
        ] = "",
        deliver: Annotated[
            list[str] | None,
            typer.Option(
                "--deliver", metavar="TO", help="a name, address or folder; may be repeated"
            ),
        ] = None,
        quiet: Annotated[bool, typer.Option("--quiet", help="no progress on stderr")] = False,
    ) -> None:
        """Report the last week before PLAN, what to do, what changed, and what advice saved.

        One page that needs no network (html), Markdown for chat and pull requests, JSON with
        exact values, or a CSV of each table.
        """
        with terminal.errors(machine=False):
            send = sender(deliver) if deliver else None
            wanted = form or _form_of(output)
            if wanted is Form.csv and output is None and send is None:
                msg = "a report has several tables. To mend it: name a folder for the CSV with -o"
                raise UsageError(msg)
            progress = terminal.progress(quiet)
            document = report_of(plan, case, before, progress, name=name)
            progress("writing the report")
            if output is not None or send is None:
                write_report(terminal, document, wanted, output)
            if send is not None:
                send(document, progress)


def sender(places: list[str]) -> Callable[[Document, Callable[[str], None]], None]:
    """What delivers a report to places; they are looked for before anything is reckoned."""
    from api.deliver.named import deliver_all, destination_named

    found = {place: destination_named(place) for place in places}
    return lambda document, progress: deliver_all(document, found, progress)


def _form_of(output: Path | None) -> Form:
    """The form that the name of a file stands for."""
    if output is None:
        return Form.html
    known = {".html": Form.html, ".md": Form.md, ".json": Form.json, "": Form.csv}
    found = known.get(output.suffix.lower())
    if found is None:
        msg = f"what {output} is to be cannot be told from its name"
        raise UsageError(f"{msg}. To mend it: say it with --format, or end it in .html, .md, .json")
    return found


def report_of(
    plan: Path,
    case: Path | None,
    before: Path | None,
    progress: Callable[[str], None],
    *,
    name: str = "",
) -> Document:
    """Return the report of a plan's file.

    Prices of the week before are those of the case of ``before``, where that is still there and
    is what it was planned from.

    Raises
    ------
    UsageError
        If a file is no plan, the case is not the one that it was planned from, or the earlier
        plan is in another currency.
    """
    from optimizer.planning.documents import plan_of_file, refuse_other_case
    from optimizer.reporting.weekly import weekly_report
    from optimizer.tables import read_case

    document = plan_of_file(plan)
    earlier = None if before is None else plan_of_file(before)
    if earlier is not None and earlier["currency"] != document["currency"]:
        msg = f"{before} is in {earlier['currency']}, {plan} in {document['currency']}"
        raise UsageError(f"{msg}. To mend it: name an earlier plan of the same currency")
    progress("reading tables")
    opened = read_case(case or _case_of(plan))
    refuse_other_case(document, opened, plan)
    old = None if before is None or earlier is None else _earlier_case(before, earlier, progress)
    progress("replaying the week")
    return weekly_report(opened, document, before=earlier, earlier=old, name=name)


def write_report(terminal: Terminal, document: Document, form: Form, output: Path | None) -> None:
    """Write a report where it was asked for."""
    from optimizer.reporting import render

    if form is Form.csv and output is not None:
        folder = output
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write to {folder} ({error.strerror})"
            raise UsageError(f"{msg}. To mend it: name another folder with -o") from error
        for file, text in render.csv_files(document).items():
            terminal.save(folder / file, text)
        return
    renderers: dict[Form, Callable[[Document], str]] = {
        Form.html: render.html_page,
        Form.md: render.markdown,
        Form.json: render.json_text,
    }
    text = renderers[form](document)
    if output is None:
        terminal.write(text)
    else:
        terminal.save(output, text)


def _case_of(plan: Path) -> Path:
    from api.plan_cache import case_beside

    return case_beside(plan)


def _earlier_case(
    before: Path, document: dict[str, Any], progress: Callable[[str], None]
) -> Case | None:
    """The case of an earlier plan, if it is still what it was; else prices are not known."""
    from optimizer.tables import read_case

    try:
        opened = read_case(_case_of(before))
    except UsageError:
        opened = None
    if opened is None or opened.snapshot != document["snapshot"]:
        progress(f"prices of {before} are not known: its case is not there any more")
        return None
    return opened
