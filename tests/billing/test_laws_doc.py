# SPDX-License-Identifier: Apache-2.0
"""``docs/laws.md`` names every law, and only tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from optimizer.billing import LAWS

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "laws.md").read_text("utf-8")
RULES, EXAMPLES = TEXT.split("\n## Published examples\n")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


# Every published example, by its mark: one of them may not be dropped in silence.
MARKS = """
S1, S2, S3, S4, S5, S-all, S-old, SP-UTIL, CALC-1, RI-0a, RI-0b, RI-0c, RI-1, RI-2, RI-3,
RI-4, RI-sec-1, RI-sec-2, RI-list-value, RI-term, CUR-RI, CUR-FLEX, CUR-AMORT, CONSOL,
CUR-SP, ODCR-1, ODCR-2, ODCR-3, ODCR-4, ODCR-5, CB-1, CB-1 durations, SPOT-1, AZ-RES-1,
AZ-ORDER 1, AZ-ORDER 2, AZ-ORDER 3, AZ-ORDER 4, AZ-SP, AZ-SP window, AZ-REFUND,
AZ-EXCHANGE, AZ-PTU, AZ-PTU sizing, AZ-AMORT, AZ-RETAIL, AZ-RETAIL-GPU, GCP-SUD,
GCP-ORDER, GCP-FLEX, GCP-FLEX-MODEL, GCP-GPU, GCP-GPU g2-standard-96, FOCUS P1, FOCUS P2,
FOCUS P3, FOCUS P3 monthly, FOCUS U1, FOCUS U2, FOCUS U3, FOCUS U4, FOCUS F1, FOCUS F2,
FOCUS F3, FOCUS F4, FOCUS invariants, FOCUS virtual currency, FOCUS coverage, ESR-1,
ESR-2, ESR-3, BREAKEVEN, SIZE-1, OPENAI-SCALE, OPENAI-PRIORITY, ANTHROPIC-CACHE
"""


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_named_test_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 30
    missing = [(file, test) for file, test in named if test not in functions_of(ROOT / file)]
    assert not missing


def test_every_rule_names_its_test() -> None:
    rows = [row for row in RULES.splitlines() if row.startswith("| ") and "rule |" not in row]
    assert not [row for row in rows if not NAMED.search(row)]


def test_the_laws_are_those_of_the_code() -> None:
    named = set(re.findall(r"`((?:aws|azure|gcp|capacity|throughput)\.[a-z.]+)`", TEXT))
    assert named == set(LAWS)


def examples() -> dict[str, tuple[str, str, str]]:
    """Figure, test and status of each published example."""
    table = [row for row in EXAMPLES.splitlines() if row.startswith("| ")][1:]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]
    assert all(len(row) == 4 for row in cells)
    found = {mark: (figure, test, status) for mark, figure, test, status in cells}
    assert len(found) == len(cells)
    return found


def test_every_published_example_has_a_row() -> None:
    assert list(examples()) == [mark.strip() for mark in MARKS.replace("\n", " ").split(",")]


def test_what_agrees_or_differs_names_its_test() -> None:
    for mark, (_, test, status) in examples().items():
        known = ("agrees", "differs in definition: ", "erratum: ", "left out: ")
        assert status.startswith((*known, "not a billing rule: ")), mark
        if status.startswith(("agrees", "differs")):
            assert NAMED.search(test), mark
