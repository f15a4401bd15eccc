# SPDX-License-Identifier: Apache-2.0
"""Rules of purchase walked through history: ours, the peers', and the best in hindsight."""

from optimizer.planning.backtest.document import backtest_document
from optimizer.planning.backtest.gate import Gate, Verdict, gate
from optimizer.planning.backtest.outlook import Beliefs
from optimizer.planning.backtest.policy import Policy
from optimizer.planning.backtest.run import Backtest, backtest

__all__ = [
    "Backtest",
    "Beliefs",
    "Gate",
    "Policy",
    "Verdict",
    "backtest",
    "backtest_document",
    "gate",
]
