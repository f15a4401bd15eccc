# SPDX-License-Identifier: Apache-2.0
"""The documents of the service: what is there is documented, and what is documented works."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.access import SCOPES, first_key, service_secret
from api.cli import app as cli
from api.http.app import bare_app, openapi
from api.http.problems import PROBLEMS
from api.serve import open_store
from api.settings import ServiceSettings

from ..cli_reference import reference
from .conftest import ROOT, Lab, MakeSettings
from .test_access import ROUTES

SERVICE = (ROOT / "docs" / "service.md").read_text("utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """Tables of a page: by the first cell, without its quotes."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            found[cells[0].strip("` ")] = [cell.strip("` ") for cell in cells[1:]]
    return found


def test_every_route_is_documented() -> None:
    documented = {name: cells for name, cells in rows(SERVICE).items() if " /" in name}
    assert {
        f"{method} {path}": "–" if scope == "anonymous" else scope for method, path, scope in ROUTES
    } == {name: cells[0] for name, cells in documented.items()}


def test_every_setting_is_documented() -> None:
    documented = {n: cells for n, cells in rows(SERVICE).items() if n.startswith("GPUOPT_")}
    expected = {}
    for name, entry in ServiceSettings.model_fields.items():
        default = entry.default
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        expected[f"GPUOPT_{name.upper()}"] = "–" if default is None else shown
        assert entry.description
    assert {name: cells[0] for name, cells in documented.items()} == expected


def test_every_problem_and_scope_is_documented() -> None:
    found = rows(SERVICE)
    for name, (status, title) in PROBLEMS.items():
        assert found[name][:2] == [str(status), title]
    assert {name: found[name][0] for name in SCOPES} == {n: str(r) for n, r in SCOPES.items()}


def test_every_command_and_flag_is_documented() -> None:
    stored = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert stored == reference(), "run: python tests/api/cli_reference.py"


def test_the_published_openapi_is_that_of_the_service(solved: Lab) -> None:
    published = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    assert published == openapi(bare_app()), "run: gpuopt openapi > docs/openapi.json"
    assert solved.client.get("/v1/openapi.json").json() == published


def test_the_openapi_is_complete() -> None:
    document = openapi(bare_app())
    assert document["openapi"].startswith("3.1")
    names: list[str] = []
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            place = f"{verb} {path}"
            names.append(operation["operationId"])
            assert operation["summary"], place
            assert operation["description"], place
            assert operation["tags"], place
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], place
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                name = body["schema"]["$ref"].rpartition("/")[2]
                assert document["components"]["schemas"][name]["examples"], place
    assert len(names) == len(set(names))
    shown = document["components"]["schemas"]
    for name in ("JobView", "SnapshotView", "RecommendationView", "KeyView", "AuditView",
                 "Kpis", "CallerView", "Problem", "Health"):  # fmt: skip
        assert shown[name]["examples"], name


def test_the_examples_have_their_own_shape() -> None:
    import jsonschema

    document = openapi(bare_app())
    root = {"components": document["components"]}
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            jsonschema.validate(example, {**root, "$ref": f"#/components/schemas/{name}"})


def block(mark: str, page: str = SERVICE) -> str:
    """The shell lines of a page between two marks."""
    found = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)```\n<!-- /{mark} -->", page, re.DOTALL)
    assert found, mark
    return found[1]


class Server:
    """``gpuopt serve`` in a process of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.errors = folder / f"stderr-{time.time_ns()}"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data-dir",
                 str(folder / "data")],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={
                    **os.environ, "PYTHONPATH": str(ROOT), "GPUOPT_WARM_UP": "false",
                    **environment,
                },
            )  # fmt: skip

    def url(self) -> str:
        for _ in range(1800):
            found = re.search(r"serving (http://\S+)", self.errors.read_text())
            if found and "startup complete" in self.errors.read_text():
                return found[1]
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.1)
        raise AssertionError(self.errors.read_text())

    def stop(self) -> str:
        """End it as an operator would; return what it said on stdout."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=120)
        return out


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_shell_lines_work_on_a_real_server(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        url = server.url()
        assert server.process.stdout is not None
        key = server.process.stdout.readline().split()[-1]
        work = tmp_path / "work"
        work.mkdir()
        (work / "fixtures").symlink_to(ROOT / "fixtures")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block("curl")],
            cwd=work, env={**os.environ, "URL": url, "KEY": key}, capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        shown = done.stdout.splitlines()
        assert "24.750000000000" in shown
        assert "accepted" in shown
        assert "{'accepted': 1, 'active': 1}" in shown
        assert "event: succeeded" in shown
        assert "id: 1" not in shown  # it was followed from the third event on
        document: dict[str, Any] = json.loads((work / "plan-document.json").read_text())
        assert document["status"] == "optimal"
        # The README's lines on the tiny case: the demonstration company takes a minute.
        lines = block("service", (ROOT / "README.md").read_text("utf-8"))
        lines = lines.replace("http://127.0.0.1:8642", url)
        lines = lines.replace("frontier-lab", "tiny --exclude *.md")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=work, env={**os.environ, "KEY": key}, capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "event: succeeded" in done.stdout
        assert json.loads((work / "document.json").read_text())["status"] == "optimal"
        assert '"edits":["demand=+20%","terms<=8760"]' in done.stdout
        assert json.loads((work / "sweep.json").read_text())["result"]["points"] == 3
    finally:
        server.stop()
    told = server.errors.read_text()
    assert key not in told
    assert "gpk_" not in told
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "request"]
    assert len(asked) == 16
    assert all(line["request_id"] and line["caller"].startswith("key_") for line in asked)


def test_admin_keys_are_shown_once(make_settings: MakeSettings, tmp_path: Path) -> None:
    """The first one by the first start; a tenant's by its command; neither is kept."""
    settings = make_settings(data_dir=tmp_path, database_url=None)
    store = open_store(settings)
    key = first_key(store, settings, service_secret(settings))
    assert key is not None
    assert first_key(store, settings, service_secret(settings)) is None
    store.close()
    done = CliRunner().invoke(cli, ["tenant", "acme", "--data-dir", str(tmp_path)])
    assert re.fullmatch(r"gpk_[0-9a-f]{12}_[0-9a-f]{64}\n", done.stdout), done.stderr
    again = CliRunner().invoke(cli, ["tenant", "acme", "--data-dir", str(tmp_path)])
    assert (again.exit_code, again.stdout) == (1, "")
    stored = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    for shown in (key, done.stdout.strip()):
        assert shown.rpartition("_")[2].encode() not in stored


def test_what_cannot_be_served_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUOPT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GPUOPT_SECRET", "hunter2")
    done = CliRunner().invoke(cli, ["serve"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "GPUOPT_SECRET" in done.stderr
    assert "hunter2" not in done.stderr
    monkeypatch.delenv("GPUOPT_SECRET")
    monkeypatch.setenv("GPUOPT_DATABASE_URL", "postgresql+psycopg://me:hunter2@127.0.0.1:1/x")
    done = CliRunner().invoke(cli, ["tenant", "x"])
    assert done.exit_code == 2
    assert "the database cannot be used" in done.stderr
    assert "hunter2" not in done.stderr
