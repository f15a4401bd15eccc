# SPDX-License-Identifier: Apache-2.0
"""``gpuopt frontier``: what quality and latency cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.terminal import Terminal
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from optimizer.tables import Case


class Form(StrEnum):
    """How the points are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def register(app: typer.Typer, terminal: Terminal) -> None:
    """Add the command."""

    @app.command("frontier")
    def frontier_command(
        case: Annotated[Path, typer.Argument(metavar="CASE", help="folder of tables")],
        levels: Annotated[
            int, typer.Option("--levels", min=1, help="levels of quality at each latency")
        ] = 5,
        latency: Annotated[
            str, typer.Option("--latency", help="factors on every TTFT and TPOT target: 1,0.5")
        ] = "1",
        output: Annotated[
            Path | None, typer.Option("-o", "--output", metavar="FILE", help="also write the JSON")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="same as --format json")] = False,
        form: Annotated[Form, typer.Option("--format", help="how to print it")] = Form.table,
        quiet: Annotated[bool, typer.Option("--quiet", help="no progress on stderr")] = False,
        no_color: Annotated[bool, typer.Option("--no-color", help="no colour")] = False,
    ) -> None:
        """Plan CASE at several levels of quality and latency: the efficient plans and their prices.

        The first plan at each latency asks for what the classes ask; the others for levels of
        average quality over all traffic up to the best there is. The JSON has each plan.
        """
        machine = as_json or form is Form.json
        with terminal.errors(machine=machine):
            factors = _factors(latency)
            progress = terminal.progress(quiet)
            progress("reading tables")
            from optimizer.planning import to_json
            from optimizer.planning.frontier import frontier, frontier_document
            from optimizer.reporting.frontier import frontier_csv, frontier_page
            from optimizer.tables import read_case

            opened = read_case(case)
            points = frontier(opened, _planner(progress), levels, factors, progress)
            text = to_json(frontier_document(opened, points)) + "\n"
            document = json.loads(text)
            if output is not None:
                terminal.save(output, text)
            if machine:
                terminal.write(text)
            elif form is Form.csv:
                terminal.write(frontier_csv(document))
            else:
                terminal.show(frontier_page(document), no_color)


def _planner(progress: Callable[[str], None]) -> Callable[[Case], Mapping[str, Any]]:
    """Plan a case; an infeasible one is an answer too."""
    from optimizer.planning import InfeasibleCase, infeasible_document, make_plan, plan_document

    def plan(case: Case) -> Mapping[str, Any]:
        try:
            return plan_document(make_plan(case, progress), detail=False)
        except InfeasibleCase as error:
            return infeasible_document(error)

    return plan


def _factors(text: str) -> list[float]:
    mend = "To mend it: write factors above 0, as --latency 1,0.5"
    try:
        factors = [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--latency '{text}' is no list of numbers. {mend}") from None
    if not all(0 < factor < math.inf for factor in factors) or len(set(factors)) < len(factors):
        raise UsageError(f"--latency '{text}' has a factor that is no factor, or twice. {mend}")
    return factors
