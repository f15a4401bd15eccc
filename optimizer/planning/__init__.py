# SPDX-License-Identifier: Apache-2.0
"""The verbs: plan and explain."""

from optimizer.planning.document import SCHEMA_VERSION, bill_document, plan_document, to_json
from optimizer.planning.plan import Plan, make_plan

__all__ = [
    "SCHEMA_VERSION",
    "Plan",
    "bill_document",
    "make_plan",
    "plan_document",
    "to_json",
]
