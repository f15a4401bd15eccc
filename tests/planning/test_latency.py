# SPDX-License-Identifier: Apache-2.0
"""Plans that keep latency and quality, played; and what they are worth when profiles lie."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DataError
from optimizer.planning import make_plan, plan_document
from optimizer.planning.attainment import Stress, play_plan
from optimizer.reporting.exports import autoscaler, gateway, litellm
from optimizer.reporting.text import plan_page, render
from optimizer.tables import read_case

HOURS = ((7200, 3600), (21600, 7200), (40000, 0))
PROFILE = "requests_per_second,ttft_ms,tpot_ms"
DEPLOYMENTS = """deployment,model,kind,workload,meter,meter_units,{profile}
small,tiny,replica,chat,gpu,1,{small},500,40
small,tiny,replica,batch,gpu,1,{batch},500,40
large,good,replica,chat,big,1,3.0,700,50
api,best,api,chat,in,0.001,,400,10
api,best,api,chat,out,0.0002,,400,10
"""
QUALITY = """model,quality_task,quality,quality_n
tiny,talk,0.66,400
good,talk,0.75,400
best,talk,0.82,400
"""


def write(
    folder: Path, *, queueing: str, confidence: float, slower: float = 1.0, percentile: float = 0.95
) -> Path:
    """Three hours of chat beside a batch, on small GPUs, large ones and an API."""
    folder.mkdir()
    (folder / "case.toml").write_text(
        'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\nhorizon_hours = 3\n[risk]\n'
        f'queueing = "{queueing}"\nquality_confidence = {confidence}\n'
    )
    (folder / "meters.csv").write_text(
        "meter,provider,product,unit,on_demand\ngpu,aws,gpu,GPU-Hours,4\nbig,aws,gpu,GPU-Hours,30\n"
        "in,openai,tokens,1M Tokens,1.25\nout,openai,tokens,1M Tokens,10\n"
    )
    judged = "quality_task,quality_floor,quality_target"
    timed = "ttft_ms,tpot_ms,percentile,peak_to_mean"
    rows = [f"workload,hour,requests,output_tokens,{judged},{timed}"]
    for hour, (chat, batch) in enumerate(HOURS):
        at = f"2026-11-21T0{hour}:00:00Z"
        rows.append(f"chat,{at},{chat},{chat * 200},talk,0.5,0.7,1500,60,{percentile},1.2")
        if batch:
            rows.append(f"batch,{at},{batch},{batch * 500},,,,,,,")
    (folder / "workloads.csv").write_text("\n".join(rows) + "\n")
    (folder / "deployments.csv").write_text(
        DEPLOYMENTS.format(profile=PROFILE, small=2.0 / slower, batch=1.0 / slower)
    )
    (folder / "quality.csv").write_text(QUALITY)
    return folder


def planned(folder: Path) -> dict[str, Any]:
    return plan_document(make_plan(read_case(folder)), detail=True)


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("a") / "case", queueing="off", confidence=0)


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("b") / "case", queueing="mgc", confidence=0.95)


@pytest.fixture(scope="module")
def plans(naive: Path, careful: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return planned(naive), planned(careful)


def test_what_a_plan_claims_is_what_it_attains(
    careful: Path, plans: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    document = plans[1]
    attainment = document["attainment"]
    assert attainment["kept"]
    assert len(attainment["hours"]) == 3
    (row,) = attainment["latency"]
    assert row["workload"] == "chat"
    assert row["asked"] == 0.95 <= row["attained"]
    assert all(check["ok"] for check in document["checks"])
    played = play_plan(read_case(careful), document)
    assert list(played.latency) == attainment["latency"]  # the document repeats it


def test_the_page_tells_what_was_attained(plans: tuple[dict[str, Any], dict[str, Any]]) -> None:
    careful = render(plan_page(plans[1]), width=120, colour=False)
    (line,) = [
        line for line in careful.splitlines() if line.startswith("chat  ") and "kept" in line
    ]
    share = plans[1]["attainment"]["latency"][0]["attained"]
    assert f"{share:.1%}" in line
    naive = render(plan_page(plans[0]), width=120, colour=False)
    assert "attained" not in naive


def test_without_headroom_the_same_hours_do_not_keep_it(
    naive: Path, plans: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    document = plans[0]
    assert "attainment" not in document  # it claims nothing
    played = play_plan(read_case(naive), document)
    assert not played.kept
    assert played.latency[0]["least"] < 0.95


def test_stress_breaks_the_naive_plan_and_not_the_one_with_bounds(
    tmp_path: Path, naive: Path, plans: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Throughput 1.5 times worse, and scores by 1.5 of their standard errors."""
    worse = Stress(slower=1.5, errors=1.5)
    robust = planned(write(tmp_path / "case", queueing="mgc", confidence=0.95, slower=1.5))
    truth = read_case(naive)  # the profile as it was told
    kept, broken = play_plan(truth, robust, worse), play_plan(truth, plans[0], worse)
    assert kept.kept
    assert not any(row["kept"] for row in broken.latency)
    assert not any(row["kept"] for row in broken.quality)
    price = float(robust["total"]) / float(plans[0]["total"]) - 1
    assert 0 < price < 2


def test_a_promise_that_nobody_waits_is_refused(tmp_path: Path) -> None:
    case = read_case(write(tmp_path / "case", queueing="mgc", confidence=0, percentile=1.0))
    with pytest.raises(DataError) as caught:
        make_plan(case)
    assert caught.value.where == "workloads.csv, row 1, column percentile"


def test_hours_are_needed(careful: Path, plans: tuple[dict[str, Any], dict[str, Any]]) -> None:
    routes = [{k: v for k, v in row.items() if k != "hour"} for row in plans[1]["routes"]]
    with pytest.raises(DataError, match="without its hours"):
        play_plan(read_case(careful), {**plans[1], "routes": routes})


def test_a_real_plan_can_be_exported(plans: tuple[dict[str, Any], dict[str, Any]]) -> None:
    document = plans[1]
    hour = "2026-11-21T01:00:00Z"
    config = litellm(document, hour)
    assert '"hosted_vllm/tiny"' in config
    assert '"openai/best"' in config
    weights = [int(text) for text in re.findall(r"weight: (\d+)", gateway(document, hour))]
    assert sum(weights) == 2000  # two classes
    table = autoscaler(document).splitlines()
    assert len(table) == 1 + 3
    assert table[2].startswith(f"{hour},small,tiny,")


def test_profiles_by_token_buckets_are_mixed_as_the_class_is(naive: Path, tmp_path: Path) -> None:
    """Half at 4 and half at 2 a second: 1/(0.5/4 + 0.5/2) = 2.67, not the first row's 4."""
    folder = shutil.copytree(naive, tmp_path / "case")
    (folder / "deployments.csv").write_text(
        "deployment,model,kind,meter,meter_units,input_upto,output_upto,requests_per_second,"
        "ttft_ms,tpot_ms\nsmall,tiny,replica,gpu,1,1000,100,4,400,40\n"
        "small,tiny,replica,gpu,1,1000,500,2,600,40\n"
    )
    (folder / "lengths.csv").write_text(
        "workload,input_upto,output_upto,share\nchat,900,100,0.5\nchat,900,300,0.5\n"
    )
    hour = "2026-11-21T00:00:00Z"
    row = {"workload": "chat", "deployment": "small", "hour": hour, "requests": 9000.0}
    case = read_case(folder)

    def share(replicas: float) -> float:
        running = {"deployment": "small", "hour": hour, "replicas": replicas}
        played = play_plan(case, {"routes": [row], "replicas": [running]})
        return float(played.latency[0]["attained"])

    assert share(2.0) > 0.95  # 2.5 a second, up to 3 in ten minutes, of 5.3
    assert share(1.0) < 0.5  # of 2.67; the first row's 4 would do
    assert share(0.0) == 0.0
