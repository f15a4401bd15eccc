# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file: no network, no script, readable on paper and on a phone."""

from __future__ import annotations

from markupsafe import Markup

from optimizer.reporting.document import Document
from optimizer.reporting.render.fragments import environment, stylesheet
from optimizer.reporting.render.views import Draw, Look, Notes, drawn, page_view

_STANDING = ("Week", "As of")  # facts that stand under the title too


def html_page(document: Document, *, draw: Draw | None = drawn) -> str:
    """Return a report as a page that asks for nothing else; every formula is a footnote.

    ``draw`` returns the SVG of a chart; without it charts are shown as their tables.
    """
    look = Look(document.currency, draw=draw, notes=Notes("n"))
    page = page_view(document, look)
    page["css"] = Markup(stylesheet())  # noqa: S704, our own file
    standing = [f"{n.lower()} {fact}" for n, fact in document.facts.items() if n in _STANDING]
    page["standing"] = " · ".join(standing)
    return environment().get_template("report.html").render(page=page)
