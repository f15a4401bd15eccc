# SPDX-License-Identifier: Apache-2.0
"""A report's document as a page, as Markdown, as JSON and as CSV; and parts of it for pages."""

from optimizer.reporting.render.csv_files import csv_files
from optimizer.reporting.render.fragments import (
    html_block,
    html_chart,
    html_figures,
    html_prose,
    html_section,
    html_table,
    stylesheet,
)
from optimizer.reporting.render.markdown import markdown
from optimizer.reporting.render.page import html_page
from optimizer.reporting.render.plain import as_plain, json_text

__all__ = [
    "as_plain",
    "csv_files",
    "html_block",
    "html_chart",
    "html_figures",
    "html_page",
    "html_prose",
    "html_section",
    "html_table",
    "json_text",
    "markdown",
    "stylesheet",
]
