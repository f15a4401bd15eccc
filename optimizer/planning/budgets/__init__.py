# SPDX-License-Identifier: Apache-2.0
"""The bill's pace to the end of the month, and the budgets that it keeps or passes."""

from optimizer.planning.budgets.budget import Budget, read_budgets
from optimizer.planning.budgets.pace import BudgetPace, Pace, State, pace

__all__ = ["Budget", "BudgetPace", "Pace", "State", "pace", "read_budgets"]
