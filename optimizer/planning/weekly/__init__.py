# SPDX-License-Identifier: Apache-2.0
"""The numbers of the weekly report."""

from optimizer.planning.weekly.changes import Cause, Changes, Step
from optimizer.planning.weekly.week import Freshness, Week, Weekly, weekly
from optimizer.planning.weekly.window import WEEK, Weeks

__all__ = ["WEEK", "Cause", "Changes", "Freshness", "Step", "Week", "Weekly", "Weeks", "weekly"]
