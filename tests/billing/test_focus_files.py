# SPDX-License-Identifier: Apache-2.0
"""Files of FOCUS 1.2 rows, and the command that writes them."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from api.cli import app
from optimizer.billing import bill_case
from optimizer.billing import focus as focus_module
from optimizer.billing.focus import (
    focus_columns,
    write_focus,
)
from optimizer.errors import GpuoptError, UsageError
from optimizer.tables import read_case

from .conftest import Small

ROOT = Path(__file__).parents[2]
COMMITMENT = [column.name for column in focus_columns() if column.name.startswith("Commitment")]


def read(path: Path) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """A file's header, and its rows as texts."""
    with duckdb.connect() as connection:
        if path.name.endswith(".parquet"):
            source = f"read_parquet('{path}')"
            kinds = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            chosen = ", ".join(
                f"strftime(\"{name}\", '%Y-%m-%dT%H:%M:%SZ')"
                if kind == "TIMESTAMP"
                else f'CAST("{name}" AS VARCHAR)'
                for name, kind, *_ in kinds
            )
            return [row[0] for row in kinds], connection.execute(
                f"SELECT {chosen} FROM {source}"
            ).fetchall()
        source = f"read_csv('{path}', all_varchar=true, header=true)"
        found = connection.execute(f"SELECT * FROM {source}")
        return [column[0] for column in found.description or []], found.fetchall()


@pytest.fixture
def filled(january: Small) -> Small:
    january.meter("vm, large", "1.23456789012", spot="0.25", region="us-east-1", family='a "b"')
    january.use("vm, large", [0.5, 2, 3])
    january.use("vm, large", 1, account="org/ü", spot_share=1)
    january.offer("sp", "aws.savings.compute", {"vm, large": "0.6"})
    january.hold("sp", 1, "plan")
    return january


def write(small: Small, path: Path) -> int:
    case = read_case(small.write())
    return write_focus(case, bill_case(case), path)


def test_csv_gzip_and_parquet_say_the_same(filled: Small, tmp_path: Path) -> None:
    files = [tmp_path / f"focus{ending}" for ending in (".csv", ".csv.gz", ".parquet")]
    counts = [write(filled, file) for file in files]
    plain, zipped, parquet = (read(file) for file in files)
    assert plain == zipped == parquet
    assert counts == [len(plain[1])] * 3
    assert gzip.decompress(files[1].read_bytes()) == files[0].read_bytes()


def test_columns_are_those_of_the_list_in_its_order(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.csv")
    names = [column.name for column in focus_columns()]
    assert read(tmp_path / "focus.csv")[0] == names
    own = [name for name in names if name.startswith("x_")]
    assert names == sorted(set(names) - set(own)) + own
    levels = {column.name: column.level for column in focus_columns()}
    assert {levels[name] for name in own} == {"Own"}


def test_types_in_parquet(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.parquet")
    found = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{tmp_path}/focus.parquet')")
    types = {row[0]: row[1] for row in found.fetchall()}
    for column in focus_columns():
        expected = {"decimal": "DECIMAL", "time": "TIMESTAMP"}.get(column.kind, "VARCHAR")
        assert types[column.name].startswith(expected)
    assert types["ListUnitPrice"] == "DECIMAL(38,11)"  # no digit of a price is lost


def test_no_value_is_null_and_nothing_else(filled: Small, tmp_path: Path) -> None:
    write(filled, tmp_path / "focus.csv")
    names, rows = read(tmp_path / "focus.csv")
    table = [dict(zip(names, row, strict=True)) for row in rows]
    for row in table:
        assert not {str(value).lower() for value in row.values() if value is not None} & {
            "", "null", "none", "nan", "n/a", "<na>",
        }  # fmt: skip
        for column in focus_columns():
            assert column.nullable or row[column.name] is not None
        for name in ("BillingAccountName", "ChargeClass", "InvoiceId", "ResourceName", "Tags"):
            assert row[name] is None
        if row["PricingCategory"] in ("Standard", "Dynamic") and row["ChargeCategory"] == "Usage":
            assert {row[name] for name in [*COMMITMENT, "ResourceId", "x_Law"]} == {None}
        if row["CommitmentDiscountStatus"] == "Unused":
            assert row["ConsumedQuantity"] is row["ListUnitPrice"] is None
    # An empty text would be quoted; what is quoted here is JSON.
    text = (tmp_path / "focus.csv").read_text()
    assert ',"",' not in text
    assert "2023-01-01T00:00:00Z" in text


def test_two_writes_are_the_same_bytes(filled: Small, tmp_path: Path) -> None:
    for ending in (".csv", ".parquet"):
        first, second = tmp_path / f"1{ending}", tmp_path / f"2{ending}"
        write(filled, first)
        write(filled, second)
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["focus.xlsx", "focus", "focus.CSV", "focus.gz", ".csv"])
def test_other_endings_are_refused(filled: Small, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.csv\.gz or \.parquet.*To mend it"):
        write(filled, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_existing_file_is_replaced(filled: Small, tmp_path: Path) -> None:
    file = tmp_path / "focus.csv"
    file.write_text("old")
    write(filled, file)
    assert file.read_text().startswith("AvailabilityZone,")
    assert leftovers(tmp_path) == ["focus.csv"]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_rows_that_break_a_rule_are_not_written(
    filled: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "focus.csv"
    file.write_text("old")
    monkeypatch.setattr(focus_module, "check_focus", lambda *_: ["a rule is broken"])
    with pytest.raises(GpuoptError, match="a rule is broken"):
        write(filled, file)
    assert file.read_text() == "old"
    assert leftovers(tmp_path) == ["focus.csv"]


def test_a_write_that_fails_leaves_the_old_file(
    filled: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "focus.parquet"
    file.write_text("old")
    monkeypatch.setattr(focus_module, "_select", lambda _: "SELECT error('disk full')")
    with pytest.raises(duckdb.Error, match="disk full"):
        write(filled, file)
    assert file.read_text() == "old"
    assert leftovers(tmp_path) == ["focus.parquet"]


def test_a_folder_that_is_not_there_is_a_usage_error(filled: Small, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write(filled, tmp_path / "nowhere" / "focus.csv")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write(filled, tmp_path / "taken.csv")


def test_the_command_writes_rows_beside_the_bill(filled: Small, tmp_path: Path) -> None:
    file = tmp_path / "it's here.csv"
    plain = tmp_path / "rows.csv"
    case = filled.write()
    outcome = CliRunner().invoke(app, ["bill", str(case), "--json", "--focus", str(file)])
    assert outcome.exit_code == 0
    assert "FOCUS rows in" in outcome.stderr
    without = CliRunner().invoke(app, ["bill", str(case), "--json"])
    assert outcome.stdout == without.stdout
    write(filled, plain)
    assert file.read_bytes() == plain.read_bytes()


def test_the_command_refuses_an_ending_before_the_work(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["bill", str(tmp_path), "--focus", "rows.json"])
    assert outcome.exit_code == 2
    assert "rows.parquet" in outcome.stderr


def test_the_demonstration_fits_into_a_spreadsheet(tmp_path: Path) -> None:
    case = read_case(ROOT / "fixtures" / "frontier-lab")
    bill = bill_case(case)
    file = tmp_path / "rows.parquet"
    assert write_focus(case, bill, file) < 1_048_576
    sums = "sum(EffectiveCost), sum(EffectiveCost) FILTER (ChargeCategory = 'Purchase')"
    found = duckdb.sql(f"SELECT {sums} FROM read_parquet('{file}')").fetchall()
    assert found == [(bill.total.quantize(Decimal("1e-9")), 0)]
