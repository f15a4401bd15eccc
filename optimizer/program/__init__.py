# SPDX-License-Identifier: Apache-2.0
"""The MILP: formulation, solvers, certificate, and the independent check of every answer."""
