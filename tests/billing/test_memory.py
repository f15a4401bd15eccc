# SPDX-License-Identifier: Apache-2.0
"""A case in memory, as most tests of billing bill it, is what its folder says."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from optimizer.billing import bill_case

from ..program.memory import RowCase, row_case
from .conftest import Small


def test_a_case_in_memory_is_what_its_folder_says(small: Small) -> None:
    """Meters of several places, rows of one hour that add up, spot, a gap, a commitment."""
    small.toml = '[[sharing.aws]]\nfrom = "2026-01-01"\nmode = "prioritized"\n'
    small.meter("a", "1.23", spot="0.4", zone="z1", size=2, region="east")
    small.meter("b", None)
    small.use("b", [1, 0, "2.5"], account="org/g1/y")
    small.use("a", [0.1, 0.2, 0.7], account="org/g1/x", zone="z1", workload="w", spot_share=0.25)
    small.use("a", [0.2, 0.3], at=2, account="org/g1/x", zone="z1", spot_share=1)
    small.use("a", 4, at=7, lost_hours=0.75, restart_cost="1.50", unmet_penalty="9.0")
    small.offer("o", "aws.reserved.regional", {"a": "0.5"}, upfront="10.5", hourly="0.1")
    small.hold("o", "2.5", account="org/g1/x", scope="account")
    read = small.case()
    made = row_case(small.head, small.toml, small.tables)
    assert isinstance(made, RowCase)
    assert made.settings == read.settings
    for name in ("meters", "offers", "covers", "commitments"):
        pd.testing.assert_frame_equal(made.table(name), read.table(name))
    ours, theirs = made.usage_lines(), read.usage_lines()
    for field in fields(theirs):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        close = np.allclose if getattr(one, "dtype", None) == np.float64 else np.array_equal
        assert close(one, other), field.name
    small.tables["usage"] = [row for row in small.tables["usage"] if row["meter"] == "a"]
    made = row_case(small.head, small.toml, small.tables)
    assert bill_case(made).total == bill_case(small.case()).total
