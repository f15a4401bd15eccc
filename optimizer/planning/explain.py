# SPDX-License-Identifier: Apache-2.0
"""``explain``: why each purchase is made, and why the others lost, in dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from optimizer.billing import Offer
from optimizer.billing.bill import exact
from optimizer.billing.cost import amortised_cost, fixed_rate
from optimizer.planning.moves_document import move_lines
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.planning.released import release_lines
from optimizer.planning.renewed import fewer_renewed, tail_lines
from optimizer.planning.routes_document import routing_lines
from optimizer.program.purchases import planned
from optimizer.program.search import on_step
from optimizer.tables import format_hour

_MONTH = Decimal(730)
_HOURS_PER_MONTH = 730  # for display only


def offer_rate(offer: Offer) -> Decimal:
    """Dollars per unit and hour, all payments together; a month counts 730 hours."""
    return fixed_rate(offer) + offer.monthly / _MONTH


def break_even_hours(plan: Plan, name: str) -> float | None:
    """Hours of full use after which a purchase has paid for its whole term.

    Whole-term cost ÷ what an hour of full use avoids at the on-demand prices of the usage
    that the plan covers with it: term × (1 − saving) (``facts``: break-even utilization =
    1 − discount).  ``None`` if it covers nothing.
    """
    offer = plan.catalogue.offers[name]
    avoided = drawn = Decimal(0)
    for meter, units in plan.covers[name].items():
        price = plan.catalogue.meters[meter].on_demand
        if price is None:
            return None
        avoided += units * price
        drawn += units * plan.catalogue.draws[name][meter]
    if not avoided:
        return None
    whole = offer.term_hours * offer_rate(offer)
    if offer.released is not None:
        one = planned(offer, Decimal(1), plan.case.settings.as_of)
        whole = amortised_cost(one, one.start, one.end)
    return float(whole * drawn / avoided)


def marginal_values(plan: Plan) -> dict[str, Decimal]:
    """What one more unit of each purchase would avoid over its term, in dollars.

    Measured on the replayed objective, by adding the smallest sensible amount; buying more
    pays where this exceeds the unit's own cost.  Members of a bundle share its value.
    """
    values = {}
    for part in plan.parts:
        for index, column in enumerate(part.columns):
            if not part.answer.quantity[index]:
                continue
            added, amount = _add(part, index)
            # More than a limit allows has no value at all.
            known = np.isfinite(added)
            value = exact(part.problem.cost[index] - added / amount) if known else Decimal(0)
            for offer, _ in column.members:
                values[offer.name] = value
    return values


def weigh(plan: Plan) -> list[dict[str, Any]]:
    """Every offer that is not bought, what buying some would add, and why it lost."""
    rows = []
    for part in plan.parts:
        for index, column in enumerate(part.columns):
            if part.answer.quantity[index]:
                continue
            added, amount = _add(part, index)
            allowed = bool(np.isfinite(added))
            reason = (
                _reason(plan, part, index, added, amount)
                if allowed
                else "a limit of the case does not allow it beside this plan"
            )
            cost = exact(added) if allowed else None
            rows += [
                {"offer": offer.name, "reason": reason, "cost": cost} for offer, _ in column.members
            ]
    rows += [
        {"offer": name, "reason": reason, "cost": None}
        for name, reason in sorted(plan.closed.items())
    ]
    return sorted(rows, key=lambda row: (row["cost"] is None, row["cost"] or 0, row["offer"]))


def _add(part: Part, index: int) -> tuple[float, float]:
    """What a little more of a column adds to the objective, and how much that is.

    A step of units, or 1 % of the most that could be needed of money.  Behind the horizon
    it may take the place of what would be renewed there.
    """
    problem = part.problem
    step = float(problem.step[index])
    if not problem.integer[index]:
        need = float(problem.needed()[index])
        step = max(step, round(0.01 * need / step) * step)
    more = part.answer.quantity.copy()
    more[index] += step
    more[index] = max(more[index], problem.minimum[index])
    more = on_step(problem, more)
    amount = float(more[index] - part.answer.quantity[index])
    if amount <= 0:  # at its maximum: look at the last step instead
        more[index] = part.answer.quantity[index] + step
        amount = step
    added = part.law.objective(more)
    instead = fewer_renewed(part, index, more, amount)
    if instead is not None:
        added = min(added, part.law.objective(instead))
    return added - part.compared, amount


def _reason(plan: Plan, part: Part, index: int, added: float, amount: float) -> str:
    column, problem = part.columns[index], part.problem
    offer = column.members[0][0]
    rival = _dominating(plan, offer) if len(column.members) == 1 else None
    if rival is not None:
        return f"dominated by {rival}: the same coverage for less"
    spent = float(problem.cost[index]) * amount
    used = max(0.0, spent - added)
    full = _full_use(part, index) * amount
    if full <= 0:
        return "its price is not below the on-demand price"
    need, there = spent / full, used / full
    if need >= 1:
        return "its price is not below the on-demand price"
    return f"pays if used {need:.0%} of its term; beside this plan it would be used {there:.0%}"


def _full_use(part: Part, index: int) -> float:
    """Dollars that one unit of a column avoids over its term when it is always used."""
    problem, total = part.problem, 0.0
    for member in np.flatnonzero(problem.member_column == index):
        source, ratio = problem.member_source[member], problem.member_ratio[member]
        worth = np.zeros(problem.hours)
        for pair in np.flatnonzero(problem.pair_source == source):
            pool = problem.pair_pool[pair]
            price = np.minimum(problem.price[pool], problem.penalty[pool])
            price = np.where(np.isfinite(price), price, 0.0)[problem.period]
            np.maximum(worth, price / problem.pair_draw[pair], out=worth)
        inside = problem.in_force[member][problem.period]
        total += float(ratio) * float((worth * inside) @ problem.weight)
    return total


def _dominating(plan: Plan, offer: Offer) -> str | None:
    """A bought offer that covers all this one covers, as long or shorter, for less."""
    draws = plan.catalogue.draws[offer.name]
    for name in sorted(plan.bought):
        rival = plan.catalogue.offers[name]
        if rival.term_hours > offer.term_hours or rival.starts != offer.starts:
            continue
        if rival.released is not None or offer.released is not None:
            continue  # what an hour of it costs depends on the date
        if rival.scope != offer.scope or rival.account != offer.account:
            continue
        theirs = plan.catalogue.draws[name]
        if all(
            meter in theirs and offer_rate(rival) * theirs[meter] < offer_rate(offer) * draw
            for meter, draw in draws.items()
        ):
            return name
    return None


def explain(plan: Plan, document: dict[str, Any]) -> list[str]:
    """The plan in sentences: the result, its certainty, each purchase, what to watch."""
    lines = [*_headline(plan), _certainty(plan)]
    lines += [_purchase_line(row) for row in document["purchases"]]
    lines += release_lines(document)
    lines += move_lines(document)
    lines += routing_lines(document)
    lines += _expiries(plan)
    lines += _idle(plan)
    lines += _spot_line(plan)
    lines += _sustained_line(plan)
    lines += tail_lines(plan, document)
    lines += [f"Demand: {note}." for note in plan.demand.notes]
    return lines


def money(amount: Decimal | float) -> str:
    """An amount as people read it."""
    return f"${Decimal(amount):,.0f}"


def _headline(plan: Plan) -> list[str]:
    hours = plan.case.settings.horizon_hours
    if plan.baseline is None:
        return [f"Over {_span(hours)} the plan costs {money(plan.total)}."]
    saved = plan.baseline_total - plan.total
    share = float(saved / plan.baseline_total) if plan.baseline_total else 0.0
    text = (
        f"Over the next {_span(hours)} the bill is {money(plan.baseline_total)} with what is "
        f"held, and {money(plan.total)} with this plan: {money(saved)} less ({share:.1%})."
    )
    return [text]


def _span(hours: int) -> str:
    """A number of hours in words: in days where they are whole."""
    days, rest = divmod(hours, 24)
    return f"{hours} hours" if rest or days < 2 else f"{days} days"


def _certainty(plan: Plan) -> str:
    return (
        f"No plan can cost less than {money(plan.lower_bound)} against this one's "
        f"{money(plan.objective)} (whole terms): at most {plan.gap:.2%} from perfect, of which "
        f"{plan.gap_solver:.2%} is what the solver left and {plan.gap_law:.2%} what the "
        "providers' order of applying discounts costs over free choice." + _stopped(plan)
    )


def _stopped(plan: Plan) -> str:
    """What ended the search early, if anything did."""
    reasons = sorted({part.answer.stopped for part in plan.parts} - {""})
    if not reasons:
        return ""
    return f" The search was ended by {' and '.join(reasons)}; the best plan until then is kept."


def _purchase_line(row: dict[str, Any]) -> str:
    amount = (
        f"{row['quantity']:g} x" if row["measure"] == "units" else f"${row['quantity']:,.3f}/h of"
    )
    covers = ", ".join(cover["meter"] for cover in row["covers"][:3]) or "nothing in the horizon"
    if len(row["covers"]) > 3:
        covers += f" and {len(row['covers']) - 3} more"
    text = f"Buy {amount} {row['offer']}: covers {covers}"
    if row["break_even_hours"] is not None:
        share = row["break_even_hours"] / row["term_hours"]
        text += (
            f"; pays for itself after {row['break_even_hours']:,.0f} hours of full use "
            f"({share:.0%} of its term)"
        )
    return text + "."


def _expiries(plan: Plan) -> list[str]:
    start = plan.case.settings.as_of
    end = start + plan.case.settings.horizon_hours
    return [
        f"{holding.name} ends {format_hour(holding.end)[:10]}; plan again before that day."
        for holding in plan.holdings
        if start < holding.end < end
    ]


def _idle(plan: Plan) -> list[str]:
    lines = []
    for row in plan.bill.holdings:
        held = row.used + row.unused
        if held and not row.commitment.startswith("plan ") and row.unused / held > Decimal("0.2"):
            lines.append(
                f"{row.commitment} is paid for and only {float(row.used / held):.0%} used."
            )
    return lines


def _spot_line(plan: Plan) -> list[str]:
    if not plan.bill.spot:
        return []
    text = (
        f"Spot runs {money(plan.bill.spot)} of tolerant usage; interruptions are in the "
        "objective (work lost and restarts), not in the bill."
    )
    return [text]


def _sustained_line(plan: Plan) -> list[str]:
    meters = plan.catalogue.meters
    names = sorted(name for name in set(plan.demand.usage.meter) if meters[name].sustained_use)
    if not names:
        return []
    several = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = (
        f"Purchases for {names[0]}{several} are weighed against on-demand at the full sustained "
        "use discount, so that buying more may pay where usage does not fill its months; what "
        "they do not earn of it is in the gap, as the part of the providers' order."
    )
    return [text]
