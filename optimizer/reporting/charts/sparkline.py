# SPDX-License-Identifier: Apache-2.0
"""A line as small as a word, for a key figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from optimizer.reporting.charts import theme

_WIDTH, _HEIGHT, _EDGE = 96, 24, 3


def sparkline(values: Sequence[float | None], label: str) -> str:
    """The last values of a figure as an SVG element; its end has a dot.

    Absent values and those that are no finite numbers are gaps. Of more than sixty values the
    last are drawn. Nothing is drawn of fewer than two.

    Parameters
    ----------
    label
        Alternative text, which must say what the line says.
    """
    known = [
        (at, float(value))
        for at, value in enumerate(values[-60:])
        if value is not None and math.isfinite(float(value))
    ]
    if len(known) < 2:
        return ""
    low, high = min(v for _, v in known), max(v for _, v in known)
    last = known[-1][0] or 1

    def place(at: int, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low) if high > low else 0.5
        return (
            _EDGE + at / last * (_WIDTH - 2 * _EDGE),
            _HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE),
        )

    path, before = "", None
    for at, value in known:
        x, y = place(at, value)
        path += f"{'L' if before == at - 1 else 'M'}{x:.1f},{y:.1f}"
        before = at
    x, y = place(*known[-1])
    colour, ink = theme.SERIES[0], theme.LIGHT["ink"]
    return theme.bound(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sparkline" role="img" '
        f'aria-label="{escape(label)}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><path d="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="1.5" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{ink}"/></svg>'
    )
