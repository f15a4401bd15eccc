# SPDX-License-Identifier: Apache-2.0
"""Anomalies of a case: what ran and cost otherwise than expected, and who carries it."""

from optimizer.planning.anomalies.anomaly import Anomaly, Carrier, Findings, Measure
from optimizer.planning.anomalies.find import find_anomalies, findings_of

__all__ = ["Anomaly", "Carrier", "Findings", "Measure", "find_anomalies", "findings_of"]
