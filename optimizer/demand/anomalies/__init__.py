# SPDX-License-Identifier: Apache-2.0
"""Hours that are not what the weeks before them led to expect; see docs/anomalies.md."""

from optimizer.demand.anomalies.detector import DEFAULT, Detector, Verdict, judge
from optimizer.demand.anomalies.episodes import Episode, Kind
from optimizer.demand.anomalies.series import HourlySeries

__all__ = [
    "DEFAULT",
    "Detector",
    "Episode",
    "HourlySeries",
    "Kind",
    "Verdict",
    "judge",
]
