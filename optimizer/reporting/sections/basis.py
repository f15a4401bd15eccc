# SPDX-License-Identifier: Apache-2.0
"""What the report rests on: data, forecast, assumptions, proof of optimality, gate."""

from __future__ import annotations

from decimal import Decimal

from optimizer.planning.weekly import Weekly
from optimizer.reporting.document import Block, Column, Prose, Row, Section, Table
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.words import Document, count_of, day_of, percent

_PROVEN = 5e-5  # a gap that two decimals of a percentage do not show
_GATE = {"passed": ("Gate passed", "good"), "failed": ("Gate failed", "bad")}


def basis_section(plan: Document, week: Weekly) -> Section:
    """What a number of the report must not be read without."""
    blocks: list[Block] = []
    gate = plan.get("gate")
    if gate is not None:
        word, tone = _GATE.get(gate["verdict"], ("Gate open", "warning"))
        blocks.append(Prose(f"{word}: {gate['reason']}.", tone))
    if plan["status"] != "infeasible":
        blocks.append(Prose(_proof(plan)))
    columns = (Column("what", "What"), Column("value", "Value"), Column("meaning", "What it means"))
    rows = tuple(Row(row, key=row[0], source="plan: settings") for row in _rows(plan, week))
    blocks.append(Table("assumptions", "Assumptions and data", columns, rows, stack=True))
    return Section("basis", "What this rests on", tuple(blocks))


def _proof(plan: Document) -> str:
    """How far from perfect the plan can be."""
    currency = plan["currency"]
    bound, objective = (Decimal(str(plan[key])) for key in ("lower_bound", "objective"))
    if plan["gap"] < _PROVEN:
        return (
            f"The plan is optimal: no plan costs less than its {money(objective, currency)} (whole "
            "terms), and that is proven."
        )
    text = (
        f"No plan can cost less than {money(bound, currency)} against this one's "
        f"{money(objective, currency)} (whole terms): it is at most {_fine(plan['gap'])} from "
        f"perfect, of which {_fine(plan['gap_solver'])} is what the solver left and "
        f"{_fine(plan['gap_law'])} what the providers' order of applying discounts costs."
    )
    if plan["status"] == "stopped":
        text += " The search ended at its time limit; the best plan until then is shown."
    return text


def _fine(share: float) -> str:
    return f"{share:.2%}"


def _rows(plan: Document, week: Weekly) -> list[tuple[str, str, str]]:
    settings = plan["settings"]
    fresh = week.freshness
    horizon = int(settings["horizon_hours"])
    last = "no usage yet" if fresh.last is None else f"{day_of(fresh.last)}"
    age = "" if fresh.age is None else f"{count_of(fresh.age, 'hour')} before the as-of date"
    missing = f"{week.week.missing:,} of {week.week.hours} in the week, "
    missing += f"{week.before.missing:,} of {week.before.hours} in the week before"
    finance = settings.get("finance", {})
    rows = [
        ("Last usage", last, age),
        ("Hours without any usage row", missing, "they count as no usage"),
        ("Horizon", count_of(horizon // 24, "day"), "what the plan's bill and savings are of"),
        ("Forecast", *_forecast(plan)),
        (
            "Discount rate",
            percent(Decimal(str(finance.get("discount_rate", 0)))),
            "per year, upfront payments against later ones",
        ),
        (
            "After the horizon",
            str(finance.get("after_horizon", "tail")),
            "tail: whole terms count; prorata: their part within the horizon",
        ),
        (
            "Risk",
            str(settings.get("risk", {}).get("measure", "expected")),
            "expected: the mean; cvar: the dearest futures weigh more",
        ),
        ("Amortised cost", "all money above", "upfront payments are spread over their term"),
    ]
    limits = {k: v for k, v in settings.get("limits", {}).items() if v not in (None, False)}
    if limits:
        told = ", ".join(f"{name} {value}" for name, value in sorted(limits.items()))
        rows.append(("Limits", told, "what a plan must keep to"))
    rows += [("Edited", str(edit), "the plan is a what-if") for edit in plan.get("edits", [])]
    return rows


def _forecast(plan: Document) -> tuple[str, str]:
    """What the demand of the horizon was made from."""
    demand = plan["settings"].get("demand", {})
    if "scenarios" in plan:
        name = demand.get("forecaster", "seasonal")
        return f"{len(plan['scenarios'])} futures", f"made by the {name} forecaster"
    ranges = plan.get("ranges", {})
    if "futures" in ranges:
        return (
            "given hours, then the last weeks again",
            f"ranges: the same purchases in {ranges['futures']} forecast futures",
        )
    why = f"no ranges: {ranges['absent']}" if "absent" in ranges else ""
    return "given hours, then the last weeks again", why
