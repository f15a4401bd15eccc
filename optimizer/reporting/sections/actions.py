# SPDX-License-Identifier: Apache-2.0
"""What to do: purchases of the plan, what ends soon, or what to relax where there is no plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from optimizer.planning.weekly.actions import Action
from optimizer.reporting.document import (
    Block,
    Column,
    Figure,
    Figures,
    Kind,
    Prose,
    Row,
    Section,
    Table,
)
from optimizer.reporting.render.values import money
from optimizer.reporting.sections.words import (
    EVENTS,
    Document,
    amount_text,
    count_of,
    day_of,
    decimal_of,
    futures_text,
    percent,
)
from optimizer.tables import parse_hour

MOST = 40
MOST_SPOT = 8
SOON = 90  # days within which what ends is an action


def action_section(plan: Document, actions: Sequence[Action]) -> Section:
    """The actions of the week."""
    if plan["status"] == "infeasible":
        return Section("actions", "What to do first", _relaxations(plan))
    blocks: list[Block] = [_decision(plan, actions), _purchases(plan, actions)]
    if not actions:
        blocks.pop(0)
    losing = [action.name for action in actions if action.high is not None and action.high < 0]
    if losing:
        blocks.insert(1, Prose(_losing(losing), "warning"))
    if plan.get("spot"):
        blocks.append(_spot(plan))
    soon = _ending(plan)
    if soon.rows:
        blocks.append(soon)
    return Section("actions", "What to do", tuple(blocks))


def _relaxations(plan: Document) -> tuple[Block, ...]:
    told = (
        "No plan serves the usage of the horizon within the limits of the case. The smallest set "
        "of limits to relax is below; until then nothing is advised."
    )
    columns = (
        Column("limit", "Limit to relax"),
        Column("amount", "By", Kind.quantity, formula="in the unit of the limit"),
        Column(
            "cost", "Plan then costs", Kind.money,
            formula="over the terms, with all of these limits relaxed",
        ),
    )  # fmt: skip
    rows = tuple(
        Row((row["limit"], row["amount"], decimal_of(row["cost"])), key=row["limit"],
            source=f"plan: relaxations[{index}]")
        for index, row in enumerate(plan["relaxations"])
    )  # fmt: skip
    table = Table("relaxations", "The smallest set of limits to relax", columns, rows)
    return (Prose(told, "bad"), table)


def _decision(plan: Document, actions: Sequence[Action]) -> Figures:
    """What is to be decided: what all purchases save, in cash and in obligations."""
    days = count_of(int(plan["horizon_hours"]) // 24, "day")
    upfront = sum((action.upfront for action in actions), Decimal(0))
    figures = [
        Figure(
            "saves", f"Saves within {days}", decimal_of(plan.get("savings")), Kind.money,
            formula="the replayed bill with what is held less that with the plan, with usage as "
            "planned", note=futures_text(plan),
        ),
        Figure("upfront", "Cash at the purchase", upfront, Kind.money),
    ]  # fmt: skip
    if plan.get("lock_in"):
        whole = Decimal(str(plan["lock_in"][0]["bought"]))
        figures += [
            Figure(
                "later", "Payments after it", whole - upfront, Kind.money,
                formula="cost of the whole terms, used or not, less the cash at the purchase",
            ),
            Figure(
                "committed", "Committed in all", whole, Kind.money,
                formula="cost of the whole terms, used or not",
            ),
        ]  # fmt: skip
    return Figures("decision", tuple(figures))


def _losing(names: Sequence[str]) -> str:
    """Which purchases are a bet on usage that stays as it was."""
    one = len(names) == 1
    return (
        f"{count_of(len(names), 'purchase')} {'loses' if one else 'lose'} money within the horizon "
        f"in nine of ten forecast futures, and {'pays' if one else 'pay'} only if usage stays as "
        f"it was: {', '.join(names)}. Decide on {'it' if one else 'them'} apart."
    )


def _purchases(plan: Document, actions: Sequence[Action]) -> Table:
    columns = (
        Column("what", "Buy"),
        Column("amount", "Amount"),
        Column(
            "owner", "Owner",
            formula="the offer's account, else the team or account that used most of what the "
            "purchase covers in the week, with its share at on-demand prices",
        ),
        Column(
            "buy_by", "Buy by",
            formula="the last moment that the plan knows of; now: each day later loses its part "
            "of the saving",
        ),
        Column(
            "saving", "Saves", Kind.money,
            formula="within the horizon, as planned: the replayed bill without the purchase less "
            "that with it; where the plan has no futures, covered units × on-demand price − cost",
        ),
        Column("p10", "P10", Kind.money, formula="a tenth of the futures save less than this"),
        Column("p90", "P90", Kind.money, formula="a tenth of the futures save more than this"),
        Column("upfront", "Upfront", Kind.money, formula="cash due at the purchase"),
        Column(
            "cost", "Cost", Kind.money, formula="amortised cost within the horizon, used or not"
        ),
        Column(
            "break_even", "Break-even", Kind.share,
            formula="share of the term in full use after which it costs less than on-demand",
        ),
        Column(
            "reversible", "Reversible?", Kind.state,
            formula="what the provider's terms allow; no plan counts on it",
        ),
        Column(
            "confidence", "Confidence", Kind.state,
            formula="pays back within the horizon in at least 90% of the futures: high; in 70%: "
            "medium; below: low; unknown where no futures were replayed",
        ),
    )  # fmt: skip
    rows = [_row(plan, action) for action in actions[:MOST]]
    if len(actions) > 1:
        sums = [sum((getattr(a, key) for a in actions), Decimal(0)) for key in ("upfront", "cost")]
        saved, low, high = (decimal_of(value) for value in _savings(plan))
        rows.append(
            Row(
                ("All together", None, None, None, saved, low, high, *sums, None, None, None),
                key="total", source="plan: savings, ranges.savings", emphasis=True,
            )
        )  # fmt: skip
    left = len(actions) - MOST
    return Table(
        "actions",
        f"{count_of(len(actions), 'purchase')}, in dollars of the next "
        f"{plan['horizon_hours'] // 24} days",
        columns,
        tuple(rows),
        note=_note(actions),
        rest=f"{count_of(left, 'more purchase')} of less saving: in the plan." if left > 0 else "",
        empty="Nothing to buy: no purchase pays with this usage and these prices.",
        stack=True,
    )


def _note(actions: Sequence[Action]) -> str:
    """Why the rows do not add up, and what can be undone how."""
    ways = {action.out.law: action.out for action in actions}
    told = "; ".join(f"{law}: {ways[law].how}" for law in sorted(ways))
    text = f"To undo a purchase: {told}." if told else ""
    offers = sum(len(action.offers) for action in actions)
    if offers > len(actions):
        text = f"A bundle is one purchase: {offers} offers in all. {text}"
    if len(actions) < 2:
        return text
    return (
        "Savings of single purchases do not add up to that of all together: what one covers, "
        f"another would have covered without it; spot, routes and moved work are part of the whole "
        f"alone. {text}"
    )


def _savings(plan: Document) -> tuple[Any, Any, Any]:
    ranges = plan.get("ranges", {}).get("savings", {})
    return plan.get("savings"), ranges.get("p10"), ranges.get("p90")


def _row(plan: Document, action: Action) -> Row:
    currency = plan["currency"]
    amounts = ", ".join(
        amount_text(quantity, measure, currency)
        if len(action.offers) == 1 or "/" not in offer
        # Members of a bundle are named by what they are: 8 gpu, 208 vcpu.
        else f"{quantity.normalize():,f} {offer.rsplit('/', 2)[-2]}"
        for offer, quantity, measure, _ in action.offers
    )
    owner = action.owner
    if owner and action.owner_share is not None and action.owner_share < 1:
        owner = f"{owner} ({percent(action.owner_share)})"
    return Row(
        (
            action.name,
            amounts,
            owner or "not known",
            "now" if action.latest is None else str(day_of(action.latest)),
            action.saving,
            action.low,
            action.high,
            action.upfront,
            action.cost,
            action.break_even,
            action.out.answer,
            action.confidence,
        ),
        key=action.name,
        source="plan: " + ", ".join(f"purchases[{index}]" for *_, index in action.offers),
    )


def _spot(plan: Document) -> Table:
    """What the plan runs on spot, the dearest first."""
    columns = (
        Column("meter", "Meter"),
        Column("account", "Account and zone"),
        Column("share", "On spot", Kind.share, formula="units on spot ÷ units of the line"),
        Column("quantity", "Units", Kind.quantity, formula="over the horizon, in the meter's unit"),
        Column("cost", "Cost", Kind.money, formula="units × spot price, over the horizon"),
    )
    found = sorted(enumerate(plan["spot"]), key=lambda row: -Decimal(str(row[1]["cost"])))
    rows = tuple(
        Row(
            (
                row["meter"], " ".join(filter(None, (row["account"], row["zone"]))),
                row["share"], row["quantity"], decimal_of(row["cost"]),
            ),
            key=row["meter"], source=f"plan: spot[{index}]",
        )
        for index, row in found[:MOST_SPOT]
    )  # fmt: skip
    left = found[MOST_SPOT:]
    rest = sum((Decimal(str(row["cost"])) for _, row in left), Decimal(0))
    told = f"{count_of(len(left), 'more line')} for {money(rest, plan['currency'])}: in the plan."
    return Table("spot", "Run on spot", columns, rows, rest=told if left else "")


def _ending(plan: Document) -> Table:
    """What ends, or can be cancelled for the last time, soon."""
    start = parse_hour(str(plan["as_of"]))
    columns = (
        Column("what", "Commitment"),
        Column("event", "What happens", Kind.state),
        Column("day", "On", Kind.day),
        Column("amount", "Amount"),
        Column(
            "renewal", "Renewing it would save", Kind.change,
            formula="the same amount of the same offer bought again at its end, to the end of the "
            "horizon, on average over the futures; below zero it would lose",
        ),
        Column("advice", "Advice"),
    )  # fmt: skip
    rows = []
    for index, row in enumerate(plan.get("ladder", [])):
        hour = parse_hour(row["date"])
        if row["action"] not in ("end", "cancel") or hour > start + SOON * 24:
            continue
        saves = decimal_of(row.get("renewal", {}).get("saves"))
        advice = (
            "check that it is still wanted"
            if row["action"] == "cancel"
            else "plan again before" if saves is None
            else "let it expire" if saves <= 0 else "plan its renewal"
        )  # fmt: skip
        rows.append(
            Row(
                (
                    row["name"], EVENTS[row["action"]], day_of(row["date"]),
                    amount_text(row["quantity"], row["measure"], plan["currency"]), saves, advice,
                ),
                key=row["name"], source=f"plan: ladder[{index}]",
            )
        )  # fmt: skip
    return Table("ending", f"What ends within {SOON} days", columns, tuple(rows))
