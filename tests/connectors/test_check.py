# SPDX-License-Identifier: Apache-2.0
"""``gpuopt check``: what is old, missing, odd or without a price is found and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from connectors.check import check_snapshot
from connectors.gpus import gpu_of, gpu_types, looks_like_gpu

P5, UNKNOWN = "aws/us-east-1/p5.48xlarge", "aws/us-east-1/p9.48xlarge"


def case(folder: Path, hours: dict[int, float], meter: str = P5, **columns: str) -> Path:
    """A case with usage in some hours after the first of November."""
    folder.mkdir(exist_ok=True)
    row = {
        "meter": meter,
        "provider": "aws",
        "product": "instance",
        "unit": "Instance-Hours",
        "on_demand": "50",
        "gpu": "H100-80GB",
        "gpus": "8",
        "as_of": "2026-11-20",
        **columns,
    }
    (folder / "meters.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    lines = [f"2026-11-{1 + h // 24:02d}T{h % 24:02d}:00:00Z,{meter},{q}" for h, q in hours.items()]
    (folder / "usage.csv").write_text("hour,meter,quantity\n" + "\n".join(lines) + "\n")
    (folder / "case.toml").write_text('currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n')
    return folder


def found(folder: Path) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for finding in check_snapshot(folder)["findings"]:
        if finding["kind"] != "manifest":
            kinds.setdefault(finding["kind"], []).append(finding["text"])
    return kinds


ALWAYS = dict.fromkeys(range(480), 2.0)


def test_a_good_snapshot_has_nothing_to_tell(tmp_path: Path):
    assert found(case(tmp_path, ALWAYS)) == {}
    facts = check_snapshot(tmp_path)["facts"]
    assert facts["gpu_spend_explained"] == 1.0
    assert facts["gpu_spend_at_on_demand"] == 48000.0


def test_old_usage_and_old_prices_are_named(tmp_path: Path):
    old = case(tmp_path, dict.fromkeys(range(400), 2.0), as_of="2026-08")
    assert found(old) == {
        "freshness": [
            "the newest usage ends 2026-11-17T16:00:00Z, 80 hours before as_of",
            "the prices of 1 meters are more than 35 days old",
        ]
    }


def test_a_gap_is_named_with_its_hours(tmp_path: Path):
    hours = {h: 2.0 for h in ALWAYS if not 100 <= h < 110}
    assert found(case(tmp_path, hours)) == {
        "gap": ["no usage at all from 2026-11-05T04:00:00Z for 10 hours"]
    }


def test_a_day_far_from_the_others_is_named(tmp_path: Path):
    hours = ALWAYS | dict.fromkeys(range(240, 264), 40.0)
    (text,) = found(case(tmp_path, hours))["outlier"]
    assert text == "960 units on 2026-11-11; the median day has 48"


def test_machines_without_price_or_gpu_are_named(tmp_path: Path):
    kinds = found(case(tmp_path, ALWAYS, meter=UNKNOWN, on_demand="", gpu="", gpus=""))
    assert kinds["unmatched"] == [
        "used, but it has no on-demand price", "a GPU machine whose GPU is not known",
    ]  # fmt: skip
    assert "GPU usage without a price" in kinds["spend"][0]
    kinds = found(case(tmp_path, ALWAYS, meter=UNKNOWN, gpu="", gpus=""))
    assert "only 0.0% of the GPU spend" in kinds["spend"][0]


def test_what_did_not_answer_is_repeated_from_the_manifest(tmp_path: Path):
    case(tmp_path, ALWAYS)
    asked = {"service": "ec2", "operation": "x", "place": "1/us", "outcome": "denied",
             "detail": "the permission ec2:X is missing"}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": {"aws": {"asked": [asked]}}}))
    assert found(tmp_path)["missing"] == ["ec2:x 1/us denied: the permission ec2:X is missing"]


def test_the_command_prints_a_page_or_a_document(tmp_path: Path):
    case(tmp_path, ALWAYS)
    page = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert page.exit_code == 0
    assert "100.0% of it explained" in page.stdout
    document: dict[str, Any] = json.loads(
        CliRunner().invoke(app, ["check", str(tmp_path), "--json"]).stdout
    )
    assert document["facts"]["meters"] == 1
    (tmp_path / "usage.csv").write_text("hour,meter,quantity\n2026-11-01T00:00:00Z,other,1\n")
    refused = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert refused.exit_code == 13


@pytest.mark.parametrize(
    ("provider", "machine", "model", "count"),
    [
        ("aws", "p5.48xlarge", "H100-80GB", 8),
        ("aws", "g6f.large", "L4", 0.125),
        ("aws", "trn2.48xlarge", "Trainium2", 16),
        ("azure", "Standard_NC80adis_H100_v5", "H100-94GB", 2),
        ("azure", "standard_nd96isr_h100_v5", "H100-80GB", 8),
        ("gcp", "a3-highgpu-8g", "H100-80GB", 8),
    ],
)
def test_gpus_of_machines(provider: str, machine: str, model: str, count: float):
    gpu = gpu_of(provider, machine)
    assert gpu is not None
    assert (gpu.model, float(gpu.count)) == (model, count)
    assert gpu.source
    assert gpu.as_of


def test_families_tell_new_gpu_machines_from_others():
    for provider in ("aws", "azure", "gcp"):
        assert gpu_types(provider)
        assert all(looks_like_gpu(provider, machine) for machine in gpu_types(provider))
    for provider, machine in (("aws", "m5.large"), ("azure", "Standard_D4s_v5"),
                              ("gcp", "n2-standard-4"), ("aws", "i4g.large")):  # fmt: skip
        assert gpu_of(provider, machine) is None
        assert not looks_like_gpu(provider, machine)
    assert looks_like_gpu("aws", "p9.48xlarge")


def test_a_misspelt_column_is_named(tmp_path: Path):
    folder = case(tmp_path, ALWAYS, spot_interuption="0.01", tag_spt="x", remark="y")
    text = "the column spot_interuption is not known and is ignored; spot_interruption may be meant"
    assert found(folder) == {"column": [text]}


def test_a_column_that_is_there_too_is_not_meant(tmp_path: Path):
    folder = case(tmp_path, ALWAYS, as_off="2026-11-20")
    assert found(folder) == {}
