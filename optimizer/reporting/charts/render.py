# SPDX-License-Identifier: Apache-2.0
"""A chart as SVG, as PNG, as a figure of a page, and the JavaScript that makes figures live.

Nothing here reaches a network: specifications hold their data, fonts are the reader's, and the
converter is told to fetch from nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any

from optimizer.reporting.charts import theme
from optimizer.reporting.document import Chart

_CLASS = re.compile(r' class="[^"]*"| aria-[a-z]+="[^"]*"| role="[^"]*"| pointer-events="none"')
_EMPTY = re.compile(r'<path (?:d="" )?display="none"/>|<path d="M0,0h0v0h0Z"/>|<path d=""[^>]*/>')
_TAG = re.compile(r"<[^>]*>")
_FONT = re.compile(r' font-family="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{2,}")
_OPAQUE = re.compile(r' opacity="1"| stroke-width="1"(?=[ />])')
_HEAD = re.compile(r"<svg[^>]*?>")


def svg(chart: Chart, *, dark: bool = False, narrow: bool = False) -> str:
    """The chart as one SVG element with a transparent ground, for the inside of a page.

    It has no title, which the page gives it; its alternative text is the chart's summary, and
    its words are text.

    Parameters
    ----------
    dark
        In the colours for a dark page.
    narrow
        For a phone: 340 pixels wide in the place of 720.

    Raises
    ------
    ValueError
        If the specification asks for data or pictures from elsewhere, or is none.
    """
    spec = _themed(chart, dark=dark, narrow=narrow)
    return _tidied(_picture(_key(spec)), chart)


def png(chart: Chart, *, scale: float = 2.0, dark: bool = False) -> bytes:
    """The chart as a PNG on its own ground, with its title and summary: for chat.

    Raises
    ------
    ValueError
        As :func:`svg`.
    """
    import vl_convert

    spec = _themed(chart, dark=dark, narrow=False)
    spec["title"] = {"text": chart.title, "subtitle": _lines(chart.summary)}
    spec["background"] = theme.COLOURS["paper"][dark]
    spec["padding"] = 16
    made: bytes = vl_convert.vegalite_to_png(spec, scale=scale, allowed_base_urls=[])
    return made


def chart_html(chart: Chart) -> str:
    """The chart as a figure: pictures for wide and narrow pages, in the page's colours.

    The figure carries the specification as inert JSON, so that :func:`javascript` can put the
    live chart in the place of the pictures. It has no inline script and no inline style.
    ``stylesheet()`` belongs on the page.
    """
    wide = theme.bound(svg(chart))
    slim = theme.bound(svg(chart, narrow=True))
    spec = json.dumps(chart.spec, ensure_ascii=False, separators=(",", ":"))
    inert = spec.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        f'<div class="chart" data-chart="{escape(chart.name)}" '
        f'data-summary="{escape(chart.summary)}">'
        f'<div class="chart-wide">{wide}</div><div class="chart-narrow">{slim}</div>'
        f'<script type="application/json" class="chart-spec">{inert}</script></div>'
    )


def stylesheet() -> str:
    """The style sheet of figures: the colours, which picture is shown, and the tooltip."""
    return theme.variables() + _asset("chart.css")


@lru_cache(maxsize=1)
def javascript() -> str:
    """The script that makes figures live: Vega, Vega-Lite, Vega-Embed and our own lines.

    About 0.9 MB and seconds of work: once in a process. It needs no ``eval``: expressions run in
    Vega's interpreter, so that a page may forbid it by its content security policy.
    """
    import vl_convert

    snippet = _asset("chart.js").replace("__DARK__", json.dumps(dict(theme.COLOURS.values())))
    made: str = vl_convert.javascript_bundle(snippet.replace("__NARROW__", str(theme.NARROW)))
    return made


def _asset(name: str) -> str:
    return (resources.files("optimizer.reporting.charts") / name).read_text(encoding="utf-8")


def _themed(chart: Chart, *, dark: bool, narrow: bool) -> dict[str, Any]:
    spec = dict(chart.spec)
    for where in _outside(spec):
        msg = f"chart {chart.name} would fetch {where!r}: a chart holds its data"
        raise ValueError(msg)
    if narrow:
        spec = theme.narrow(spec)
    return theme.dark(spec) if dark else spec


def _outside(spec: Any) -> Iterator[str]:
    """What a specification would fetch: addresses of data and of pictures."""
    if isinstance(spec, Mapping):
        mark = spec.get("mark")
        if mark == "image" or (isinstance(mark, Mapping) and mark.get("type") == "image"):
            yield "a picture"
        for key, value in spec.items():
            if key == "url" or (key == "href" and not isinstance(value, Mapping)):
                yield str(value)
            elif key != "datasets" and not (key == "values" and isinstance(value, list)):
                yield from _outside(value)
    elif isinstance(spec, Sequence) and not isinstance(spec, str):
        for value in spec:
            yield from _outside(value)


def _key(spec: Mapping[str, Any]) -> str:
    return json.dumps(spec, ensure_ascii=False)


@lru_cache(maxsize=64)
def _picture(spec: str) -> str:
    import vl_convert

    made: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return made


def _tidied(picture: str, chart: Chart) -> str:
    """Less than half the bytes: one font for all, tenths of a pixel, nothing that says nothing."""
    # Words between the tags stay as they are, whatever they look like.
    text = _EMPTY.sub("", _TAG.sub(lambda tag: _short(tag[0]), picture))
    for _ in range(6):
        text = text.replace("<g></g>", "")
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', text)
    width, height = size.groups() if size else (str(theme.WIDE), "100")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(chart.summary)}" '
        f'overflow="visible" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{escape(theme.FONT)}">'
    )
    return _HEAD.sub(lambda _: head, text, count=1)


def _short(tag: str) -> str:
    markup = _OPAQUE.sub("", _FONT.sub("", _CLASS.sub("", tag)))
    return _LONG.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), markup)


def _lines(text: str) -> list[str]:
    """A sentence in lines of a picture's width."""
    import textwrap

    return textwrap.wrap(text, width=100) or [""]
