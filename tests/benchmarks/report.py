# SPDX-License-Identifier: Apache-2.0
"""Writes measured tables into docs/benchmarks.md, each between its own markers."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def write_table(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Replace the table ``name`` of the page, and print it."""
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
    write_text(name, "\n".join(lines))


def write_text(name: str, text: str) -> None:
    """Replace what stands between the markers of ``name``."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"docs/benchmarks.md has no markers for {name}"
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    print(f"\n{text}")


def machine() -> str:
    """What the figures were taken on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "highspy", "ortools"))
    system = f"{platform.system()} {platform.machine()}"
    return f"Python {platform.python_version()}, {packages}; {system}, {os.cpu_count()} processors."


def seconds(value: float) -> str:
    """Three figures are what a busy machine repeats."""
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"


def share(value: float) -> str:
    """A gap in percent."""
    return f"{100 * value:.3f} %"


def memory(figures: dict[str, Any]) -> str:
    """Peak, and what the process held before it began to solve."""
    if math.isnan(figures["peak"]):
        return ""
    before = f" (before: {figures['base']:.0f})" if "base" in figures else ""
    return f"{figures['peak']:.0f} MB{before}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
