# SPDX-License-Identifier: Apache-2.0
"""Beside a plan's JSON: where its case lies, so that ``gpuopt what-if PLAN`` finds it.

The plan itself holds no path: the same snapshot, settings and seed give the same bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from optimizer.errors import UsageError

ENDING = ".case"


def beside(plan: Path) -> Path:
    """The file beside a plan."""
    return plan.with_name(plan.name + ENDING)


def case_note(plan: Path, case: Path) -> str:
    """What the file beside a plan says: its case, as a path from the plan's folder."""
    return json.dumps({"case": os.path.relpath(case.resolve(), plan.resolve().parent)}) + "\n"


def case_beside(plan: Path) -> Path:
    """The folder of a plan's case.

    Raises
    ------
    UsageError
        If there is no file beside the plan, or no folder where it says.
    """
    mend = "To mend it: name the folder with --case"
    note = beside(plan)
    try:
        case = json.loads(note.read_text(encoding="utf-8"))["case"]
    except OSError:
        raise UsageError(f"{note} is not there, so that {plan} has no case. {mend}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{note} is not what gpuopt plan -o writes. {mend}") from None
    folder = plan.parent / str(case)
    if not folder.is_dir():
        raise UsageError(f"the case of {plan} is not at {folder} any more. {mend}")
    return folder
