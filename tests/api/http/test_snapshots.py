# SPDX-License-Identifier: Apache-2.0
"""Uploads: kept whole, once, under their hash; and what a hostile one gets."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from inline_snapshot import snapshot as golden

from optimizer.reporting.csvs import cell
from optimizer.tables import read_case

from .conftest import ROOT, TINY, Lab, tiny_files, zipped
from .test_errors import assert_problem

ZIP = {"Content-Type": "application/zip"}
TAR = {"Content-Type": "application/x-tar"}


def tarred(files: dict[str, bytes], *infos: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in infos:
            archive.addfile(info)
    return stream.getvalue()


def folders(lab: Lab) -> list[Path]:
    root = lab.store.snapshots.root
    return sorted(root.iterdir()) if root.is_dir() else []


def test_every_way_to_send_a_case_gives_one_snapshot(lab: Lab) -> None:
    files = tiny_files()
    ways: list[dict[str, Any]] = [
        {"content": zipped(files), "headers": ZIP},
        {"content": zipped({f"tiny/{n}": c for n, c in files.items()}), "headers": ZIP},
        {"content": tarred({f"./{n}": c for n, c in files.items()}), "headers": TAR},
        {"content": tarred(files, mode="w"), "headers": {"Content-Type": "application/gzip"}},
        {"content": tarred(files, mode="w:xz"), "headers": {"Content-Type": "application/x-xz"}},
        {"files": [("file", (name, content)) for name, content in files.items()]},
    ]
    answers = [lab.client.post("/v1/snapshots", **way) for way in ways]
    assert [a.status_code for a in answers] == [201] + [200] * 5
    assert len({a.json()["id"] for a in answers}) == 1
    found = lab.client.get(answers[0].headers["location"]).json()
    assert found["digest"] == read_case(TINY).snapshot
    assert found["tables"] == ["meters", "usage", "offers", "covers", "commitments"]
    assert (found["origin"], found["currency"]) == ("upload", "USD")
    assert [f.name for f in folders(lab)] == [found["digest"][7:23]]
    assert lab.client.get("/v1/snapshots").json()["items"] == [found]
    assert lab.client.get("/v1/snapshots", params={"origin": "pull"}).json()["items"] == []


def test_a_pulled_folder_can_be_uploaded_without_what_the_pull_knew(lab: Lab) -> None:
    files = {**tiny_files(), "manifest.json": b"{}", "months/aws/2026-01.parquet": b"x"}
    answer = lab.client.post("/v1/snapshots", content=zipped(files), headers=ZIP)
    assert answer.status_code == 201
    assert not (folders(lab)[0] / "manifest.json").exists()


def test_the_same_upload_at_once_is_kept_once(lab: Lab) -> None:
    content = zipped(tiny_files())

    def send(_: int) -> Any:
        return lab.service.client(lab.key).post("/v1/snapshots", content=content, headers=ZIP)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert sorted(a.status_code for a in answers)[0] == 200
    assert {a.status_code for a in answers} <= {200, 201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert len(folders(lab)) == 1


def test_an_upload_that_is_sent_again_is_answered_again(lab: Lab) -> None:
    headers = {**ZIP, "Idempotency-Key": "up"}
    content = zipped(tiny_files())
    first = lab.client.post("/v1/snapshots", content=content, headers=headers)
    again = lab.client.post("/v1/snapshots", content=content, headers=headers)
    assert (first.status_code, first.text) == (again.status_code, again.text) == (201, first.text)
    other = lab.client.post("/v1/snapshots", content=content + b"x", headers=headers)
    assert other.status_code == 422


def test_a_refused_table_is_named_and_nothing_is_kept(lab: Lab) -> None:
    usage = "hour,meter,quantity\n2026-01-01T00:00:00Z,gpu,nan\n"
    content = zipped(tiny_files(usage=usage))
    problem = assert_problem(lab.client.post("/v1/snapshots", content=content, headers=ZIP), 422)
    assert problem["type"].endswith("data-error")
    place = problem["errors"][0]
    assert (place["file"], place["row"], place["column"]) == ("usage.csv", 1, "quantity")
    assert place["pointer"] == "/usage.csv/1/quantity"
    assert place["mend"]
    assert folders(lab) == []
    for quantity in ("1e308", "1e999", "-1", "0x10", "=1+1"):
        bad = zipped(tiny_files(usage=usage.replace("nan", quantity)))
        answer = lab.client.post("/v1/snapshots", content=bad, headers=ZIP)
        if quantity != "1e308":
            assert_problem(answer, 422)
        else:
            assert answer.status_code in {201, 422}


def link(name: str, kind: bytes = tarfile.SYMTYPE, target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped({**tiny_files(), "../evil.csv": b""}), id="upwards"),
        pytest.param(zipped({**tiny_files(), "/etc/usage.csv": b""}), id="absolute"),
        pytest.param(zipped({**tiny_files(), "a\\usage.csv": b""}), id="backslash"),
        pytest.param(zipped({**tiny_files(), "C:usage.csv": b""}), id="drive"),
        pytest.param(zipped({**tiny_files(), "script.sh": b""}), id="other file"),
        pytest.param(zipped({**tiny_files(), ".usage.csv": b""}), id="hidden"),
        pytest.param(zipped({**tiny_files(), "a/b/usage.csv": b""}), id="too deep"),
        pytest.param(zipped({**tiny_files(), "a/offers.csv": b""}), id="two folders"),
        pytest.param(tarred(tiny_files(usage=None), link("usage.csv")), id="symbolic link"),
        pytest.param(
            tarred(tiny_files(usage=None), link("usage.csv", tarfile.LNKTYPE, "case.toml")),
            id="hard link",
        ),
        pytest.param(tarred(tiny_files(), link("usage.parquet", tarfile.CHRTYPE)), id="device"),
        pytest.param(tarred(tiny_files(), link("../x", tarfile.DIRTYPE)), id="folder upwards"),
        pytest.param(zipped({f"{i}.csv": b"" for i in range(1001)}), id="many"),
        pytest.param(b"no archive", id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(zipped(tiny_files())[:-40], id="cut off"),
        pytest.param(tarred(tiny_files())[:-40], id="tar cut off"),
        pytest.param(b"\x1f\x8b" + b"\0" * 50, id="broken gzip"),
    ],
)
def test_hostile_archives_are_refused(lab: Lab, content: bytes) -> None:
    answer = lab.client.post("/v1/snapshots", content=content, headers=ZIP)
    problem = assert_problem(answer, 422)
    assert problem["type"].endswith("archive")
    assert folders(lab) == []


def test_a_file_twice_is_refused(lab: Lab) -> None:
    stream = io.BytesIO(zipped(tiny_files()))
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(match="Duplicate"):
        archive.writestr("usage.csv", b"")
    answer = lab.client.post("/v1/snapshots", content=stream.getvalue(), headers=ZIP)
    assert_problem(answer, 422)
    files = [("file", ("usage.csv", b"")), ("file", ("usage.csv", b""))]
    assert_problem(lab.client.post("/v1/snapshots", files=files), 422)


def test_a_bomb_is_stopped_while_it_unpacks(lab: Lab) -> None:
    most = lab.service.settings.max_snapshot_bytes
    bomb = zipped({**tiny_files(), "jobs.csv": b"0" * (8 * most)})
    assert len(bomb) < most / 50
    # What the archive says of its size is not believed.
    at = bomb.rindex(b"PK\x01\x02")
    lying = bytearray(bomb)
    lying[at + 24 : at + 28] = struct.pack("<I", 100)
    for content in (bomb, bytes(lying), tarred({"jobs.csv": b"0" * (8 * most)})):
        since = time.process_time()
        answer = lab.client.post("/v1/snapshots", content=content, headers=ZIP)
        assert answer.status_code in {413, 422}
        assert_problem(answer)
        assert time.process_time() - since < 2
    assert_problem(lab.client.post("/v1/snapshots", content=bomb, headers=ZIP), 413)
    assert folders(lab) == []


def test_rows_that_take_no_bytes_are_counted(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "usage.parquet"
    for rows, status in ((100_001, 413), (10, 422)):
        duckdb.sql(f"SELECT 1 AS quantity FROM range({rows})").write_parquet(str(file))
        assert file.stat().st_size < 10_000
        content = zipped({**tiny_files(usage=None), "usage.parquet": file.read_bytes()})
        assert_problem(lab.client.post("/v1/snapshots", content=content, headers=ZIP), status)
    content = zipped({**tiny_files(usage=None), "usage.parquet": b"PAR1 broken"})
    assert_problem(lab.client.post("/v1/snapshots", content=content, headers=ZIP), 422)
    assert folders(lab) == []


def test_an_upload_that_is_too_large_is_not_read(lab: Lab) -> None:
    most = lab.service.settings.max_upload_bytes
    answer = lab.client.post("/v1/snapshots", content=b"0" * (most + 1), headers=ZIP)
    assert_problem(answer, 413)

    def chunks() -> Any:
        for _ in range(most // 65536 + 2):
            yield b"0" * 65536

    assert_problem(lab.client.post("/v1/snapshots", content=chunks(), headers=ZIP), 413)


@pytest.mark.parametrize(
    "files",
    [
        [("file", ("../usage.csv", b"x"))],
        [("file", ("/etc/passwd", b"x"))],
        [("file", ("usage.exe", b"x"))],
        [("file", ("", b"x"))],
    ],
)
def test_hostile_forms_are_refused(lab: Lab, files: Any) -> None:
    assert_problem(lab.client.post("/v1/snapshots", files=files), 422)
    assert folders(lab) == []


def test_other_forms_are_refused(lab: Lab) -> None:
    assert_problem(lab.client.post("/v1/snapshots", json={}), 415)
    assert_problem(lab.client.post("/v1/snapshots", data={"file": "x"}), 415)
    broken = {"Content-Type": "multipart/form-data"}
    assert_problem(lab.client.post("/v1/snapshots", content=b"x", headers=broken), 422)
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_problem(lab.client.post("/v1/snapshots", content=b"--x\r\n", headers=broken), 422)


def test_formulas_in_csv_are_inert(lab: Lab) -> None:
    evil = '=HYPERLINK("http://x";"y")'
    quoted = '"' + evil.replace('"', '""') + '"'
    files = {n: c.decode().replace("plan,", f"{quoted},") for n, c in tiny_files().items()}
    changes = {n[:-4]: files[n] for n in ("offers.csv", "covers.csv")}
    lab.snapshot = lab.upload(**changes)
    lab.put_forward()
    for url in (f"/v1/plans/{lab.plan}/purchases.csv", "/v1/recommendations.csv"):
        text = lab.client.get(url).text
        assert "'=HYPERLINK" in text
        assert ",=HYPERLINK" not in text
        assert not any(line.startswith(("=", '"=')) for line in text.splitlines())
    cells = [cell(v) for v in ("=1", "+1", "-1.5", "@x", "\tx", "\rx", "-1+cmd", "a", None, -2.0)]
    assert cells == golden(["'=1", "+1", "-1.5", "'@x", "'\tx", "'\rx", "'-1+cmd", "a", "", "-2.0"])


def test_a_pull_of_a_configured_source(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bill of the tiny case as FOCUS rows, pulled back as a snapshot."""
    from typer.testing import CliRunner

    from api.cli import app as cli
    from api.http.app import create_app
    from api.runner import ThreadRunner

    from .conftest import SECRET, Service

    rows = tmp_path / "bill.csv"
    done = CliRunner().invoke(cli, ["bill", str(ROOT / "fixtures/tiny"), "--focus", str(rows)])
    assert done.exit_code == 0, done.output
    sources = tmp_path / "sources.toml"
    sources.write_text(
        f'[{lab.name}.bill]\nproviders = ["focus"]\naccounts = ["{rows}"]\nsince = "2026-01-01"\n'
        f'[{lab.name}.broken]\nproviders = ["focus"]\naccounts = ["{tmp_path}/none.csv"]\n'
        '[other.secret]\nproviders = ["focus"]\n'
    )
    settings = lab.service.settings.model_copy(update={"sources": sources})
    runner = ThreadRunner(lab.service.store, 1, settings)
    app = create_app(settings, lab.service.store, runner, SECRET)
    client = Service(app, lab.service.store, settings).client(lab.key)
    wait = {"Prefer": "wait=60"}
    found = client.post("/v1/pulls", json={"source": "bill"}, headers=wait).json()
    assert found["status"] == "succeeded", found["problem"]
    snapshot = client.get(f"/v1/snapshots/{found['result']['snapshot']}").json()
    assert (snapshot["origin"], snapshot["partial"]) == ("pull", False)
    assert "usage" in snapshot["tables"]
    document = client.get(found["links"]["document"]).json()
    assert document["digest"] == snapshot["digest"]
    broken = client.post("/v1/pulls", json={"source": "broken"}, headers=wait).json()
    assert broken["status"] == "failed"
    assert_problem(client.post("/v1/pulls", json={"source": "secret"}), 422)
    for since in ("../x", "90y", "2026-01-01; rm"):
        bad = client.post("/v1/pulls", json={"source": "bill", "since": since})
        assert_problem(bad, 422)
    assert str(rows) not in json.dumps([found, broken])
    runner.close()
