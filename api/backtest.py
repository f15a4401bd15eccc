# SPDX-License-Identifier: Apache-2.0
"""The command ``gpuopt backtest``: rules of purchase walked through a case's own history."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.terminal import Errors, progress_of, save, show, write

_MOST_WORKERS = 4


class BacktestFormat(StrEnum):
    """How a backtest is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


def backtest(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="folder of tables")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="also write the JSON here"),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", metavar="FILE", help="also write a Vega-Lite chart (JSON) here"),
    ] = None,
    every: Annotated[int, typer.Option("--every", help="hours between purchases")] = 730,
    starts: Annotated[int, typer.Option("--starts", help="start dates")] = 3,
    backwards: Annotated[
        bool, typer.Option("--backwards/--forward-only", help="also walk history backwards")
    ] = True,
    term: Annotated[
        int | None, typer.Option("--term", help="hours of the term; the shortest of each offer")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="processes side by side; 1: none but this")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="same as --format json")] = False,
    form: Annotated[
        BacktestFormat, typer.Option("--format", help="how to print the result")
    ] = BacktestFormat.table,
    detail: Annotated[bool, typer.Option("--detail", help="every date of every rule")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress on stderr")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="no colour (or set NO_COLOR)")
    ] = False,
) -> None:
    """Walk rules of purchase through the history of CASE: ours, the peers', the optimum.

    On each date a rule sees what ran before it, and nothing else. docs/backtest.md says how.
    """
    form = BacktestFormat.json if as_json else form
    with Errors(machine=form is BacktestFormat.json):
        progress = progress_of(quiet)
        progress("reading tables")
        from optimizer.planning import to_json
        from optimizer.planning.backtest import backtest as walk
        from optimizer.planning.backtest import backtest_document
        from optimizer.reporting import backtest as reporting
        from optimizer.tables import read_case

        opened = read_case(case)
        options: dict[str, Any] = {
            "step": every,
            "starts": starts,
            "backwards": backwards,
            "term_hours": term,
            "progress": progress,
        }
        count = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
        if count > 1:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(count, mp_context=context) as executor:
                result = walk(opened, executor=executor, **options)
        else:
            result = walk(opened, **options)
        document = backtest_document(result, detail=detail)
        if output is not None:
            save(output, to_json(document) + "\n")
        if chart is not None:
            save(chart, json.dumps(reporting.chart(document), indent=1) + "\n")
        if form is BacktestFormat.json:
            write(to_json(document) + "\n")
        elif form is BacktestFormat.csv:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(reporting.table_rows(document))
            write(text.getvalue())
        elif form is BacktestFormat.md:
            write(reporting.markdown(document))
        else:
            show(reporting.backtest_page(document), no_color)
