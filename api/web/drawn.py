# SPDX-License-Identifier: Apache-2.0
"""Charts that were drawn, kept: what they are made of never changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from api.store.kept import Recent
from optimizer.reporting import charts
from optimizer.reporting.document import Chart


@dataclass(frozen=True)
class ChartView:
    """A chart, and its figure as HTML; see ``chart`` in ``parts.html``."""

    chart: Chart
    html: Markup


_CHARTS: Recent[ChartView] = Recent(16 << 20)  # characters of the pictures


def drawn(tenant: str, of: str, name: str, make: Callable[[], Chart]) -> ChartView:
    """Return a chart of a job or a snapshot of a tenant, drawn once.

    Parameters
    ----------
    of
        The id of what it is made of.
    """
    key = (tenant, of, name)
    known = _CHARTS.get(key)
    if known is None:
        chart = make()
        known = ChartView(chart, Markup(charts.chart_html(chart)))  # noqa: S704 (escaped there)
        _CHARTS.put(key, known, len(known.html) + 1_000)
    return known


def plan_charts_of(tenant: str, job: str, document: Mapping[str, Any]) -> dict[str, ChartView]:
    """Return the charts of a plan, those whose numbers it has."""
    makers: dict[str, tuple[bool, Callable[[Mapping[str, Any]], Chart]]] = {
        "commitment": (bool(document.get("commitment_curve")), charts.commitment_chart),
        "ranges": ("p10" in document, charts.ranges_chart),
        "ladder": (bool(document.get("ladder")), charts.ladder_chart),
        "lock_in": (bool(document.get("lock_in")), charts.lock_in_chart),
    }
    return {
        name: drawn(tenant, job, name, partial(make, document))
        for name, (there, make) in makers.items()
        if there
    }
