# SPDX-License-Identifier: Apache-2.0
"""A plan's document as tables: what to do, what lost, when, and how sure it is.

Each takes the document as JSON has it (money as decimal strings) and shows its numbers; none
is computed here but shares of what stands beside them. Keys that a plan need not have give
``None`` in the place of a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from optimizer.reporting.document import Column, Kind, Row, Table, Value

Document = Mapping[str, Any]

_HOURS_A_MONTH = 730  # for display only
_STATES = {
    "buy": "buy",
    "buy_later": "buy later",
    "end": "ends",
    "start": "begins",
    "cancel": "last day to cancel",
    "renew": "renew",
    "release": "give back",
    "may_release": "may be given back from",
}


def money(value: Any) -> Decimal | None:
    """Money of a document; ``None`` stays."""
    return None if value is None else Decimal(str(value))


def day(text: str | None) -> date | None:
    """The day of a moment of a document."""
    return None if text is None else date.fromisoformat(text[:10])


def actions(document: Document) -> Table:
    """What to buy, let expire and keep, as a difference to what is held."""
    used = used_shares(document["bill"])
    columns = (
        Column("action", "Do", Kind.state),
        Column("name", "Offer or commitment"),
        Column("quantity", "Amount", Kind.quantity),
        Column("unit", "Unit"),
        Column("upfront", "Upfront", Kind.money),
        Column("rate", "Payments", Kind.rate, "hour",
               "hourly payment + premium + monthly payment ÷ 730, without what is paid upfront"),
        Column("cost", "Cost in the horizon", Kind.money,
               formula="amortised: all payments of the term, spread evenly over it"),
        Column("used", "Used", Kind.share, formula="used ÷ committed, replayed by the law"),
        Column("break_even", "Breaks even at", Kind.share,
               formula="full use that pays for the term ÷ the term"),
        Column("down_to", "Pays down to", Kind.share,
               formula="the least share of the planned demand at which it still pays"),
        Column("until", "Until", Kind.day),
    )  # fmt: skip
    rows = []
    for number, bought in enumerate(document.get("purchases", ())):
        even = bought["break_even_hours"]
        each_hour = Decimal(bought["hourly"]) + Decimal(bought.get("premium", 0))
        rate = each_hour + Decimal(bought["monthly"]) / _HOURS_A_MONTH
        values: tuple[Value, ...] = (
            "buy",
            bought["offer"],
            bought["quantity"],
            unit_of(bought),
            money(bought["upfront"]),
            rate,
            money(bought["cost"]),
            used.get(f"plan {bought['offer']}"),
            None if even is None else even / bought["term_hours"],
            bought.get("pays_down_to"),
            day(bought["end"]),
        )
        rows.append(Row(values, key=bought["offer"], source=f"purchases[{number}]"))
    for number, held in enumerate(document.get("commitments", ())):
        values = (
            held["action"].replace("_", " "),
            held["commitment"],
            held["quantity"],
            "held",
            None, None, None,
            used.get(held["commitment"]),
            None, None,
            day(held["end"]),
        )  # fmt: skip
        rows.append(Row(values, key=held["commitment"], source=f"commitments[{number}]"))
    return Table(
        "actions", "What to do", columns, tuple(rows),
        empty="Nothing to buy, and nothing is held: running on demand is the cheapest.",
    )  # fmt: skip


def considered(document: Document) -> Table | None:
    """The offers that are not bought, and why."""
    if "considered" not in document:
        return None
    columns = (
        Column("offer", "Offer"),
        Column("cost", "Adding some costs", Kind.money,
               formula="objective with the smallest sensible amount of it − objective of the plan"),
        Column("reason", "Why it lost"),
    )  # fmt: skip
    rows = tuple(
        Row((row["offer"], money(row["cost"]), row["reason"]), row["offer"], f"considered[{n}]")
        for n, row in enumerate(document["considered"])
    )
    return Table(
        "considered", "Considered and not bought", columns, rows, empty="No offer was left over."
    )


def relaxations(document: Document) -> Table:
    """What to relax where there is no plan, and what each costs."""
    columns = (
        Column("limit", "Relax"),
        Column("amount", "By", Kind.quantity),
        Column("cost", "The plan then costs", Kind.money,
               formula="over the terms, with all of these limits relaxed"),
    )  # fmt: skip
    rows = tuple(
        Row((row["limit"], row["amount"], money(row["cost"])), row["limit"], f"relaxations[{n}]")
        for n, row in enumerate(document["relaxations"])
    )
    return Table(
        "relaxations", "The smallest set of limits to relax", columns, rows,
        note="–: the case has no price for what is missing.",
    )  # fmt: skip


def ranges(document: Document) -> Table | None:
    """The bill with and without the purchases in the futures of demand."""
    found = document.get("ranges", {})
    if "p10" not in document:
        return None
    names = ("expected", "p10", "p50", "p90", "cvar")
    columns = (
        Column("what", "What"),
        Column("expected", "Expected", Kind.money),
        Column("p10", "P10", Kind.money, formula="a tenth of the futures costs less"),
        Column("p50", "P50", Kind.money, formula="half of the futures costs less"),
        Column("p90", "P90", Kind.money, formula="nine tenths of the futures cost less"),
        Column("cvar", "Mean of the dearest tail", Kind.money, formula="conditional value at risk"),
    )
    kept = (
        ("Without the plan", found.get("baseline"), "ranges.baseline"),
        ("With the plan", document, "p10 …"),
        ("Saves", found.get("savings"), "ranges.savings"),
    )
    rows = tuple(
        Row((what, *(money(numbers.get(name)) for name in names)), what, source)
        for what, numbers, source in kept
        if numbers is not None
    )
    return Table("ranges", "Range of the bill", columns, rows, note=_basis(document))


def _basis(document: Document) -> str:
    found = document.get("ranges", {})
    if "scenarios" in document:
        return f"In the {len(document['scenarios'])} futures that the plan was made for."
    return f"Of {found['basis']}." if "basis" in found else ""


def scenarios(document: Document) -> Table | None:
    """The futures that a plan was made for."""
    if not document.get("scenarios"):
        return None
    columns = (
        Column("scenario", "Future"),
        Column("odds", "Odds", Kind.share),
        Column("total", "Bill", Kind.money),
        Column("regret", "Regret", Kind.money,
               formula="the plan's cost in this future − the least possible knowing it"),
    )  # fmt: skip
    rows = tuple(
        Row((row["scenario"], row["odds"], money(row.get("total")), money(row.get("regret"))),
            row["scenario"], f"scenarios[{n}]")
        for n, row in enumerate(document["scenarios"])
    )  # fmt: skip
    return Table("scenarios", "Futures", columns, rows)


def sensitivity(document: Document) -> Table | None:
    """What the plan costs and saves if demand turns out different."""
    if not document.get("sensitivity"):
        return None
    columns = (
        Column("demand", "Demand", Kind.share),
        Column("baseline", "Bill without the plan", Kind.money),
        Column("total", "With the plan", Kind.money),
        Column("savings", "Saves", Kind.change),
    )
    rows = tuple(
        Row((row["demand"], *(money(row.get(k)) for k in ("baseline", "total", "savings"))),
            str(row["demand"]), f"sensitivity[{n}]", emphasis=row["demand"] == 1)
        for n, row in enumerate(document["sensitivity"])
    )  # fmt: skip
    return Table("sensitivity", "If demand turns out different", columns, rows,
                 note="The same purchases, at that share of the planned demand.")  # fmt: skip


def ladder(document: Document) -> Table | None:
    """What is due when: purchases, ends, cancellations."""
    if "ladder" not in document:
        return None
    columns = (
        Column("date", "Day", Kind.day),
        Column("action", "What", Kind.state),
        Column("name", "Offer or commitment"),
        Column("expected", "Amount", Kind.quantity),
        Column("odds", "Odds", Kind.share, formula="share of the futures in which it is done"),
        Column("latest", "Can wait until", Kind.day),
        Column("pays_back", "Pays back in", Kind.share,
               formula="share of the futures in which it costs less than doing without it"),
        Column("beyond", "Beyond the horizon", Kind.whole, "days"),
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                day(row["date"]),
                _STATES.get(row["action"], row["action"].replace("_", " ")),
                row["name"],
                row.get("expected", row.get("quantity")),
                row.get("odds"),
                day(row.get("latest")),
                row.get("pays_back"),
                None if "beyond_horizon" not in row else round(row["beyond_horizon"] / 24),
            ),
            f"{n}",
            f"ladder[{n}]",
        )
        for n, row in enumerate(document["ladder"])
    )
    return Table("ladder", "Ladder: the next twelve months", columns, rows,
                 empty="Nothing is bought, begins or ends.")  # fmt: skip


def lock_in(document: Document) -> Table | None:
    """The cost of the terms that are still to run, month by month."""
    if not document.get("lock_in"):
        return None
    columns = (
        Column("month", "From", Kind.day),
        Column("held", "Of what is held", Kind.money),
        Column("bought", "Of this plan", Kind.money),
        Column("all", "Together", Kind.money),
    )
    rows = []
    for number, row in enumerate(document["lock_in"]):
        held, bought = Decimal(row["held"]), Decimal(row["bought"])
        rows.append(
            Row((day(row["month"]), held, bought, held + bought), f"{number}",
                f"lock_in[{number}]")
        )  # fmt: skip
    return Table("lock_in", "Locked in: cost of the terms to run", columns, tuple(rows),
                 note="Amortised cost: what is paid upfront is in it.")  # fmt: skip


def bill(document: Document) -> Table:
    """The plan's bill beside that of today."""
    today, plan = document.get("baseline_bill", {}), document["bill"]
    columns = (
        Column("what", "What"),
        Column("today", "With what is held", Kind.money),
        Column("plan", "With the plan", Kind.money),
        Column("change", "Change", Kind.change),
    )
    named = (
        ("On demand", "on_demand"),
        ("Spot", "spot"),
        ("Commitments, amortised", "commitment_cost"),
        ("Total of the providers' bill", "total"),
    )
    rows = []
    for what, key in named:
        now, then = money(today.get(key)), money(plan.get(key))
        change = None if now is None or then is None else then - now
        rows.append(Row((what, now, then, change), key, f"bill.{key}", emphasis=key == "total"))
    return Table("bill", "The bill, replayed through the providers' own rules", columns,
                 tuple(rows))  # fmt: skip


def spot(document: Document) -> Table | None:
    """What the plan runs on spot."""
    if not document.get("spot"):
        return None
    columns = (
        Column("meter", "Meter"),
        Column("account", "Account"),
        Column("zone", "Zone"),
        Column("quantity", "Units", Kind.quantity, "unit-hours"),
        Column("share", "Share of the usage", Kind.share),
        Column("cost", "Cost", Kind.money),
    )
    rows = tuple(
        Row((row["meter"], row["account"] or "", row["zone"] or "", row["quantity"],
             row["share"], money(row["cost"])), f"{n}", f"spot[{n}]")
        for n, row in enumerate(document["spot"])
    )  # fmt: skip
    return Table("spot", "Run on spot", columns, rows)


def parts(document: Document) -> Table:
    """How each independent part of the plan was solved."""
    columns = (
        Column("part", "Part", Kind.whole),
        Column("status", "Status", Kind.state),
        Column("meters", "Meters", Kind.whole),
        Column("method", "Method"),
        Column("why", "Why this way"),
        Column("hours", "Distinct hours", Kind.whole),
        Column("rows", "Rows", Kind.whole),
    )
    rows = tuple(
        Row((n, row["status"].replace("_", " "), len(row["meters"]), row["method"], row["why"],
             row["distinct_hours"], row.get("rows")), f"{n}", f"parts[{n}]")
        for n, row in enumerate(document.get("parts", ()))
    )  # fmt: skip
    return Table("parts", "How it was solved", columns, rows)


def checks(document: Document) -> Table:
    """The independent checks of the answer."""
    columns = (
        Column("part", "Part", Kind.whole),
        Column("check", "Check"),
        Column("ok", "Holds", Kind.state),
        Column("detail", "Numbers"),
    )
    rows = tuple(
        Row((row["part"], row["check"], "ok" if row["ok"] else "failed", row["detail"]), f"{n}",
            f"checks[{n}]")
        for n, row in enumerate(document.get("checks", ()))
    )  # fmt: skip
    return Table("checks", "Independent checks", columns, rows)


_BESIDE = {
    "substitutions": "Move",
    "jobs": "Jobs with deadlines",
    "renewals": "Counted on to be bought again",
    "unmet": "Left unserved",
    "limits": "Limits",
    "agreements": "Agreements",
    "alternatives": "What routing and commitments are worth together",
    "shadow_prices": "What a little more room would be worth",
}
_MONEY = re.compile(r"-?[0-9]+\.[0-9]{12}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{5,8}Z")
_SHARES = frozenset({"share", "odds", "used_share"})


def beside(document: Document) -> list[Table]:
    """What a plan says beside its purchases, where the case asks for it, a table for each.

    The columns are the keys of the rows; a value that is a list or an object is left to the
    document itself.
    """
    made = []
    for name, title in _BESIDE.items():
        listed = document.get(name)
        if isinstance(listed, list) and listed and all(isinstance(r, Mapping) for r in listed):
            made.append(_as_they_are(name, title, listed))
    return made


def _as_they_are(name: str, title: str, listed: Sequence[Document]) -> Table:
    keys = list(dict.fromkeys(key for row in listed for key in row))
    flat = [key for key in keys if not any(isinstance(row.get(key), list | dict) for row in listed)]
    kinds = {key: _kind(key, [row.get(key) for row in listed]) for key in flat}
    columns = tuple(
        Column(key, key.replace("_", " ").capitalize(), kind) for key, kind in kinds.items()
    )
    rows = tuple(
        Row(
            tuple(_value(row.get(key), kind) for key, kind in kinds.items()), f"{n}", f"{name}[{n}]"
        )
        for n, row in enumerate(listed)
    )
    return Table(name, title, columns, rows)


def _kind(key: str, values: Sequence[Any]) -> Kind:
    known = [value for value in values if value is not None]
    if known and all(isinstance(v, str) and _MONEY.fullmatch(v) for v in known):
        return Kind.money
    if known and all(isinstance(v, str) and _MOMENT.fullmatch(v) for v in known):
        return Kind.moment
    if known and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        return Kind.share if key in _SHARES else Kind.quantity
    return Kind.text


def _value(value: Any, kind: Kind) -> Value:
    if value is None:
        return None
    return Decimal(value) if kind == Kind.money else value


def covers(purchase: Document) -> Table:
    """The meters that a purchase covers."""
    columns = (
        Column("meter", "Meter"),
        Column("quantity", "Covered", Kind.quantity, "unit-hours"),
    )
    rows = tuple(
        Row((row["meter"], row["quantity"]), row["meter"], f"covers[{n}]")
        for n, row in enumerate(purchase["covers"])
    )
    return Table("covers", "What it covers", columns, rows, empty="Nothing in the horizon.")


def used_shares(bill_of: Document) -> dict[str, float]:
    """The used share of each commitment of a bill; those that nothing is committed of, not."""
    rows: Sequence[Document] = bill_of.get("commitments", ())
    return {
        row["commitment"]: row["used"] / (row["used"] + row["unused"])
        for row in rows
        if row["used"] + row["unused"]
    }


def unit_of(row: Document) -> str:
    """What an amount counts: money an hour for spend-based offers, else units of capacity."""
    return "$/hour" if row["measure"] == "money" else row["measure"]


def exact(amount: float | Decimal) -> str:
    """A number with all its digits, thousands apart."""
    return f"{Decimal(str(amount)).normalize():,f}"


def exact_amount(row: Row) -> Markup | None:
    """An amount with all its digits: it is to be bought as it stands."""
    amount = next((v for v in row.values if isinstance(v, int | float | Decimal)), None)
    return None if amount is None else Markup("{}").format(exact(amount))
