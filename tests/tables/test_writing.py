# SPDX-License-Identifier: Apache-2.0
"""Writing a case: it reads back the same, and appears whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from optimizer.errors import DataError, UsageError
from optimizer.tables import parse_hour, read_case, write_case

from .conftest import TOML, Make

WORKLOADS = (
    "workload,hour,requests,cached_share,deferrable_hours,allow_regions,note\n"
    'w,2026-11-21T00:00:00Z,1e-7,0.1,3,a;b,"x, ""y"""\n'
    "w,2026-11-21T01:00:00Z,123456789.125,,,,\n"
)
NAMES = ("meters", "offers", "covers", "commitments", "workloads")


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_what_is_written_reads_back(
    make: Make, tmp_path: Path, format_: Literal["csv", "parquet"]
) -> None:
    case = read_case(make(workloads__csv=WORKLOADS))
    usage = pd.DataFrame(
        {
            "hour": [parse_hour("2026-11-20T00:00:00Z"), "2026-11-20T01:00:00Z",
                     datetime(2026, 11, 20, 1, tzinfo=UTC), datetime(2026, 11, 20, 2)],  # noqa: DTZ001
            "meter": ["m1", "m1", "m2", "m2"],
            "quantity": [1.5, 2, 3, Decimal("0.1")],
            "interrupted": [True, None, False, pd.NA],
            "restart_cost": [Decimal("1E-10"), 1, "0.5", None],
            "zone": ["", None, "", float("nan")],
        },
        dtype=object,
    )  # fmt: skip
    target = tmp_path / "deep" / "written"
    write_case({"usage": usage, **{n: case.table(n) for n in NAMES}}, TOML, target, format_)
    again = read_case(target)
    assert again.file("usage") == f"usage.{format_}"
    assert {file.suffix for file in target.iterdir()} == {".toml", f".{format_}"}
    for name in NAMES:
        pd.testing.assert_frame_equal(again.table(name), case.table(name))
    lines = again.usage_lines()
    assert lines.meter == ("m1", "m1", "m2", "m2")
    assert lines.restart_cost == (Decimal("1E-10"), Decimal(1), Decimal(0), Decimal("0.5"))
    assert lines.quantity.sum(axis=1).tolist() == [1.5, 2, 0.1, 3]
    assert [file.name for file in target.parent.iterdir()] == ["written"]


def test_a_folder_that_holds_something_is_kept(make: Make, tmp_path: Path) -> None:
    meters = read_case(make()).table("meters")
    target = tmp_path / "target"
    target.mkdir()
    write_case({"meters": meters}, TOML, target)  # an empty folder is fine
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    with pytest.raises(UsageError, match="not empty"):
        write_case({"meters": meters}, TOML, target)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before


@pytest.mark.parametrize(
    ("tables", "toml"),
    [
        ({"colours": pd.DataFrame({"a": [1]})}, TOML),
        ({"meters": pd.DataFrame({"meter": ["m"]})}, "currency = 1"),
        ({"usage": pd.DataFrame({"hour": ["noon"], "meter": ["m"], "quantity": [object()]})}, TOML),
        ({"usage": pd.DataFrame({"hour": [datetime(2026, 1, 1, 0, 1, tzinfo=UTC)]})}, TOML),
    ],
)
def test_nothing_is_left_of_a_failure(
    tmp_path: Path, tables: dict[str, pd.DataFrame], toml: str
) -> None:
    with pytest.raises(DataError):
        write_case(tables, toml, tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_checked_while_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        write_case({"meters": pd.DataFrame({"meter": ["m"]})}, TOML, tmp_path / "t", "parquet")
    assert caught.value.column == "provider"
    with pytest.raises(UsageError):
        write_case({}, TOML, tmp_path / "t", "feather")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
