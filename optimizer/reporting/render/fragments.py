# SPDX-License-Identifier: Apache-2.0
"""Parts of a report as HTML, for the pages of a server; the report's page is made of the same.

Each takes the currency of its money. What else there is to say goes into a ``Look``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from optimizer.reporting import charts
from optimizer.reporting.document import Block, Chart, Figures, Prose, Section, Table
from optimizer.reporting.render import views
from optimizer.reporting.render.views import Look


@cache
def environment() -> Environment:
    """The templates of reports: every value is escaped, an unknown name is an error."""
    return Environment(
        loader=PackageLoader("optimizer.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )


@cache
def stylesheet() -> str:
    """Return the style sheet of reports, which their parts need too, with that of charts.

    Its own classes begin ``rp-``; ``data-theme`` of the root element is heeded, else the system's.
    """
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), "report.css")[0] + charts.stylesheet()


def html_prose(prose: Prose) -> Markup:
    """A paragraph as HTML."""
    return _macro("prose")(views.prose_view(prose))


def html_figures(figures: Figures, look: Look | str) -> Markup:
    """A strip of key figures as HTML, with their changes and formulas."""
    return _macro("figures")(views.figures_view(figures, _look(look)))


def html_table(table: Table, look: Look | str, *, heading: bool = True) -> Markup:
    """A table as HTML in a box of its own that scrolls; its formulas are listed under it."""
    return _macro("table")(views.table_view(table, _look(look), heading=heading))


def html_chart(chart: Chart, look: Look | str, *, heading: bool = True) -> Markup:
    """A chart as HTML: its picture in the page's colours, its summary, its table folded."""
    return _macro("chart")(views.chart_view(chart, _look(look), heading=heading))


def html_block(block: Block, look: Look | str) -> Markup:
    """Any block as HTML."""
    return _macro("block")(views.block_view(block, _look(look)))


def html_section(section: Section, look: Look | str) -> Markup:
    """A section as HTML, with its heading."""
    return _macro("section")(views.section_view(section, _look(look)))


def _macro(name: str) -> Callable[[views.View], Markup]:
    module: Any = environment().get_template("blocks.html").module
    found: Callable[[views.View], Markup] = getattr(module, name)
    return found


def _look(look: Look | str) -> Look:
    """A look, or the usual one with a currency."""
    return Look(look) if isinstance(look, str) else look
