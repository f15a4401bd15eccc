# SPDX-License-Identifier: Apache-2.0
"""Numbers for charts: usual ones, and those that break charts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.planning.hourly import Capacity, Hourly
from optimizer.reporting import charts
from optimizer.reporting.document import Chart

AS_OF = 498_672  # 2026-11-21T00:00Z
HOSTILE = (
    '<script>alert("1")</script>',
    "🚀 team\nof two",
    "=cmd|' /C calc'!A0",
    'a"b\\c',
    "",
    "a.b[0]",
    'x role="img" 1.23456',
)


def hourly(groups: int = 3, hours: int = 24 * 30, first: int = AS_OF, names: Any = None) -> Hourly:
    """Made-up usage: each group a daily wave, half of the even ones covered."""
    known = tuple(names or (f"aws group {number}" for number in range(groups)))
    at = np.arange(hours)
    demand = np.array([
        (index + 1) * (10 + 5 * np.sin(at / 24 * 2 * np.pi)) for index in range(len(known))
    ]).reshape(len(known), hours)  # fmt: skip
    covered = demand * np.array([0.5 if n % 2 == 0 else 0.0 for n in range(len(known))])[:, None]
    return Hourly(
        first_hour=first,
        groups=known,
        provider=tuple("aws" for _ in known),
        demand=demand,
        eligible=demand,
        covered=covered,
        capacities=(
            Capacity("held one", first - 100, first + hours // 2, 12.0, False),
            Capacity("offer", AS_OF, AS_OF + 26_280, 20.0, True),
        ),
        unpriced=(),
    )


def plan() -> dict[str, Any]:
    """The keys of a plan document that charts read."""
    levels = [
        {"level": step / 10, "commitment": f"{step * 10}.0",
         "savings": [str(step * 100 - step * step * 8), str(step * 120 - step * step * 6),
                     str(step * 140 - step * step * 4)]}
        for step in range(16)
    ]  # fmt: skip
    bills = [{"total": str(900 + n * 10), "baseline": str(1200 + n * 12)} for n in range(20)]
    return {
        "currency": "USD",
        "as_of": "2026-11-21T00:00:00Z",
        "p10": "920", "p50": "1000", "p90": "1080", "expected": "995", "cvar": "1090",
        "ranges": {
            "futures": 20, "bills": bills,
            "baseline": {"p10": "1220", "p50": "1320", "p90": "1400", "expected": "1310",
                         "cvar": "1420"},
        },
        "commitment_curve": {
            "demand": [0.8, 1.0, 1.2], "levels": levels,
            "advice": {"commitment": "130.0", "savings": ["-50", "300", "420"]},
        },
        "lock_in": [
            {"month": f"2027-{month:02d}-01T00:00:00Z", "held": str(max(0, 500 - 90 * month)),
             "bought": str(1200 - 100 * month)}
            for month in range(1, 13)
        ],
        "purchases": [
            {"offer": "three years", "start": "2026-11-21T00:00:00Z",
             "end": "2029-11-20T00:00:00Z", "cost": "10"},
        ],
        "commitments": [
            {"commitment": "old", "end": "2027-03-01T00:00:00Z"},
            {"commitment": "long", "end": "2028-03-01T00:00:00Z"},
        ],
        "ladder": [
            {"date": "2026-11-21T00:00:00Z", "action": "buy", "name": "three years", "low": 2.0,
             "high": 2.0, "term_hours": 26_280},
            {"date": "2027-01-15T00:00:00Z", "action": "cancel", "name": "old", "quantity": 3.0},
            {"date": "2027-03-01T00:00:00Z", "action": "end", "name": "old", "quantity": 3.0},
            {"date": "2027-05-01T00:00:00Z", "action": "buy_later", "name": "one year", "low": 0.0,
             "high": 4.0, "term_hours": 8760},
        ],
        "routes": [
            {"workload": "chat", "deployment": "big/h100", "model": "big", "kind": "replica",
             "provider": "aws", "share": 0.75, "requests": 750.0},
            {"workload": "chat", "deployment": "small/l4", "model": "small", "kind": "replica",
             "provider": "gcp", "share": 0.25, "requests": 250.0},
            {"workload": "code", "deployment": "api", "model": "other", "kind": "api",
             "provider": "openai", "share": 1.0, "requests": 500.0},
        ],
    }  # fmt: skip


def waterfall() -> list[dict[str, Any]]:
    """Two providers, as ``gpuopt bill --json`` writes them."""
    return [
        {"provider": "aws", "list_price": "1000", "contract": "70", "spot": "30",
         "sustained_use": "0", "unused": "20", "total": "770",
         "saved": [{"law": "aws.savings.compute", "amount": "150"}]},
        {"provider": "gcp", "list_price": "500", "contract": "0", "spot": "0",
         "sustained_use": "60", "unused": "5", "total": "345",
         "saved": [{"law": "gcp.resource", "amount": "100"}]},
    ]  # fmt: skip


def frontier() -> dict[str, Any]:
    """Four plans, one of them beaten and one infeasible."""
    rows = [
        {"latency": 1.0, "quality": 0.7, "objective": "100", "efficient": True},
        {"latency": 1.0, "quality": 0.8, "objective": "130", "efficient": True},
        {"latency": 0.5, "quality": 0.7, "objective": "150", "efficient": False},
    ]
    done = [row | {"status": "within_gap"} for row in rows]
    bad = {"latency": 0.5, "quality_asked": 0.9, "efficient": False, "status": "infeasible"}
    return {"currency": "USD", "frontier": [*done, bad]}


def backtest() -> dict[str, Any]:
    """Two walks of three rules and the optimum."""
    return {
        "currency": "USD",
        "rules": [
            {"scenario": "history", "start": start, "rule": rule, "cost": str(100 * ratio),
             "cost_over_optimum": ratio, "effective_savings_rate": 0.2}
            for start, more in (("2026-01-01T00:00:00Z", 0.0), ("2026-04-01T00:00:00Z", 0.02))
            for rule, ratio in (("gpuopt", 1.02 + more), ("provider 30 d", 1.08 + more),
                                ("on demand", 1.3 + more), ("optimum", 1.0))
        ],
    }  # fmt: skip


def weeks(count: int = 6) -> list[dict[str, Any]]:
    """Weeks of a bill."""
    first = date(2026, 10, 5)
    return [
        {"week": (first + timedelta(days=7 * n)).isoformat(), "on_demand": str(100 + n),
         "spot": "20", "commitment_cost": "50"}
        for n in range(count)
    ]  # fmt: skip


def spend(names: Any = ("research", "inference", "platform"), count: int = 6) -> list[Any]:
    """Spend by week and team."""
    first = date(2026, 10, 5)
    return [
        (first + timedelta(days=7 * n), name, Decimal(10 + 3 * index + n))
        for n in range(count)
        for index, name in enumerate(names)
    ]


def usual() -> dict[str, Chart]:
    """Every chart of usual numbers."""
    document = plan()
    return {
        "demand": charts.demand_chart(
            hourly(hours=24 * 14, first=AS_OF - 24 * 14), hourly(hours=24 * 60)
        ),
        "commitment": charts.commitment_chart(document),
        "waterfall": charts.waterfall_chart(waterfall()),
        "routes": charts.routes_chart(document),
        "frontier": charts.frontier_chart(frontier()),
        "ladder": charts.ladder_chart(document),
        "backtest": charts.backtest_chart(backtest()),
        "coverage": charts.coverage_chart(hourly()),
        "weekly_bill": charts.weekly_bill_chart(weeks()),
        "ranges": charts.ranges_chart(document),
        "spend": charts.spend_chart(spend()),
        "lock_in": charts.lock_in_chart(document),
    }
