# SPDX-License-Identifier: Apache-2.0
"""One calm theme for all charts: colours for light and dark, fonts, axes; wide and narrow.

A specification holds the light colours. Each has one dark counterpart, so that a dark chart is
the same specification with its colours exchanged, and a page may bind each to a variable.
Contrast of every mark and word against the page is measured by a test, as is how far apart
neighbouring colours of a stack look to people who tell red from green or blue from yellow badly.
"""

from __future__ import annotations

import re
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

# Name → (light, dark). No two names have the same light colour.
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#16191d"),
    "ink": ("#1c2127", "#e7eaee"),
    "muted": ("#59636e", "#a3acb7"),
    "line": ("#9aa3ad", "#5b6570"),
    "grid": ("#e6e9ec", "#2b3138"),
    "series-1": ("#3f6fa3", "#8fcdf7"),
    "series-2": ("#b9744a", "#b9774f"),
    "series-3": ("#264868", "#4a86bb"),
    "series-4": ("#9a86d8", "#e0d8f0"),
    "series-5": ("#674301", "#cdbb5c"),
    "series-6": ("#98566f", "#c08bc8"),
    "rest": ("#838b93", "#69737e"),
    "heat-0": ("#e6e2dc", "#3a342c"),
    "heat-1": ("#d3e3f4", "#1d3a58"),
    "heat-2": ("#a3c5e8", "#275682"),
    "heat-3": ("#6aa1d9", "#3a78b0"),
    "heat-4": ("#3579bd", "#62a0dc"),
    "heat-5": ("#174a80", "#a5cdf5"),
    "band": ("#c9dbef", "#24405f"),
}
LIGHT = {name: pair[0] for name, pair in COLOURS.items()}
SERIES = tuple(LIGHT[f"series-{number}"] for number in range(1, 7))
REST = LIGHT["rest"]
HEAT = tuple(LIGHT[f"heat-{number}"] for number in range(6))

WIDE, NARROW = 720, 340  # pixels, all of the picture
_DARK = dict(COLOURS.values())
_NAMES = {pair[0]: name for name, pair in COLOURS.items()}
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def config() -> dict[str, Any]:
    """The Vega-Lite configuration that all charts share, in light colours."""
    ink, muted = LIGHT["ink"], LIGHT["muted"]
    return {
        "font": FONT,
        "background": "transparent",
        "aria": False,  # the picture is one image with one alternative text
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted, "labelFontSize": 11, "titleColor": muted, "titleFontSize": 11,
            "titleFontWeight": "normal", "domain": False, "ticks": False, "grid": True,
            "gridColor": LIGHT["grid"], "labelPadding": 6, "tickCount": 5, "labelLimit": 190,
        },
        "axisX": {"grid": False, "domain": True, "domainColor": LIGHT["line"]},
        "legend": {
            "orient": "top", "title": None, "labelColor": ink, "labelFontSize": 11,
            "symbolSize": 90, "symbolType": "square", "columnPadding": 14, "rowPadding": 4,
            "labelLimit": 190, "offset": 10, "columns": 4, "symbolStrokeWidth": 2,
        },
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": muted},
        "title": {
            "anchor": "start", "frame": "group", "color": ink, "fontSize": 15,
            "fontWeight": 600, "subtitleColor": muted, "subtitleFontSize": 12, "offset": 14,
            "subtitlePadding": 6,
        },
    }  # fmt: skip


def narrow(spec: dict[str, Any]) -> dict[str, Any]:
    """The same chart for a phone: narrower, with shorter labels and two legend columns."""
    made = {**spec, "width": NARROW}
    shared = {key: dict(value) if isinstance(value, dict) else value for key, value in
              spec["config"].items()}  # fmt: skip
    shared["axis"] |= {"labelLimit": 136, "tickCount": 4}
    shared["legend"] |= {"columns": 2, "labelLimit": 130}
    slim: dict[str, Any] = _few_columns({**made, "config": shared})
    return slim


def _few_columns(spec: Any) -> Any:
    """Legends of at most three columns, outside of the data."""
    if isinstance(spec, list):
        return [_few_columns(value) for value in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: min(value, 3) if key == "columns" and isinstance(value, int)
        else value if key == "datasets" else _few_columns(value)
        for key, value in spec.items()
    }  # fmt: skip


def dark(spec: Any) -> Any:
    """The same specification with every colour's dark counterpart."""
    if isinstance(spec, str):
        return _DARK.get(spec, spec)
    if isinstance(spec, dict):
        return {key: dark(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return [dark(value) for value in spec]
    return spec


def bound(svg: str) -> str:
    """A light picture whose colours are variables of the page, with the light ones to fall to."""
    return _COLOUR.sub(
        lambda found: (
            f"var(--chart-{_NAMES[found[0]]}, {found[0]})" if found[0] in _NAMES else found[0]
        ),
        svg,
    )


def variables() -> str:
    """Style sheet of the variables: light, and dark where the reader's system is."""
    light = "".join(f"--chart-{name}:{pair[0]};" for name, pair in COLOURS.items())
    night = "".join(f"--chart-{name}:{pair[1]};" for name, pair in COLOURS.items())
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{{night}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{{night}}}}}\n"
    )
