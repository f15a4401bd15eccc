# SPDX-License-Identifier: Apache-2.0
"""How many random cases a test draws: some on every change, all of them for ``make bench``."""

from __future__ import annotations

import os

ALL = os.environ.get("GPUOPT_SEEDS") == "all"


def seeds(full: int, few: int) -> range:
    """The seeds to draw: ``full`` with ``GPUOPT_SEEDS=all``, else the first ``few``."""
    return range(full if ALL else few)
