# SPDX-License-Identifier: Apache-2.0
"""The verbs: plan and explain."""

from optimizer.planning.document import (
    SCHEMA_VERSION,
    bill_document,
    infeasible_document,
    plan_document,
    to_json,
)
from optimizer.planning.make import make_plan
from optimizer.planning.plan import Plan
from optimizer.planning.relax import InfeasibleCase

__all__ = [
    "SCHEMA_VERSION",
    "InfeasibleCase",
    "Plan",
    "bill_document",
    "infeasible_document",
    "make_plan",
    "plan_document",
    "to_json",
]
