# SPDX-License-Identifier: Apache-2.0
"""The theme's colours: seen against the page, and told apart by people who see fewer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optimizer.reporting.charts import theme

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451,
                0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
OKLAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050,
                  0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
STACK = (*(f"series-{number}" for number in range(1, 7)), "rest")


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2: (lighter + 0.05) / (darker + 0.05)."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def apart(one: str, other: str, sight: str) -> float:
    """Distance in OKLab × 100, as that sight sees it."""
    seen = [OKLAB @ np.cbrt(LMS @ np.clip(SIGHTS[sight] @ linear(c), 0, 1)) for c in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]) * 100)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_with_the_page(dark: bool):
    paper = theme.COLOURS["paper"][dark]
    for name in STACK:
        assert contrast(theme.COLOURS[name][dark], paper) >= 3, name
    for name in ("ink", "muted"):
        assert contrast(theme.COLOURS[name][dark], paper) >= 4.5, name


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sight", SIGHTS)
def test_neighbours_of_a_stack_are_told_apart(sight: str, dark: bool):
    colours = [theme.COLOURS[name][dark] for name in STACK]
    for one, other in itertools.pairwise(colours):
        assert apart(one, other, sight) >= 8, (one, other)
    for one, other in itertools.combinations(colours, 2):
        assert apart(one, other, sight) >= 4, (one, other)


@pytest.mark.parametrize("dark", [False, True])
def test_heat_grows_evenly(dark: bool):
    shades = [float(linear(theme.COLOURS[f"heat-{n}"][dark]).mean()) for n in range(6)]
    order = sorted(shades, reverse=not dark)
    assert shades[1:] == order[1:] if shades[0] == order[0] else shades[1:] == sorted(
        shades[1:], reverse=not dark
    )  # fmt: skip


def test_a_colour_has_one_dark_counterpart():
    lights = [pair[0] for pair in theme.COLOURS.values()]
    darks = [pair[1] for pair in theme.COLOURS.values()]
    assert len(set(lights)) == len(lights)
    assert len(set(darks)) == len(darks)
