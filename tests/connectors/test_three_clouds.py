# SPDX-License-Identifier: Apache-2.0
"""``gpuopt pull aws azure gcp`` gives one snapshot, and its plan is the company's."""

from __future__ import annotations

from pathlib import Path

from .azure.cloud import AzureCloud
from .clouds import storage
from .gcp.cloud import GoogleCloud
from .three import company_since, money, plan, pulled, purchases, shortened, three_clouds

SINCE = "2026-11-07"


def test_two_weeks_of_three_clouds_give_the_companys_plan_to_the_cent(tmp_path: Path):
    """Two weeks of history, two days ahead; ``make bench`` has ninety days and a year."""
    with (
        storage(("2026-11",)) as (_, s3),
        three_clouds(s3, AzureCloud(SINCE), GoogleCloud(SINCE)) as options,
    ):
        snapshot = pulled(options, tmp_path / "to", SINCE)
    ours = plan(shortened(snapshot, tmp_path / "ours", 48, "0.05"))
    lab = company_since(SINCE, tmp_path / "lab")
    theirs = plan(shortened(lab, tmp_path / "theirs", 48, "0.05"))
    assert money(ours) == money(theirs)
    assert ours["status"] == theirs["status"]
    assert purchases(ours) == purchases(theirs)
    assert {row["offer"].split("/")[0] for row in theirs["commitments"]} == {"aws", "azure", "gcp"}
    assert len(ours["commitments"]) == len(theirs["commitments"])
