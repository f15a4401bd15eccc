# SPDX-License-Identifier: Apache-2.0
"""``docs/laws.md`` names every law, and only tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from optimizer.billing import LAWS

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "laws.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_named_test_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 30
    missing = [(file, test) for file, test in named if test not in functions_of(ROOT / file)]
    assert not missing


def test_every_rule_names_its_test() -> None:
    rows = [row for row in TEXT.splitlines() if row.startswith("| ") and "rule |" not in row]
    assert not [row for row in rows if not NAMED.search(row)]


def test_the_laws_are_those_of_the_code() -> None:
    named = set(re.findall(r"`((?:aws|azure|gcp|capacity|throughput)\.[a-z.]+)`", TEXT))
    assert named == set(LAWS)
