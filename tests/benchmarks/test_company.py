# SPDX-License-Identifier: Apache-2.0
"""The whole company, pulled from three fake clouds: ninety days, and the plan of a year."""

from __future__ import annotations

import time
from pathlib import Path

from ..connectors.azure.cloud import AzureCloud
from ..connectors.clouds import storage
from ..connectors.company import LAB
from ..connectors.gcp.cloud import GoogleCloud
from ..connectors.three import money, plan, pulled, purchases, shortened, three_clouds


def test_ninety_days_of_three_clouds_give_the_companys_plan_to_the_cent(tmp_path: Path, capsys):
    start = time.monotonic()
    with storage() as (_, s3), three_clouds(s3, AzureCloud(), GoogleCloud()) as options:
        snapshot = pulled(options, tmp_path / "to", "90d")
    took = time.monotonic() - start
    ours = plan(shortened(snapshot, tmp_path / "ours", 8760, "0.002"))
    theirs = plan(shortened(LAB, tmp_path / "theirs", 8760, "0.002"))
    with capsys.disabled():
        print(f"\npull: {took:.0f} s; pulled {money(ours)}; company {money(theirs)}")
        print(f"{sum(purchases(theirs).values())} purchases; only pulled:")
        print(*(purchases(ours) - purchases(theirs)).items(), sep="\n")
        print("only company:", *(purchases(theirs) - purchases(ours)).items(), sep="\n")
    assert money(ours) == money(theirs)
    assert ours["status"] == theirs["status"]
    assert purchases(ours) == purchases(theirs)
    assert len(ours["commitments"]) == len(theirs["commitments"])
