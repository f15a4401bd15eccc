# SPDX-License-Identifier: Apache-2.0
"""The whole demonstration company behind three fake clouds, pulled by the command itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from api.cli import app
from connectors.azure import clients as azure_clients
from connectors.gcp import clients as google_clients

from ..fake_cloud.aws import ACCOUNTS, role
from .azure.cloud import ENROLLMENT, GROUP, AzureCloud
from .azure.conftest import Token
from .clouds import EXPORT, clouds
from .company import LAB, MONEY
from .gcp.cloud import BILLING, PRICING, PROJECTS, GoogleCloud
from .gcp.conftest import token
from .loopback import serving

CHANCE = "spot_interruption=0.000182903"


@contextmanager
def three_clouds(s3: str, azure: AzureCloud, google: GoogleCloud) -> Iterator[list[str]]:
    """Serve the company; gives the options of ``gpuopt pull aws azure gcp`` that lead there."""
    with (
        pytest.MonkeyPatch.context() as patch,
        clouds(s3, patch),
        serving(azure.answer) as one,
        serving(google.answer) as two,
    ):
        patch.setattr(azure_clients, "credential", Token)
        patch.setattr(google_clients, "credential", token)
        azure.url = one.url
        accounts = [
            *(f"aws={role(account)}" for account in ACCOUNTS.values()),
            f"azure={GROUP}",
            *(f"gcp={project}" for project in PROJECTS),
        ]
        values = [
            "tags=team;purpose", f"aws.export={EXPORT}", "aws.wait=0.01", "aws.block_days=14",
            "aws.block_counts=16", f"azure.endpoint={one.url}", f"azure.retail_endpoint={one.url}",
            f"azure.billing_account={ENROLLMENT}", "azure.hourly=monitor", f"azure.{CHANCE}",
            f"gcp.endpoint={two.url}", f"gcp.billing_table={BILLING}",
            f"gcp.pricing_table={PRICING}", f"gcp.{CHANCE}",
        ]  # fmt: skip
        yield [
            *(x for account in accounts for x in ("--account", account)),
            *(x for value in values for x in ("--set", value)),
        ]


def pulled(options: list[str], to: Path, since: str) -> Path:
    """Run ``gpuopt pull aws azure gcp``; return the one snapshot that it wrote."""
    window = ["--since", since, "--until", "2026-11-21", "--settings", str(LAB / "case.toml")]
    command = ["pull", "aws", "azure", "gcp", "--to", str(to), *window, *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    folder = Path(done.stdout.strip())
    assert [path for path in to.iterdir() if not path.name.startswith(".")] == [folder]
    return folder


def company_since(since: str, to: Path) -> Path:
    """Write the company's case with its usage from a day on."""
    to.mkdir()
    for file in LAB.iterdir():
        if file.suffix in (".csv", ".toml"):
            (to / file.name).write_bytes(file.read_bytes())
    duckdb.execute(
        f"COPY (FROM '{LAB}/usage.parquet' WHERE hour >= '{since}') TO '{to}/usage.parquet'"
    )
    return to


def shortened(folder: Path, to: Path, hours: int, gap: str) -> Path:
    """Copy a case, to plan fewer hours with a larger gap."""
    to.mkdir()
    for file in folder.iterdir():
        if file.suffix in (".csv", ".parquet"):
            (to / file.name).write_bytes(file.read_bytes())
    toml = (folder / "case.toml").read_text("utf-8")
    toml = re.sub(r"horizon_hours = \d+", f"horizon_hours = {hours}", toml)
    toml = re.sub(r"gap = [\d.]+", f"gap = {gap}", toml)
    toml = re.sub(r"seconds = \d+", "seconds = 86400", toml)
    (to / "case.toml").write_text(toml, "utf-8")
    return to


def plan(folder: Path) -> dict[str, Any]:
    """Run ``gpuopt plan``."""
    output = folder.parent / f"{folder.name}.json"
    done = CliRunner().invoke(app, ["plan", str(folder), "-o", str(output), "--quiet"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(output.read_text("utf-8"))
    return found


def money(document: dict[str, Any]) -> dict[str, str]:
    """Return the money of a plan to the cent."""
    return {name: f"{Decimal(str(document[name])):.2f}" for name in MONEY}


def purchases(document: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """Return what a plan buys, by provider, term, amount and money, not by made-up names."""
    return Counter(
        (
            row["offer"].split("/")[0],
            str(row["term_hours"]),
            f"{Decimal(str(row['quantity'])):.6f}",
            f"{Decimal(str(row['upfront'])):.2f}",
        )
        for row in document["purchases"]
    )
