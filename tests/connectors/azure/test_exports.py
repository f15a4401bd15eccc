# SPDX-License-Identifier: Apache-2.0
"""Cost exports in blob storage: the newest run of each period is fetched and handed on."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from api.cli import app
from connectors import azure
from connectors.azure import clients
from connectors.azure.exports import Blob, address, newest_runs
from connectors.pulled import Outcome, Pulled, Report, Request
from optimizer.errors import UsageError
from optimizer.tables import write_case

from ..company import LAB, cents, planned, tables
from ..loopback import Answer, Call, Loopback, serving
from .cloud import ENROLLMENT, AzureCloud
from .conftest import Token

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
def server(
    azure_company: AzureCloud, monkeypatch: pytest.MonkeyPatch, hasty: None
) -> Iterator[Loopback]:
    def answer(call: Call) -> Answer | None:
        return storage(call) if call.path.startswith("/account/") else azure_company.answer(call)

    monkeypatch.setattr(clients, "credential", Token)
    with serving(answer) as served:
        azure_company.url = served.url
        yield served


def request(server: Loopback) -> Request:
    return Request(
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 21, tzinfo=UTC),
        accounts=("sub-prod",),
        settings={
            "focus": f"{server.url}/account/costs/focus/daily",
            "endpoint": server.url,
            "retail_endpoint": server.url,
        },
    )


def test_the_newest_run_of_each_period_is_read(server: Loopback, monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, bytes] = {}
    nd = "azure/eastus/Standard_ND96isr_H100_v5"

    def reader(asked: Request, report: Report) -> Pulled:
        for file in sorted(Path(asked.accounts[0]).iterdir()):
            seen[file.name] = file.read_bytes()
        assert "focus" not in asked.settings
        hour = datetime(2026, 11, 20, 5, tzinfo=UTC).replace(tzinfo=None)
        used = {"hour": hour, "quantity": "1", "account": "enrolled/sub-prod/rg"}
        meters = [nd, "azure/eastus/disk"]
        return Pulled(
            {
                "usage": pd.DataFrame([{**used, "meter": meter} for meter in meters]),
                "meters": pd.DataFrame([{"meter": m, "on_demand": "7"} for m in meters]),
                "offers": pd.DataFrame([{"offer": "inferred"}]),
            }
        )

    # Stands for the reader, which is another room's: what matters is what it is handed.
    module: Any = types.ModuleType("connectors.focus")
    module.pull = reader
    monkeypatch.setitem(sys.modules, "connectors.focus", module)
    server.fail("part_1", kind="status", status=503)
    report = Report()
    pulled = azure.pull(request(server), report)
    assert seen == {"00000.parquet": b"oct", "00001.csv": b"new", "00002.csv": b"newer"}
    assert [a.outcome for a in report.asked[:4]] == [Outcome.ANSWERED] * 4
    assert report.asked[0].rows == 5
    # Usage is the export's; machines are priced by the APIs, the rest as it was billed.
    assert len(pulled.tables["usage"]) == 2
    prices = pulled.tables["meters"].set_index("meter")["on_demand"]
    assert (prices[nd], prices["azure/eastus/disk"]) == ("93.404", "7")
    assert "inferred" not in set(pulled.tables["offers"]["offer"])
    (held,) = pulled.tables["commitments"].to_dict("records")
    assert held["account"] == "enrolled/sub-prod"
    assert not server.asked("usageDetails")


def test_exports_of_the_company_give_its_plan_to_the_cent(
    azure_company: AzureCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The bill of the company, written as FOCUS, goes through the real reader."""
    bare = tables("azure", since="2026-11-07")
    folder, bill = tmp_path / "bill", tmp_path / "bill.csv.gz"
    write_case(bare, (LAB / "case.toml").read_text("utf-8"), folder)
    result = CliRunner().invoke(app, ["bill", str(folder), "--focus", str(bill), "--quiet"])
    assert result.exit_code == 0, result.output
    files = {"focus/daily/20260823-20261121/run/part_0.csv.gz": bill.read_bytes()}
    written = "Fri, 20 Nov 2026 06:00:00 GMT"
    monkeypatch.setattr(sys.modules[__name__], "FILES", {n: (b, written) for n, b in files.items()})

    def answer(call: Call) -> Answer | None:
        return storage(call) if call.path.startswith("/account/") else azure_company.answer(call)

    monkeypatch.setattr(clients, "credential", Token)
    with serving(answer) as served:
        azure_company.url = served.url
        asked = request(served)
        settings = {**asked.settings, "billing_account": ENROLLMENT}
        settings["spot_interruption"] = "0.000182903"
        report = Report()
        since = datetime(2026, 11, 7, tzinfo=UTC)
        pulled = azure.pull(replace(asked, settings=settings, since=since), report)
    assert not report.partial
    # FOCUS says nothing of spot tolerance; neither does the company here.
    for column in ("spot_tolerant", "lost_hours", "restart_cost"):
        bare["usage"] = bare["usage"].drop(columns=column)
    ours = planned(dict(pulled.tables), tmp_path / "pulled")
    assert cents(ours) == cents(planned(bare, tmp_path / "company"))


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
