# SPDX-License-Identifier: Apache-2.0
"""The policy in the documentation allows what the code asks for, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_policy_allows_what_is_asked_and_nothing_more():
    page = (ROOT / "docs" / "connectors.md").read_text("utf-8")
    (policy,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    allowed = {
        action
        for statement in policy["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    source = "".join(f.read_text("utf-8") for f in (ROOT / "connectors" / "aws").glob("*.py"))
    # Every client call, as botocore names it, is an action.
    called = set(re.findall(r"\.((?:describe|get|list|assume)_[a-z0-9_]+)\b", source))
    called |= set(re.findall(r"\"(describe_[a-z_]+|get_[a-z_]+|list_[a-z_]+_[a-z_]+)\"", source))
    actions = {"".join(word.capitalize() for word in name.split("_")) for name in called}
    actions -= {"GetCallerIdentity", "GetComponent", "ListObjectsV2", "GetHostAndPort"}
    named = {action.split(":")[1] for action in allowed}
    assert actions <= named, actions - named
    assert named - actions == {"ListBucket"}
    for action in named - {"ListBucket", "GetObject", "AssumeRole"}:
        assert action.startswith(("Describe", "List", "Get"))
