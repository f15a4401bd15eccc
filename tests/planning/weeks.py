# SPDX-License-Identifier: Apache-2.0
"""A made-up company of a few meters and teams over weeks of hours, as a case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from optimizer.tables import Case, format_hour, parse_hour, read_case

AS_OF = parse_hour("2026-11-21T00:00:00Z")
WEEKS = 9
HOURS = WEEKS * 168
# meter, account, workload, team, level
SERIES = (
    ("p5", "org/train", "pretrain", "foundation", 40.0),
    ("p5", "org/serve", "chat", "serving", 20.0),
    ("g6", "org/serve", "search", "serving", 100.0),
    ("g6", "org/lab", "notebooks", "alignment", 30.0),
    ("tok", "org/serve", "chat", "serving", 500.0),
)
METERS = (
    "meter,provider,product,unit,on_demand\n"
    "p5,aws,instance,Instance-Hours,50\n"
    "g6,aws,instance,Instance-Hours,2\n"
    "tok,openai,tokens,1M Tokens,0.5\n"
)
OFFERS = "offer,law,measure,term_hours,hourly,step\nri,aws.reserved.regional,units,8760,{},1\n"
COVERS = "offer,meter,draw\nri,p5,1\n"


def levels(seed: int = 1) -> np.ndarray:
    """(S, HOURS) usage of the series: a day's shape with a little noise, whole weeks."""
    random = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    shape = 1.0 + 0.3 * np.sin(2 * np.pi * hour / 24)
    base = np.array([row[4] for row in SERIES])[:, None]
    return np.round(base * shape * random.normal(1.0, 0.02, (len(SERIES), HOURS)), 3)


def company(
    folder: Path,
    quantity: np.ndarray,
    *,
    missing: Mapping[str, range] | None = None,
    held: int = 0,
    rate: int = 30,
    held_until: str = "2027-06-01T00:00:00Z",
    more: Mapping[str, str] | None = None,
) -> Case:
    """Write and read the case; ``missing`` are hours, by provider, without rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["hour,meter,account,workload,tag_team,quantity"]
    provider = {"p5": "aws", "g6": "aws", "tok": "openai"}
    for (meter, account, workload, team, _), line in zip(SERIES, quantity, strict=True):
        none = (missing or {}).get(provider[meter], range(0))
        rows += [
            f"{format_hour(AS_OF - HOURS + t)},{meter},{account},{workload},{team},{line[t]:.3f}"
            for t in range(HOURS)
            if t not in none and line[t] > 0
        ]
    files = {
        "case.toml": 'currency = "USD"\nas_of = "2026-11-21T00:00:00Z"\n',
        "meters.csv": METERS,
        "offers.csv": OFFERS.format(rate),
        "covers.csv": COVERS,
        "commitments.csv": "commitment,offer,quantity,start,end\n"
        + (f"c1,ri,{held},2026-06-01T00:00:00Z,{held_until}\n" if held else ""),
        "usage.csv": "\n".join(rows) + "\n",
    }
    for name, text in {**files, **(more or {})}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_case(folder)
