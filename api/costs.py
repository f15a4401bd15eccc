# SPDX-License-Identifier: Apache-2.0
"""``gpuopt costs``: who caused the bill, what a unit of work costs, what was intended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.terminal import Form, Terminal
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from optimizer.reporting.document import Document

_PER = "unit costs: requests, input_tokens, output_tokens, tokens, metered_tokens, runs or a tag_*"
_WEIGH = "what shared deployments are divided by: requests, tokens, input_tokens, output_tokens"
_SHARED = "a value whose cost the others share: untagged=proportional, platform=even; repeat"


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the command."""

    @app.command("costs")
    def costs_command(
        case: Annotated[Path, typer.Argument(metavar="CASE", help="folder of tables")],
        by: Annotated[
            str, typer.Option("--by", help="columns, as tag_team,meter; none: the whole bill")
        ] = "",
        window: Annotated[
            str, typer.Option("--window", help="7d, 30d, lastmonth, 2026-10, A..B, all; UTC")
        ] = "7d",
        rule: Annotated[
            str, typer.Option("--rule", help="whose commitments: used, even, requests")
        ] = "used",
        unused: Annotated[
            str, typer.Option("--unused", help="unused commitments: apart, share")
        ] = "apart",
        shared: Annotated[
            list[str] | None, typer.Option("--shared", metavar="VALUE=HOW", help=_SHARED)
        ] = None,
        weigh: Annotated[str, typer.Option("--weigh", help=_WEIGH)] = "requests",
        per: Annotated[str | None, typer.Option("--per", help=_PER)] = None,
        waterfall: Annotated[
            bool, typer.Option("--waterfall", help="also from list price to effective cost")
        ] = False,
        intent: Annotated[
            bool, typer.Option("--intent", help="also planned and actual by initiative and stage")
        ] = False,
        step: Annotated[
            str | None, typer.Option("--step", help="also step by step: 6h, 1d, 1w, month")
        ] = None,
        top: Annotated[int, typer.Option("--top", min=0, help="rows shown; 0: all")] = 20,
        as_json: Annotated[bool, typer.Option("--json", help="same as --format json")] = False,
        form: Annotated[Form, typer.Option("--format", help="how to print it")] = Form.table,
        quiet: Annotated[bool, typer.Option("--quiet", help="no progress on stderr")] = False,
        no_color: Annotated[bool, typer.Option("--no-color", help="no colour")] = False,
    ) -> None:
        """Attribute the replayed bill of CASE to teams, models, meters or any tag, exactly.

        Groups add up to the bill of the window. The rules are in docs/costs.md. CSV is one
        table: of the unit costs with --per, of the steps with --step, else of the groups.
        """
        machine = as_json or form is Form.json
        with terminal.errors(machine=machine):
            progress = terminal.progress(quiet)
            progress("reading tables")
            from optimizer.planning import to_json
            from optimizer.planning.spend import (
                compare_costs,
                costs_over_time,
                intent_of,
                parse_shared,
                spend_of,
                unit_costs,
            )
            from optimizer.planning.spend.document import costs_document
            from optimizer.reporting.spend import costs_page, costs_report
            from optimizer.tables import read_case

            columns = [name.strip() for name in by.split(",") if name.strip()]
            if per is not None and len(columns) > 1:
                raise UsageError(
                    f"unit costs are of one column, --by has {len(columns)}. "
                    "To mend it: name one, or none for all usage"
                )
            if weigh != "requests" and rule != "requests":
                raise UsageError(
                    f"--weigh says what the rule requests divides by, but the rule is {rule}. "
                    "To mend it: add --rule requests, or take --weigh away"
                )
            rules = [parse_shared(text) for text in shared or ()]
            opened = read_case(case)
            progress("replaying usage")
            spend = spend_of(opened)
            progress("attributing costs")
            compared = compare_costs(
                spend,
                columns,
                window,
                rule=rule,
                unused=unused,
                shared=rules,
                measure=weigh,
                waterfall=waterfall,
            )
            column = columns[0] if columns else None
            units = (
                None
                if per is None
                else (column, unit_costs(spend, per, window, column=column, rule=rule))
            )
            intended = intent_of(spend, window, rule=rule) if intent else None
            if intent and intended is None:
                raise UsageError(
                    "--intent needs the table initiatives, which the case does not have. "
                    "To mend it: add initiatives.csv (docs/costs.md)"
                )
            over_time = (
                None
                if step is None
                else costs_over_time(
                    spend, columns, window, step,
                    rule=rule, unused=unused, shared=rules, measure=weigh,
                )
            )  # fmt: skip
            if machine:
                document = costs_document(
                    spend, compared, units=units, intent=intended, steps=over_time
                )
                terminal.write(to_json(document) + "\n")
                return
            rows = None if form is Form.csv else top or None  # a file has all of them
            report = costs_report(
                spend,
                compared,
                units=units,
                intent=intended,
                steps=over_time,
                top=rows,
                total=form is not Form.csv,
            )
            if form is Form.table:
                terminal.show(costs_page(report), no_color)
            else:
                name = "spend" if step is None else "spend_over_time"
                terminal.write(_text(report, form, name if per is None else "unit_costs"))


def _text(report: Document, form: Form, table: str) -> str:
    """The report as Markdown, or one of its tables as CSV."""
    from optimizer.reporting.render import csv_files, markdown

    if form is Form.md:
        return markdown(report)
    return csv_files(report)[f"{table}.csv"]
