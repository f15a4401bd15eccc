# SPDX-License-Identifier: Apache-2.0
"""Cost exports in blob storage: the newest run of each period is fetched and handed on."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors import azure
from connectors.azure.exports import Blob, address, newest_runs
from connectors.pulled import Outcome, Pulled, Report, Request
from optimizer.errors import UsageError

from ..loopback import Answer, Call, Loopback, serving

BASE = "focus/daily/20261101-20261130"
FILES = {
    f"{BASE}/run-1/part_0.csv": (b"old", "Thu, 19 Nov 2026 06:00:00 GMT"),
    f"{BASE}/run-2/part_0.csv": (b"new", "Fri, 20 Nov 2026 06:00:00 GMT"),
    f"{BASE}/run-2/part_1.csv": (b"newer", "Fri, 20 Nov 2026 06:00:05 GMT"),
    f"{BASE}/run-2/manifest.json": (b"{}", "Fri, 20 Nov 2026 06:00:09 GMT"),
    "focus/daily/20261001-20261031/run-1/part_0.parquet": (b"oct", "Sun, 01 Nov 2026 06:00:00 GMT"),
}


def storage(call: Call) -> Answer | None:
    """Answer as blob storage does: a listing in XML, two names at a time, and the files."""
    assert call.path.startswith("/account/costs")
    if call.query.get("comp") == "list":
        assert call.query["prefix"] == "focus/daily"
        first = int(call.query.get("marker") or 0)
        names = list(FILES)[first : first + 2]
        blobs = "".join(
            f"<Blob><Name>{name}</Name><Properties><Last-Modified>{FILES[name][1]}"
            "</Last-Modified><Etag>0x1</Etag><Content-Length>3</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name in names
        )
        marker = str(first + 2) if first + 2 < len(FILES) else ""
        text = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="costs">'
            f"<Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        return Answer(text.encode(), headers={"Content-Type": "application/xml"})
    body, written = FILES[call.path.removeprefix("/account/costs/")]
    size = len(body)
    headers = {
        "Content-Type": "text/csv",
        "Content-Range": f"bytes 0-{size - 1}/{size}", "Last-Modified": written,
        "ETag": '"0x1"', "x-ms-blob-type": "BlockBlob", "x-ms-version": "2025-01-05",
    }  # fmt: skip
    return Answer(body, 206, headers)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving(storage) as served:
        yield served


def request(server: Loopback) -> Request:
    return Request(
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 21, tzinfo=UTC),
        accounts=("sub-prod",),
        settings={"focus": f"{server.url}/account/costs/focus/daily"},
    )


def test_the_newest_run_of_each_period_is_read(
    server: Loopback, hasty: None, monkeypatch: pytest.MonkeyPatch
):
    seen: dict[str, bytes] = {}

    def reader(asked: Request, report: Report) -> Pulled:
        for file in sorted(Path(asked.accounts[0]).iterdir()):
            seen[file.name] = file.read_bytes()
        assert "focus" not in asked.settings
        return Pulled({})

    # Stands for the reader, which is another room's: what matters is what it is handed.
    module: Any = types.ModuleType("connectors.focus")
    module.pull = reader
    monkeypatch.setitem(sys.modules, "connectors.focus", module)
    server.fail("part_1", kind="status", status=503)
    report = Report()
    azure.pull(request(server), report)
    assert seen == {"00000.parquet": b"oct", "00001.csv": b"new", "00002.csv": b"newer"}
    assert [a.outcome for a in report.asked] == [Outcome.ANSWERED] * 4
    assert report.asked[0].rows == 5


def test_without_the_reader_it_is_said(server: Loopback, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "connectors.focus", None)
    with pytest.raises(UsageError, match=r"connectors\.focus, which this installation lacks"):
        azure.pull(request(server), Report())


def test_a_run_is_chosen_by_its_newest_file():
    def blob(name: str, hour: int) -> Blob:
        return Blob(name, datetime(2026, 11, 1, hour, tzinfo=UTC))

    blobs = [blob("p/a/1.csv", 1), blob("p/a/2.csv", 5), blob("p/b/1.csv", 4), blob("p/x.txt", 9)]
    assert [chosen.name for chosen in newest_runs(blobs)] == ["p/a/1.csv", "p/a/2.csv"]


def test_a_signature_in_the_address_is_refused():
    with pytest.raises(UsageError, match="without a signature"):
        address("https://account.blob.core.windows.net/costs/focus?sig=abc")


def test_addresses():
    public = "https://account.blob.core.windows.net/costs"
    assert address(f"{public}/focus/daily/") == (public, "focus/daily")
    assert address("http://127.0.0.1:10000/account/costs") == (
        "http://127.0.0.1:10000/account/costs",
        "",
    )
    for wrong in ("https://account.blob.core.windows.net", "http://127.0.0.1:10000/account"):
        with pytest.raises(UsageError, match="URL of a blob container"):
            address(wrong)
