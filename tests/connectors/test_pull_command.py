# SPDX-License-Identifier: Apache-2.0
"""``gpuopt pull``: options, sources found by name, and secrets kept out of sight."""

from __future__ import annotations

import subprocess
import sys
import types
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.pull import PullOptions, pull
from connectors import sources
from connectors.pulled import Pulled, Report, Request
from connectors.redact import redact, redact_settings
from connectors.sources import find_source
from optimizer.errors import UsageError

from .conftest import write_rows

NOW = datetime(2026, 11, 21, 5, 40, tzinfo=UTC)


def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *names: str, **options: object) -> dict:
    """What each source is asked for by these options."""
    found: dict[str, Request] = {}

    def source(name: str) -> object:
        def answer(request: Request, report: Report) -> Pulled:
            found[name] = request
            raise UsageError("that is all")

        return answer

    monkeypatch.setattr(sources, "find_source", source)
    given = {"to": tmp_path / "to", "since": "90d", **options}
    with pytest.raises(UsageError, match="that is all"):
        pull(names, PullOptions(**given), lambda _: None, NOW)
    return found


def test_the_window_ends_with_the_hour_and_begins_before_it(monkeypatch, tmp_path):
    (request,) = asked(monkeypatch, tmp_path, "aws").values()
    assert request.until == datetime(2026, 11, 21, 5, tzinfo=UTC)
    assert request.since == datetime(2026, 8, 23, 5, tzinfo=UTC)
    (request,) = asked(
        monkeypatch, tmp_path, "aws", since="2026-11-01", until="2026-11-02T01:30:00+01:00"
    ).values()
    assert request.until == datetime(2026, 11, 2, 0, tzinfo=UTC)
    assert request.since == datetime(2026, 11, 1, tzinfo=UTC)


def test_options_are_for_all_sources_or_for_one(monkeypatch, tmp_path):
    found = asked(
        monkeypatch, tmp_path, "aws", "gcp",
        regions=["aws=us-east-1,us-west-2", "gcp=us-central1"],
        accounts=["aws=arn:aws:iam::1:role/x", "gcp=p"],
        values=["aws.export=s3://b/a=1", "gcp.table=t", "timeout=9"],
    )  # fmt: skip
    assert found["aws"].regions == ("us-east-1", "us-west-2")
    assert found["gcp"].regions == ("us-central1",)
    assert found["aws"].accounts == ("arn:aws:iam::1:role/x",)
    assert dict(found["aws"].settings) == {"export": "s3://b/a=1", "timeout": "9"}
    assert dict(found["gcp"].settings) == {"table": "t", "timeout": "9"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["oracle"], "is no source"),
        (["focus", "focus"], "named twice"),
        (["focus", "--since", "soon"], "is no time"),
        (["focus", "--since", "2027-01-01", "--until", "2026-01-01"], "not before the end"),
        (["focus", "--set", "nothing"], "no NAME=VALUE"),
        (["focus"], "needs a file"),
        (["focus", "--account", "/nowhere.csv"], "is no export"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(tmp_path, arguments, words):
    done = CliRunner().invoke(app, ["pull", *arguments, "--to", str(tmp_path / "to")])
    assert done.exit_code == 2
    assert words in done.stderr


def test_refused_data_is_thirteen_and_leaves_nothing(tmp_path):
    file = write_rows(tmp_path / "x.csv", [{"BilledCost": "lots"}])
    arguments = ["pull", "focus", "--account", str(file), "--to", str(tmp_path / "to")]
    done = CliRunner().invoke(app, [*arguments, "--until", "2026-11-21"])
    assert done.exit_code == 13
    assert "x.csv" in done.stderr
    assert not (tmp_path / "to").exists()


def test_stdout_is_the_folder_alone(tmp_path):
    file = write_rows(tmp_path / "x.csv", [{}])
    arguments = ["pull", "focus", "--account", str(file), "--to", str(tmp_path / "to")]
    done = CliRunner().invoke(app, [*arguments, "--until", "2026-11-21"])
    assert done.exit_code == 0
    assert Path(done.stdout.strip()).is_dir()
    assert "1 of 1 questions answered" in done.stderr


def test_sources_are_found_by_name_as_function_or_module(monkeypatch):
    def answer(request: Request, report: Report) -> Pulled:
        return Pulled({})

    plain = types.ModuleType("connectors.gcp")
    plain.pull = answer
    monkeypatch.setitem(sys.modules, "connectors.gcp", plain)
    assert find_source("gcp") is answer
    package, inner = types.ModuleType("connectors.llm"), types.ModuleType("connectors.llm.pull")
    inner.pull = answer
    package.pull = inner
    monkeypatch.setitem(sys.modules, "connectors.llm", package)
    monkeypatch.setitem(sys.modules, "connectors.llm.pull", inner)
    assert find_source("llm") is answer
    with pytest.raises(UsageError, match="is no source"):
        find_source("os")


def test_help_imports_no_sdk():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom api.cli import app\n"
        "assert CliRunner().invoke(app, ['pull', '--help']).exit_code == 0\n"
        "heavy = {'boto3', 'duckdb', 'pandas', 'stamina', 'azure', 'google.cloud'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    "text",
    [
        "AKIASECRETSECRETSECR",
        "Authorization: Bearer SECRETSECRETSECRET",
        "https://x/y?sig=SECRETSECRET&se=1",
        "X-Amz-Security-Token=SECRETSECRET",
        '{"client_secret": "SECRETSECRET"}',
        "api_key=SECRETSECRET",
        "https://user:SECRETSECRET@host/x",
        "sk-ant-SECRETSECRET1",
        "eyJSECRETSECRET.SECRETSECRET.x",
        "password: SECRETSECRET",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text):
    assert "SECRET" not in redact(f"before {text} after")
    assert redact(f"before {text} after").startswith("before ")


def test_plain_words_stay():
    text = "p5.48xlarge in us-east-1a: the permission ec2:DescribeRegions is missing"
    assert redact(text) == text
    assert redact_settings({"export": "s3://b/x", "api_key": "k"}) == {
        "api_key": "***", "export": "s3://b/x",
    }  # fmt: skip
