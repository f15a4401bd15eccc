# SPDX-License-Identifier: Apache-2.0
"""What this version plans: a case that asks for more is refused, never half answered."""

from __future__ import annotations

from optimizer.demand import MovableDemand, Scenarios
from optimizer.demand.horizon import has_routing
from optimizer.errors import DataError
from optimizer.tables import Case, format_hour

_ROUTING_LIMITS = ("quality_average", "survive_zone_loss")  # nothing without requests


def refuse_unplanned(case: Case) -> None:
    """Raise a :class:`DataError` for anything in the case that a plan would have to ignore."""
    _refuse_renewing(case)
    settings = case.settings
    if settings.risk.queueing != "off" and not has_routing(case):
        raise DataError(
            f"risk.queueing = {settings.risk.queueing!r} is for requests, and the case has none",
            mend='use queueing = "off", or add workloads and deployments',
            file="case.toml",
            column="risk.queueing",
        )
    for limit in () if has_routing(case) else _ROUTING_LIMITS:
        value = getattr(settings.limits, limit)
        if value is not None and value is not False:
            raise DataError(
                f"limits.{limit} is for requests, and the case has none",
                mend="take the key out of [limits], or add workloads and deployments",
                file="case.toml",
                column=f"limits.{limit}",
            )


def refuse_routed(case: Case, scenarios: Scenarios) -> None:
    """Refuse several futures of requests that are routed: they are planned for one."""
    if scenarios.requests_added:
        raise DataError(
            "this version does not plan initiatives of workloads, which are routed, yet",
            mend="state the initiative by its meters, or take it out of the case",
            file=case.file("initiatives"),
            column="workload",
        )
    if has_routing(case) and (len(scenarios) > 1 or scenarios.price_factor):
        raise DataError(
            "this version does not plan several futures beside routing yet",
            mend="take initiatives, price_scenarios and [demand] out of the case, or its workloads",
            file=case.file("workloads"),
        )


def refuse_moving(case: Case, moving: MovableDemand) -> None:
    """Refuse work that may move beside requests that are routed on the same commitments."""
    if moving.works or moving.jobs:
        table = "substitutes" if moving.works else "jobs"
        raise DataError(
            f"this version does not plan {table} beside routing yet, where they share meters or "
            "commitments",
            mend=f"take {case.file(table)}, or workloads and deployments, out of the case",
            file=case.file(table),
        )


def _refuse_renewing(case: Case) -> None:
    """Refuse what renews itself within the horizon: whether it runs on is not ours to guess."""
    if not case.has("commitments"):
        return
    held = case.table("commitments")
    until = case.settings.as_of + case.settings.horizon_hours
    for row, name, end, renews in zip(
        held.index, held["commitment"], held["end"], held["auto_renew"], strict=True
    ):
        if renews is True and end < until:
            raise DataError(
                f"{name} renews itself at {format_hour(int(end))}, before the horizon ends, and "
                "auto_renew is not planned yet",
                mend="set auto_renew to false if it will be cancelled in time; else set end to "
                "the end of the term it renews for",
                file=case.file("commitments"),
                row=int(row),
                column="auto_renew",
            )
