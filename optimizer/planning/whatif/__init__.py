# SPDX-License-Identifier: Apache-2.0
"""``what_if``: a case with typed edits, planned from a warm start, and what that changes."""

from optimizer.planning.whatif.answer import WhatIf, what_if, what_if_document
from optimizer.planning.whatif.apply import Applied, apply_edits
from optimizer.planning.whatif.difference import difference
from optimizer.planning.whatif.edits import Edit, EditError
from optimizer.planning.whatif.grammar import parse_edit, parse_edits

__all__ = [
    "Applied",
    "Edit",
    "EditError",
    "WhatIf",
    "apply_edits",
    "difference",
    "parse_edit",
    "parse_edits",
    "what_if",
    "what_if_document",
]
