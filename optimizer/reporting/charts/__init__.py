# SPDX-License-Identifier: Apache-2.0
"""Charts as Vega-Lite specifications, made once and used on pages, in reports and in chat."""

from optimizer.reporting.charts.backtest import backtest_chart
from optimizer.reporting.charts.commitment import commitment_chart
from optimizer.reporting.charts.coverage import coverage_chart
from optimizer.reporting.charts.demand import demand_chart
from optimizer.reporting.charts.frontier import frontier_chart
from optimizer.reporting.charts.ladder import ladder_chart
from optimizer.reporting.charts.lock_in import lock_in_chart
from optimizer.reporting.charts.ranges import ranges_chart
from optimizer.reporting.charts.render import chart_html, javascript, png, stylesheet, svg
from optimizer.reporting.charts.routes import routes_chart
from optimizer.reporting.charts.waterfall import waterfall_chart
from optimizer.reporting.charts.weeks import spend_chart, weekly_bill_chart

__all__ = [
    "backtest_chart",
    "chart_html",
    "commitment_chart",
    "coverage_chart",
    "demand_chart",
    "frontier_chart",
    "javascript",
    "ladder_chart",
    "lock_in_chart",
    "png",
    "ranges_chart",
    "routes_chart",
    "spend_chart",
    "stylesheet",
    "svg",
    "waterfall_chart",
    "weekly_bill_chart",
]
