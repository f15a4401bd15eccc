# SPDX-License-Identifier: Apache-2.0
"""How long the charts of a report take: CPU seconds, with the converter's start."""

from __future__ import annotations

import time

import altair as alt  # noqa: F401  # loaded once, before the clock

from optimizer.reporting import charts

from ..reporting.chart_numbers import usual


def test_charts_of_a_report():
    """Twelve charts, each drawn wide and narrow."""
    before = time.process_time()
    made = usual()
    middle = time.process_time()
    sizes = [len(charts.svg(chart, narrow=narrow)) for chart in made.values() for narrow in (0, 1)]
    after = time.process_time()
    print(
        f"\n{len(made)} charts: {middle - before:.1f} s to make, {after - middle:.1f} s to draw "
        f"{len(sizes)} pictures of {min(sizes) / 1e3:.0f} to {max(sizes) / 1e3:.0f} kB"
    )
    assert after - before < 6  # of CPU; 3 on idle cores
    assert max(sizes) < 60_000
