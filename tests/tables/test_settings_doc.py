# SPDX-License-Identifier: Apache-2.0
"""Every key of case.toml has its row in docs/settings.md, and every row is a key."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from optimizer.tables import Settings
from optimizer.tables.settings import SharingRule

TEXT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
# Where a setting stands in the file, if not at the top under its own name.
FINANCE = {"discount_rate", "after_horizon"}


def keys() -> dict[str, set[str]]:
    """Keys by section; the top has none."""
    found: dict[str, set[str]] = {"": set(), "finance": FINANCE, "sharing": set()}
    assert SharingRule._fields == ("start", "mode")
    found["sharing"] = {"from", "mode"}
    for field in fields(Settings):
        if field.name in FINANCE or field.name == "sharing":
            continue
        if is_dataclass(field.default):
            found[field.name] = {inner.name for inner in fields(field.default)}
        else:
            found[""].add(field.name)
    return found


def documented() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        title, body = part.split("\n", 1)
        rows = set(re.findall(r"^\| `(\w+)` \|", body, flags=re.MULTILINE))
        section = re.match(r"`\[+(\w+)", title)
        if rows:
            found[section[1] if section else ""] = rows
    return found


@pytest.mark.parametrize("section", sorted(keys()))
def test_every_key_is_documented(section):
    assert documented()[section] == keys()[section]


def test_no_section_is_made_up():
    assert set(documented()) == set(keys())
