# SPDX-License-Identifier: Apache-2.0
"""A what-if answered: the edited case planned from a solved plan, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.planning.document import head, plan_document, plan_id
from optimizer.planning.make import make_plan
from optimizer.planning.plan import Plan
from optimizer.planning.replayed import replay_plan
from optimizer.planning.shortfall import shortfalls
from optimizer.planning.whatif.apply import Applied, apply_edits
from optimizer.planning.whatif.difference import difference
from optimizer.planning.whatif.edits import Edit
from optimizer.planning.whatif.grammar import parse_edits
from optimizer.program.purchases import advised_amounts, planned
from optimizer.program.search import on_step
from optimizer.program.solve import QUICK, Effort, Progress
from optimizer.program.watch import Watch
from optimizer.tables import Case

FORBIDDEN = "the what-if does not allow it"


@dataclass(frozen=True)
class WhatIf:
    """The answer of a what-if.

    Attributes
    ----------
    edits, applied
        What was asked, and the case that makes.
    base, plan
        The plan before and the plan of the edited case.
    kept
        What the edited case costs with the purchases of before, as far as they are allowed;
        ``None`` where they do not serve it.
    """

    edits: tuple[Edit, ...]
    applied: Applied
    base: Plan
    plan: Plan
    kept: Decimal | None


def what_if(
    base: Plan,
    edits: Sequence[str | Mapping[str, Any]],
    progress: Progress = lambda _: None,
    *,
    watch: Watch | None = None,
    effort: Effort = QUICK,
) -> WhatIf:
    """Plan the case of a plan with edits, from where that plan's solve ended.

    ``effort`` is that of the parts that the edits change: a quick answer is checked, proven and
    states its gap as any plan does, and that gap may be wider than what the case asks for.

    Raises
    ------
    EditError, DataError
        If an edit, or the edited case, is refused.
    InfeasibleCase
        If the edited case has no plan; it names what to relax.
    """
    parsed = parse_edits(edits)
    progress("applying the edits")
    applied = apply_edits(base.case, parsed)
    plan = make_plan(applied.case, progress, watch=watch, base=base, effort=effort)
    if applied.forbidden:
        closed = {n: FORBIDDEN if n in applied.forbidden else r for n, r in plan.closed.items()}
        plan = replace(plan, closed=closed)
    progress("comparing")
    return WhatIf(parsed, applied, base, plan, _kept(base, plan))


def what_if_document(answer: WhatIf, *, detail: bool = False) -> dict[str, Any]:
    """The document of ``gpuopt what-if``: edits, difference and the plan that it leads to."""
    before = plan_summary(answer.base)
    after = plan_summary(answer.plan)
    found = difference(before, after)
    document: dict[str, Any] = {
        **head(answer.plan.case),
        "base": _of_base(answer.base.case),
        "edits": [edit.written for edit in answer.edits],
        "plan": after["plan"],
        "status": after["status"],
        "total": {"before": before["total"], "after": after["total"]},
        "change": answer.plan.total - answer.base.total,
        **found,
        "effects": effects(answer),
        "notes": list(answer.applied.notes),
        "explanation": explain_change(answer),
    }
    if answer.applied.forbidden:
        document["not_allowed"] = sorted(answer.applied.forbidden)
    if detail:
        document["plan_document"] = plan_document(answer.plan, weighed=False)
    return document


def plan_summary(plan: Plan) -> dict[str, Any]:
    """A plan document without what takes long, with the lines of its bill."""
    document = plan_document(plan, weighed=False)
    document["bill"]["lines"] = [
        {"meter": line.meter, "on_demand": line.on_demand, "spot": line.spot}
        for line in plan.bill.lines
    ]
    return document


def effects(answer: WhatIf) -> list[dict[str, Any]]:
    """The change of the total, in two steps: what the edits do, and what planning anew saves."""
    before, after = answer.base.total, answer.plan.total
    if answer.kept is None:
        return [
            {"effect": "edits and planning anew", "change": after - before},
        ]
    return [
        {"effect": "the edits, with the purchases of before", "change": answer.kept - before},
        {"effect": "planning anew", "change": after - answer.kept},
    ]


def explain_change(answer: WhatIf) -> list[str]:
    """The answer in sentences."""
    change = answer.plan.total - answer.base.total
    words = ", ".join(edit.written for edit in answer.edits)
    verb = "more" if change > 0 else "less"
    first = (
        f"With {words} the plan's horizon costs {_money(abs(change))} {verb}: "
        f"{_money(answer.plan.total)} instead of {_money(answer.base.total)}."
    )
    lines = [first]
    if answer.kept is not None:
        own = answer.kept - answer.base.total
        lines.append(
            f"With the purchases of before it would cost {_money(abs(own))} "
            f"{'more' if own > 0 else 'less'}; planning anew changes that by "
            f"{_money(answer.plan.total - answer.kept, sign=True)} within the horizon (the whole "
            "terms are what is minimised)."
        )
    else:
        lines.append("The purchases of before would not serve the usage, or are not allowed.")
    lines.append(
        f"The plan is at most {answer.plan.gap:.2%} from perfect "
        f"({answer.plan.gap_solver:.2%} left by the solver)."
    )
    return lines


def _money(amount: Decimal, *, sign: bool = False) -> str:
    mark = "-" if amount < 0 else "+" if sign else ""
    return f"{mark}${abs(amount):,.0f}"


def _of_base(case: Case) -> dict[str, Any]:
    return {"plan": plan_id(case), "snapshot": case.snapshot}


def _kept(base: Plan, plan: Plan) -> Decimal | None:
    """The edited case's horizon with the purchases of before, in exact decimals."""
    open_names = {o.name for part in plan.parts for c in part.columns for o, _ in c.members}
    wanted = {name: amount for name, amount in base.bought.items() if name in open_names}
    if any(part.moved is not None for part in plan.parts):
        return None  # where work would be placed is a plan of its own
    spot, unserved = (np.zeros_like(plan.demand.usage.quantity) for _ in range(2))
    bought: dict[str, Decimal] = {}
    for part in plan.parts:
        amounts = on_step(part.problem, advised_amounts(part.every_column, wanted))
        for index, column in enumerate(part.columns):
            if len(column.members) > 1:
                offer, ratio = column.members[0]
                amounts[index] = float(wanted.get(offer.name, Decimal(0)) / ratio)
            for offer, ratio in column.members:
                amount = Decimal(repr(float(amounts[index]))) * ratio
                if amount:
                    bought[offer.name] = amount
        same = np.array_equal(amounts[: len(part.columns)], part.bought)
        outcome = part.answer.outcome if same else part.law.outcome(amounts, quick=True)
        # What is renewed behind the horizon does not matter within it.
        if not np.isfinite(outcome.hourly[part.window.horizon]).all():
            return None
        lines = part.component.lines
        spot[lines] = outcome.spot[:, part.window.position]
        unserved[lines] = outcome.unmet[:, part.window.position]
    case = plan.case
    bill, _, unmet, on_demand = replay_plan(
        case,
        plan.catalogue,
        plan.demand.usage,
        plan.holdings,
        bought,
        spot,
        unserved,
        plan.segments,
    )
    as_of = case.settings.as_of
    whole = [
        *plan.holdings,
        *(planned(plan.catalogue.offers[n], q, as_of) for n, q in bought.items()),
    ]
    missing = shortfalls(plan.limits.agreements, plan.catalogue, bill, whole, on_demand, spot)
    return bill.total + unmet + sum((row.cost for row in missing), Decimal(0))
