# SPDX-License-Identifier: Apache-2.0
"""Reading a case: what is kept, and each way in which a file is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from optimizer.errors import DataError, UsageError
from optimizer.tables import parse_hour, read_case, schema

from .conftest import FILES, Make, contents


def refused(folder: Path) -> DataError:
    before = contents(folder)
    with pytest.raises(DataError) as caught:
        read_case(folder)
    assert contents(folder) == before
    error = caught.value
    assert error.mend
    assert error.file is not None
    assert error.file in str(error)
    return error


def parquet(folder: Path, name: str, select: str) -> Path:
    """Replace a table by a Parquet file of a query's rows."""
    (folder / f"{name}.csv").unlink(missing_ok=True)
    target = folder.parent / "made.parquet"
    duckdb.sql(f"COPY ({select}) TO '{target}' (FORMAT parquet)")
    target.rename(folder / f"{name}.parquet")
    return folder


def test_a_case(make: Make) -> None:
    folder = make()
    before = contents(folder)
    case = read_case(folder)
    assert contents(folder) == before
    assert case.path == folder
    assert case.settings.currency == "USD"
    assert case.snapshot.startswith("sha256:")
    assert len(case.snapshot) == 71
    meters = case.table("meters")
    assert list(meters.index) == [1, 2]
    assert meters.index.name == "row"
    assert all(str(dtype) == "object" for dtype in meters.dtypes)
    assert meters["on_demand"].tolist() == [Decimal("2.50"), None]
    assert str(meters.loc[1, "on_demand"]) == "2.50"
    assert meters.loc[1, "availability"] == 0.9
    assert math.isnan(meters.loc[2, "availability"])
    assert meters["zone"].tolist() == ["", ""]
    offers = case.table("offers")
    assert offers["term_hours"].tolist() == [8760, 26280]
    assert offers["buyback_after"].tolist() == [None, 100]
    assert offers["guarantees_capacity"].tolist() == [None, None]
    assert case.table("commitments").loc[1, "start"] == parse_hour("2026-01-01T00:00:00Z")
    assert case.has("usage")
    assert not case.has("jobs")
    assert case.file("offers") == "offers.csv"
    assert case.file("jobs") == "jobs.csv"
    assert case.usage_hours() == (
        parse_hour("2026-11-20T00:00:00Z"),
        parse_hour("2026-11-20T01:00:00Z"),
    )


@pytest.mark.parametrize("name", [name for name in schema.TABLES if name != "usage"])
def test_declared_columns_are_always_there(make: Make, name: str) -> None:
    frame = read_case(make()).table(name)
    assert list(frame.columns) == [column.name for column in schema.table(name).columns]
    assert frame.index.name == "row"


def test_a_table_is_a_copy(make: Make) -> None:
    case = read_case(make())
    frame = case.table("meters")
    frame.loc[1, "meter"] = "changed"
    assert case.table("meters").loc[1, "meter"] == "m1"


def test_usage_is_no_frame_and_names_are_checked(make: Make) -> None:
    case = read_case(make())
    with pytest.raises(ValueError, match="usage_lines"):
        case.table("usage")
    for method in (case.table, case.has, case.file):
        with pytest.raises(KeyError):
            method("colours")


def test_require(make: Make) -> None:
    case = read_case(make(usage__csv=None))
    case.require("meters", "offers")
    with pytest.raises(DataError) as caught:
        case.require("meters", "usage")
    assert caught.value.file == "usage.csv"
    with pytest.raises(DataError):
        case.usage_lines()
    assert case.usage_hours() is None


def test_only_settings_and_meters_are_needed(make: Make) -> None:
    nothing = {name.replace(".", "__"): None for name in FILES if name[:4] not in ("case", "mete")}
    assert read_case(make(**nothing)).table("offers").empty


def test_extras_spaces_lists_and_marks_are_read(judged: str, make: Make) -> None:
    text = (
        "\ufeffworkload , hour,requests,allow_regions,deny_models,note,METER\r\n"
        ' w , 2026-11-21T00:00:00Z,1e3,a; b;,,"x, ""y""",7\r\n'
        "\r\n"
        "w,2026-11-21T01:00:00Z,.5,,m,,\r\n"
    )
    frame = read_case(make(workloads__csv=text)).table("workloads")
    assert frame["workload"].tolist() == ["w", "w"]
    assert frame["requests"].tolist() == [1000.0, 0.5]
    assert frame["allow_regions"].tolist() == [("a", "b"), ()]
    assert frame["deny_models"].tolist() == [(), ("m",)]
    assert frame["note"].tolist() == ['x, "y"', ""]
    assert frame["METER"].tolist() == ["7", ""]


@pytest.mark.parametrize("hours", ["99999999999999999999", "1e30", "nan", "2.5"])
def test_a_whole_number_that_none_can_be(judged: str, make: Make, hours: str) -> None:
    lines = [f"w,2026-11-21T{hour:02d}:00:00Z,1,24" for hour in range(6)]
    lines[3] = lines[3].replace(",24", f",{hours}")
    text = "workload,hour,requests,deferrable_hours\n" + "\n".join(lines) + "\n"
    with pytest.raises(DataError) as caught:
        read_case(make(workloads__csv=text))
    assert (caught.value.row, caught.value.column) == (4, "deferrable_hours")


def test_the_snapshot_is_of_names_and_bytes(make: Make) -> None:
    first = read_case(make()).snapshot
    assert read_case(make()).snapshot == first
    changed = FILES["covers.csv"].replace("1.75", "1.750")
    assert read_case(make(covers__csv=changed)).snapshot != first
    (make() / "notes.txt").write_text("not a part of the case")
    assert read_case(make()).snapshot == first


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_case(tmp_path / "none")


USAGE = "hour,meter,quantity"
H = "2026-11-20T00:00:00Z"
OFFER = "offer,law,measure,term_hours,hourly"
COMMITMENT = "commitment,offer,quantity,start,end"
ROW = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("file", "text", "row", "column", "says"),
    [
        ("usage", "hour,quantity\n", None, "meter", "missing"),
        ("usage", "hour,Meter,quantity\n", None, "meter", "missing"),
        ("usage", f"{USAGE},quantity\n{H},m1,1,1", None, "quantity", "twice"),
        ("usage", f"{USAGE}\n{H},m1,1\n{H},m2,abc\n", 2, "quantity", "abc"),
        ("usage", f'{USAGE}\n{H},m1,"1,000.5"\n', 1, "quantity", "1,000.5"),
        ("usage", f"{USAGE}\n{H},m1,1_000\n", 1, "quantity", "1_000"),
        ("usage", f"{USAGE}\n{H},m1,0x10\n", 1, "quantity", "0x10"),
        ("usage", f"{USAGE}\n{H},m1,\n", 1, "quantity", "empty"),
        ("usage", f"{USAGE}\n{H},m1,NaN\n", 1, "quantity", "NaN"),
        ("usage", f"{USAGE}\n{H},m1,inf\n", 1, "quantity", "inf"),
        ("usage", f"{USAGE}\n{H},m1,1e999\n", 1, "quantity", "1e999"),
        ("usage", f"{USAGE}\n{H},m1,-1\n", 1, "quantity", "-1"),
        ("usage", f"{USAGE}\n{H},m1,1e12\n", 1, "quantity", "1e+12"),
        ("usage", f"{USAGE}\n{H},,1\n", 1, "meter", "empty"),
        ("usage", f"{USAGE}\n{H},  ,1\n", 1, "meter", "empty"),
        ("usage", f"{USAGE}\n,m1,1\n", 1, "hour", "empty"),
        ("usage", f"{USAGE}\n2026-11-20T00:30:00Z,m1,1\n", 1, "hour", "not on the hour"),
        ("usage", f"{USAGE}\n2026-11-20T00:00:00+01:00,m1,1\n", 1, "hour", "offset"),
        ("usage", f"{USAGE}\n2026-11-20 00:00:00,m1,1\n", 1, "hour", "2026-11-20 00:00:00"),
        ("usage", f"{USAGE}\n2026-02-30T00:00:00Z,m1,1\n", 1, "hour", "2026-02-30"),
        ("usage", f"{USAGE},spot_share\n{H},m1,1,1.01\n", 1, "spot_share", "1.01"),
        ("usage", f"{USAGE},spot_tolerant\n{H},m1,1,-0.1\n", 1, "spot_tolerant", "-0.1"),
        ("usage", f"{USAGE},interrupted\n{H},m1,1,maybe\n", 1, "interrupted", "maybe"),
        ("usage", f"{USAGE},grain\n{H},m1,1,week\n", 1, "grain", "week"),
        ("usage", f"{USAGE},grain\n2026-11-20T01:00:00Z,m1,1,day\n", 1, "hour", "daily"),
        ("usage", f"{USAGE}\n{H},m1,1\n1026-11-20T00:00:00Z,m1,1\n", 2, "hour", "30 years"),
        ("usage", f"{USAGE}\n{H},m9,1\n", 1, "meter", "m9"),
        ("usage", f"{USAGE}\n{H},m1,1\n{H},m2,1\n{H},m1,2\n", 3, "hour", "rows 1 and 3"),
        ("usage", f"{USAGE},tag_a\n{H},m1,1,\n{H},m1,2,x\n{H},m1,2,\n", 3, "hour", "rows 1 and 3"),
        ("usage", f"{USAGE}\n{H},m1,1\n{H},m2\n", 2, None, "2 values"),
        ("usage", f"{USAGE}\n{H},m1,1\n{H},m2,1,\n", 2, None, "4 values"),
        ("usage", f"{USAGE}\n{H},m1,1,5\n", 1, None, "4 values"),
        ("usage", f'{USAGE}\n{H},m1,1\n{H},"m2,1\n', 2, None, "cannot be read"),
        ("usage", "", None, None, "empty"),
        ("usage", f"{USAGE}\n{H},m1,1\n".encode() + b"\xff,m1,1\n", 2, None, "UTF-8"),
        ("usage", USAGE.encode("utf-16"), None, None, "UTF-8"),
        ("meters", "meter,provider,product,unit\nm,aws,boat,u\n", 1, "product", "boat"),
        ("meters", "meter,provider,product,unit\nm,aws,gpu,u\nm,aws,gpu,u\n", 2, "meter", "rows 1"),
        ("meters", "meter,provider,product,unit,spot\nm,aws,gpu,u,1e3\n", 1, "spot", "plain"),
        ("meters", "meter,provider,product,unit,spot\nm,aws,gpu,u,-1\n", 1, "spot", "-1"),
        ("meters", "meter,provider,product,unit,size\nm,aws,gpu,u,0\n", 1, "size", "> 0"),
        ("meters", "meter,provider,product,unit,currency\nm,a,gpu,u,EUR\n", 1, "currency", "EUR"),
        ("offers", f"{OFFER}\no1,l,units,8760.5,1\n", 1, "term_hours", "8760.5"),
        ("offers", f"{OFFER}\no1,l,units,0,1\n", 1, "term_hours", "> 0"),
        ("offers", f"{OFFER}\no1,l,weight,1,1\n", 1, "measure", "weight"),
        ("offers", f"{OFFER}\no1,l,units,1,\no2,l,units,1,1\n", 1, "hourly", "no upfront"),
        ("offers", f"{OFFER}\no1,l,units,1,1\no1,l,units,1,1\n", 2, "offer", "rows 1 and 2"),
        ("offers", f"{OFFER}\no1,l,units,1,1\no2,l,money,1,1\no3,l,units,1,1\n", 3, "offer", "o3"),
        ("offers", f"{OFFER},minimum,maximum\no1,l,units,1,1,9,10\no2,l,units,1,1,10,9\n",
         2, "maximum", "below"),
        ("covers", "offer,meter,draw\no1,m1,0\n", 1, "draw", "> 0"),
        ("covers", "offer,meter,draw\no1,m1,1\no2,m1,1\no1,m1,2\n", 3, "offer", "rows 1 and 3"),
        ("covers", "offer,meter,draw\no1,m1,1\no2,m9,1\n", 2, "meter", "m9"),
        ("covers", "offer,meter,draw\no9,m1,1\n", 1, "offer", "o9"),
        ("commitments", f"{COMMITMENT}\nc,o1,1,{ROW},{ROW}\n", 1, "end", "not after"),
        ("commitments", f"{COMMITMENT}\nc,o9,1,{ROW},2027-01-01T00:00:00Z\n", 1, "offer", "o9"),
        ("commitments", f"{COMMITMENT}\nc,o1,0,{ROW},2027-01-01T00:00:00Z\n", 1, "quantity", "> 0"),
        ("initiatives", f"initiative,stage,quantity,start,end\ni,explore,1,{ROW},{H}\n",
         1, "meter", "0 of"),
        ("price_scenarios", f"scenario,odds,meter,family,hour,factor\ns,1,m1,f,{H},1\n",
         1, "meter", "2 of"),
        ("budgets", "budget,month,amount\nb,2026-13,1\n", 1, "month", "2026-13"),
    ],
)  # fmt: skip
def test_a_bad_csv(
    judged: str,
    make: Make,
    file: str,
    text: str | bytes,
    row: int | None,
    column: str | None,
    says: str,
) -> None:
    error = refused(make(**{f"{file}__csv": text}))
    assert (error.file, error.row, error.column) == (f"{file}.csv", row, column)
    assert says in error.problem


def test_given_demand_must_know_its_deployment_but_history_need_not(make: Make) -> None:
    deployments = "deployment,model,kind,meter,meter_units\nd,m,replica,m1,1\n"
    rows = "{0},m1,1,gone\n2026-11-21T00:00:00Z,m1,1,{1}\n"
    usage = f"{USAGE},deployment\n" + rows
    read_case(make(deployments__csv=deployments, usage__csv=usage.format(H, "d")))
    error = refused(make(deployments__csv=deployments, usage__csv=usage.format(H, "e")))
    assert (error.file, error.row, error.column) == ("usage.csv", 2, "deployment")


def test_a_late_row_is_named(make: Make) -> None:
    # Past DuckDB's batches, so that row numbers are shown to survive parallel reading.
    count = 400_000
    rows = [f"{H},m1,1,{i}" for i in range(count)]
    rows[333_332] = f"{H},m1,x,0"
    error = refused(make(usage__csv=f"{USAGE},charge_id\n" + "\n".join(rows) + "\n"))
    assert (error.row, error.column) == (333_333, "quantity")


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({"colours__csv": "a\n"}, "colours.csv"),
        ({"colours__parquet": "a\n"}, "colours.parquet"),
        ({"meters__parquet": b"x"}, "meters.parquet"),
        ({"meters__csv": None}, "meters.csv"),
        ({"case__toml": None}, "case.toml"),
        ({"case__toml": b"\xff"}, "case.toml"),
        ({"covers__csv": None}, "offers.csv"),
    ],
)
def test_files_that_do_not_belong_or_lack(
    make: Make, files: dict[str, str | bytes | None], file: str
) -> None:
    assert refused(make(**files)).file == file


def test_an_offers_table_that_is_missing(make: Make) -> None:
    error = refused(make(offers__csv=None))
    assert (error.file, error.row, error.column) == ("covers.csv", 1, "offer")


SELECT = f"SELECT TIMESTAMP '{H[:10]} 00:00:00' AS hour, 'm1' AS meter, "


@pytest.mark.parametrize(
    ("select", "row", "column", "says"),
    [
        (SELECT + "'nan'::DOUBLE AS quantity", 1, "quantity", "finite"),
        (SELECT + "'-inf'::FLOAT AS quantity", 1, "quantity", "finite"),
        (SELECT + "-1.5::DECIMAL(9,2) AS quantity", 1, "quantity", "-1.50"),
        (SELECT + "NULL::DOUBLE AS quantity", 1, "quantity", "empty"),
        (SELECT + "true AS quantity", None, "quantity", "BOOLEAN"),
        (SELECT + "1 AS quantity, 111122223333 AS account", None, "account", "BIGINT"),
        (SELECT + "1 AS quantity, 1.5 AS spot_share", 1, "spot_share", "1.5"),
        ("SELECT 'x' AS hour, 'm1' AS meter, 1 AS quantity", 1, "hour", "'x'"),
        ("SELECT TIMESTAMP '2026-11-20 00:00:01' AS hour, 'm1' AS meter, 1 AS quantity",
         1, "hour", "00:00:01"),
        ("SELECT 'm1' AS meter, 1 AS quantity", None, "hour", "missing"),
    ],
)  # fmt: skip
def test_a_bad_parquet(
    judged: str, make: Make, select: str, row: int, column: str, says: str
) -> None:
    error = refused(parquet(make(), "usage", select))
    assert (error.file, error.row, error.column) == ("usage.parquet", row, column)
    assert says in error.problem


@pytest.mark.parametrize("keep", [0, 3, 40, 200])
def test_a_broken_parquet_file(make: Make, keep: int) -> None:
    folder = parquet(make(), "usage", SELECT + "1 AS quantity FROM range(1000)")
    file = folder / "usage.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    assert refused(folder).file == "usage.parquet"


def test_a_parquet_file_with_damaged_pages(make: Make) -> None:
    folder = parquet(make(), "usage", SELECT + "random() AS quantity FROM range(1000)")
    file = folder / "usage.parquet"
    data = file.read_bytes()
    file.write_bytes(data[:4] + b"\xff" * 2000 + data[2004:])
    assert refused(folder).file == "usage.parquet"


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_NS", "VARCHAR"])
def test_parquet_types_are_taken_natively(judged: str, make: Make, kind: str) -> None:
    moment = f"'{H}'" if kind == "VARCHAR" else f"TIMESTAMP '2026-11-20 00:00:00'::{kind}"
    folder = parquet(
        make(),
        "usage",
        f"SELECT {moment} AS hour, 'm1' AS meter, 1.25::DECIMAL(9,4) AS quantity,"
        " 0.1::FLOAT AS spot_share, true AS interrupted, NULL::INTEGER AS account,"
        " 3::TINYINT AS restart_cost",
    )
    lines = read_case(folder).usage_lines()
    assert lines.first_hour == parse_hour(H)
    assert lines.quantity.tolist() == [[1.25]]
    assert lines.spot.tolist() == lines.spot_taken.tolist() == [[0.125]]
    assert lines.restart_cost == (Decimal(3),)


def test_a_timestamp_with_zone_is_its_utc_hour(make: Make) -> None:
    select = "SELECT make_timestamptz(1795132800000000) AS hour, 'm1' AS meter, 1 AS quantity"
    case = read_case(parquet(make(), "usage", select))
    assert case.usage_hours() == (498648, 498648)
