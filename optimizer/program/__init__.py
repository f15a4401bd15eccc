# SPDX-License-Identifier: Apache-2.0
"""The MILP: formulation, solvers, certificate, and the independent check of every answer."""

# First of all solvers: OR-Tools and highspy each bring HiGHS with the same symbols, and a MathOpt
# that is loaded after highspy or PuLP's adapter may crash in a solve.
from ortools.math_opt.python import mathopt as _mathopt  # noqa: F401
