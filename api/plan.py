# SPDX-License-Identifier: Apache-2.0
"""What ``gpuopt plan`` and ``gpuopt demo`` do: plan a case, keep and print the answer."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from api.terminal import (
    EXIT_CHANGES,
    EXIT_INFEASIBLE,
    EXIT_STOPPED,
    WIDTH,
    Interrupt,
    progress_of,
    save,
    show,
    write,
)
from optimizer.errors import UsageError

if TYPE_CHECKING:
    from optimizer.tables import Case

DEMO = "frontier-lab"
_MOST_START = Decimal(10) ** 12


def plan_case(
    case: Path,
    output: Path | None,
    machine: bool,
    detail: bool,
    quiet: bool,
    no_color: bool,
    detailed_exitcode: bool,
    start: Path | None,
) -> int:
    """Plan a case, write and print the plan, and return the exit code."""
    progress = progress_of(quiet)
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
    opened = opened_case(case)
    previous = None if start is None else _purchases_of(start)
    if previous is not None:
        offers = set(opened.table("offers")["offer"])
        for offer in sorted(previous.keys() - offers):
            sys.stderr.write(f"{start}: the case has no offer '{offer}': it is ignored\n")
        previous = {offer: amount for offer, amount in previous.items() if offer in offers}
    try:
        with Interrupt(progress) as interrupt:
            watch = Watch(tell=lambda told: progress(str(told)), cancelled=interrupt.asked)
            plan = make_plan(opened, progress, watch=watch, previous=previous)
        document = plan_document(plan, detail=detail)
    except InfeasibleCase as error:
        document = infeasible_document(error)
    text = to_json(document) + "\n"
    if output is not None:
        from api.plan_cache import beside, case_note

        save(output, text)
        save(beside(output), case_note(output, case))
    infeasible = document["status"] == "infeasible"
    page = infeasible_page(document) if infeasible else plan_page(document, detail=detail)
    if output is not None and case == demo_folder():
        save(output.with_suffix(".txt"), render(page, width=WIDTH, colour=False))
    if machine:
        write(text)
    else:
        show(page, no_color)
    if infeasible:
        return EXIT_INFEASIBLE
    if detailed_exitcode and document["status"] == "stopped":
        return EXIT_STOPPED
    return EXIT_CHANGES if detailed_exitcode and document["purchases"] else 0


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


def demo_folder() -> Path:
    """The bundled case: beside the packages in a checkout, inside ``optimizer`` in a wheel."""
    import optimizer

    root = Path(optimizer.__file__).parent
    for folder in (root / "demo" / DEMO, root.parent / "fixtures" / DEMO):
        if folder.is_dir():
            return folder
    msg = "the demonstration case is not installed. To mend it: install gpuopt again"
    raise UsageError(msg)


def opened_case(case: Path) -> Case:
    """Read a case, and name columns that nobody reads but somebody may count on."""
    from optimizer.tables import read_case

    opened = read_case(case)
    for file, column, meant in opened.doubtful_columns():
        sys.stderr.write(f"{file}: the column {column} is ignored; {meant} may be meant\n")
    return opened
