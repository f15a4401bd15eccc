# SPDX-License-Identifier: Apache-2.0
"""``gpuopt report --deliver``: names, addresses and folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.deliver import Folder
from api.deliver.named import deliver_all, destination_named
from api.deliver.parcel import DeliveryError
from optimizer.errors import UsageError

from .conftest import MailServer, report

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"


def test_what_a_text_stands_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUOPT_DESTINATIONS", raising=False)
    assert destination_named("./reports") == Folder(folder=Path("reports").absolute())
    assert destination_named("json://127.0.0.1/x").kind == "chat"
    with pytest.raises(UsageError, match="GPUOPT_DESTINATIONS names none"):
        destination_named("archive")
    file = tmp_path / "destinations.toml"
    file.write_text('[default.archive]\nfolder = "/srv/reports"\n')
    monkeypatch.setenv("GPUOPT_DESTINATIONS", str(file))
    assert destination_named("archive") == Folder(folder=Path("/srv/reports"))
    with pytest.raises(UsageError, match=r"choose of: archive; or write \./finance for a folder"):
        destination_named("finance")


def test_all_places_are_tried_and_those_that_failed_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    places = {
        "blocked": Folder(folder=tmp_path / "file"),
        "archive": Folder(folder=tmp_path / "archive"),
    }
    told: list[str] = []
    with pytest.raises(DeliveryError, match=r"^blocked: the folder cannot be written to"):
        deliver_all(report(), places, told.append)
    assert told == ["delivering to blocked", "delivering to archive"]
    assert (tmp_path / "archive" / "latest" / "report.html").is_file()


def test_the_command_delivers(
    tmp_path: Path, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "destinations.toml"
    file.write_text(
        '[default.finance]\nmail = ["a@example.com"]\nfrom = "g@example.com"\n'
        f'server = "smtp://127.0.0.1:{mail_server.port}"\n'
    )
    monkeypatch.setenv("GPUOPT_DESTINATIONS", str(file))
    plan, folder = tmp_path / "plan.json", tmp_path / "reports"
    done = CliRunner().invoke(app, ["plan", str(TINY), "--json", "-o", str(plan)])
    assert done.exit_code == 0, done.output
    to = ["--deliver", "finance", "--deliver", str(folder)]
    done = CliRunner().invoke(app, ["report", str(plan), "--case", str(TINY), "--quiet", *to])
    assert done.exit_code == 0, done.output
    assert "<html" not in done.output
    (message,) = mail_server.messages
    assert message["Subject"] == "Weekly commitment report: tiny"
    assert (folder / "latest" / "report.md").is_file()
    file.write_text("")
    done = CliRunner().invoke(app, ["report", str(plan), "--case", str(TINY), *to])
    assert done.exit_code == 2
    assert "no destination 'finance'" in done.output
