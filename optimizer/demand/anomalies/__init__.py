# SPDX-License-Identifier: Apache-2.0
"""Hours that are not what the weeks before them led to expect; see docs/anomalies.md."""

from optimizer.demand.anomalies.detector import Verdict, judge, judge_together
from optimizer.demand.anomalies.episodes import Episode, Kind
from optimizer.demand.anomalies.parameters import DEFAULT, Detector
from optimizer.demand.anomalies.series import HourlySeries

__all__ = [
    "DEFAULT",
    "Detector",
    "Episode",
    "HourlySeries",
    "Kind",
    "Verdict",
    "judge",
    "judge_together",
]
