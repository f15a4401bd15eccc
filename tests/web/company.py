# SPDX-License-Identifier: Apache-2.0
"""A small company that plans in a second, with names that a page must not trip over."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

HOSTILE = '<script>alert("team")</script>'
EMOJI = "Über 🚀 research"
FORMULA = "=HYPERLINK(1)"
TEAMS = ("training", "chat & search", HOSTILE, EMOJI, FORMULA)
AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
HISTORY_HOURS, HORIZON_HOURS = 14 * 24, 24

_CASE = f"""currency = "USD"
as_of = "{AS_OF:%Y-%m-%dT%H:%M:%SZ}"
horizon_hours = {HORIZON_HOURS}
[risk]
quality_confidence = 0
"""
_METERS = """meter,provider,region,product,unit,on_demand,list_price,gpu,gpus
aws/us-east-1/p5.48xlarge,aws,us-east-1,instance,Instance-Hours,55,60,H100,8
aws/us-east-1/m7i.large,aws,us-east-1,instance,Instance-Hours,0.1,0.1,,
aws/us-east-1/h100,aws,us-east-1,gpu,GPU-Hours,4,4,H100,1
openai/tokens,openai,,tokens,1M Tokens,2,2,,
"""
_OFFERS = """offer,law,measure,term_hours,payment,upfront,hourly
aws/ri/p5.48xlarge/1y-none,aws.reserved.regional,units,8760,none,0,33
aws/ri/p5.48xlarge/3y-all,aws.reserved.regional,units,26280,all,630000,0
aws/compute-sp/1y-none,aws.savings.compute,money,8760,none,0,1
"""
_COVERS = """offer,meter,draw
aws/ri/p5.48xlarge/1y-none,aws/us-east-1/p5.48xlarge,1
aws/ri/p5.48xlarge/3y-all,aws/us-east-1/p5.48xlarge,1
aws/compute-sp/1y-none,aws/us-east-1/p5.48xlarge,38
aws/compute-sp/1y-none,aws/us-east-1/m7i.large,0.07
"""
_COMMITMENTS = """commitment,offer,quantity,start,end
held-p5-2026,aws/ri/p5.48xlarge/1y-none,1,2026-01-10T00:00:00Z,2027-01-10T00:00:00Z
"""
_QUALITY = "model,quality_task,quality\nsmall,answers,0.8\nlarge,answers,0.95\n"
_DEPLOYMENTS = """deployment,model,kind,meter,meter_units,requests_per_second,ttft_ms
own-h100,small,replica,aws/us-east-1/h100,1,1,100
api-large,large,api,openai/tokens,0.001,,300
"""
_TODAY = "workload,deployment,share\nchat,api-large,1\n"


def files() -> dict[str, bytes]:
    """The files of the case."""
    tables = {
        "meters": _METERS, "offers": _OFFERS, "covers": _COVERS, "commitments": _COMMITMENTS,
        "quality": _QUALITY, "deployments": _DEPLOYMENTS, "routes_today": _TODAY,
        "usage": _usage(), "workloads": _workloads(),
    }  # fmt: skip
    return {"case.toml": _CASE.encode()} | {
        f"{name}.csv": text.encode() for name, text in tables.items()
    }


def _hours() -> list[datetime]:
    return [AS_OF + timedelta(hours=h) for h in range(-HISTORY_HOURS, HORIZON_HOURS)]


def _usage() -> str:
    rows = ["hour,meter,quantity,tag_team"]
    for when in _hours():
        day = 1 + 0.3 * math.sin(math.tau * when.hour / 24)
        rows.append(f"{when:%Y-%m-%dT%H:%M:%SZ},aws/us-east-1/p5.48xlarge,2,training")
        for number, team in enumerate(TEAMS):
            quoted = '"' + team.replace('"', '""') + '"'
            quantity = round(10 * (number + 1) * day, 3)
            rows.append(f"{when:%Y-%m-%dT%H:%M:%SZ},aws/us-east-1/m7i.large,{quantity},{quoted}")
    return "\n".join(rows) + "\n"


def _workloads() -> str:
    rows = ["workload,hour,requests,quality_task,ttft_ms"]
    for when in _hours():
        requests = round(3000 + 2000 * math.sin(math.tau * when.hour / 24))
        rows.append(f"chat,{when:%Y-%m-%dT%H:%M:%SZ},{requests},answers,500")
    return "\n".join(rows) + "\n"
