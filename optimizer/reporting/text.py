# SPDX-License-Identifier: Apache-2.0
"""Plans and bills as people read them in a terminal; every number is the document's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.reporting.attained import attained_sections
from optimizer.reporting.backtest import gate_lines
from optimizer.reporting.beside import beside_the_bill, left_unserved, stopped
from optimizer.reporting.ladder import futures_sections
from optimizer.reporting.layout import HALF_CENT, cents, dollars, percent, section
from optimizer.reporting.layout import table as make_table
from optimizer.reporting.routes import routing_sections

Document = Mapping[str, Any]

_MARKS = {"keep": ("=", "dim"), "let_expire": ("-", "red"), "resize": ("~", "yellow")}
_SHOWN = 12  # losers that are shown without --detail
SEEN = 5e-5  # a share that two decimals show
_MONTH = 730  # hours of a month, for display only


def render(content: RenderableType, *, width: int, colour: bool) -> str:
    """Lay out a page as text of the given width, without trailing blanks."""
    console = Console(
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
    )
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def plan_page(document: Document, *, detail: bool = False) -> RenderableType:
    """The page of ``gpuopt plan``: headline, figures, what to do, the losers, the proof."""
    parts: list[RenderableType] = [_title("gpuopt plan", document), *_headline(document)]
    parts += [section("Key figures"), _figures(document)]
    parts += [section("What to do   + buy   - let expire   ~ resize   = keep"), _actions(document)]
    parts += routing_sections(document)
    parts += attained_sections(document)
    if document.get("spot"):
        parts += [section("Run on spot"), _spot(document)]
    if document["considered"]:
        parts += [section("Considered and not bought"), _considered(document, detail=detail)]
    parts += [section("The plan's bill, replayed through the providers' own rules")]
    parts += [_bill_table(document["bill"])]
    parts += beside_the_bill(document)
    parts += futures_sections(document)
    if document.get("sensitivity"):
        parts += [section("If demand turns out different"), _sensitivity(document)]
        if _beyond(document, "total"):
            note = "The providers' bill alone, without penalties and shortfalls."
            parts.append(Text(note, style="dim"))
    parts += [section("How sure"), *_certainty(document), Text(), _closing(document)]
    return Group(*parts)


def bill_page(document: Document, *, detail: bool = False) -> RenderableType:
    """The page of ``gpuopt bill``."""
    hours = f"{document['start'][:16]}Z to {document['end'][:16]}Z"
    rates = document["effective_savings_rate"]
    waterfall: list[RenderableType] = []
    if document["waterfall"]:
        waterfall = [section("From list price to what is paid"), _waterfall(document)]
    parts: list[RenderableType] = [
        _title("gpuopt bill", document),
        Text(f"Usage {hours}, replayed hour by hour through the providers' own rules."),
        Text(),
        _bill_table(document),
        Text(),
        Text(
            f"Coverage {percent(document['coverage'])} · utilization "
            f"{percent(document['utilization'])} · effective savings rate "
            f"{percent(rates['on_demand'])} over contract, {percent(rates['list_price'])} over list"
        ),
        *waterfall,
    ]
    if "reconciliation" in document:
        parts += [section("Against what the provider billed"), _reconciliation(document)]
    if detail:
        parts += [section("Lines"), _lines(document["lines"])]
    return Group(*parts)


def infeasible_page(document: Document) -> RenderableType:
    """The page of a case that has no plan."""
    table = make_table("relax", ">by", ">cost")
    for row in document["relaxations"]:
        cost = "no price in the case" if row["cost"] is None else dollars(row["cost"])
        table.add_row(row["limit"], f"{row['amount']:,g}", cost)
    return Group(
        Text("No plan serves the horizon's usage, and that is proven.", style="bold red"),
        section("The smallest set of limits to relax"),
        table,
    )


def _title(what: str, document: Document) -> Text:
    scope = f"   {document['currency']} · snapshot {document['snapshot'][7:19]}"
    if "as_of" in document:
        scope += f" · as of {document['as_of'][:10]} · {document['horizon_hours']:,} hours ahead"
    return Text.assemble((what, "bold"), (scope, "dim"))


def _headline(document: Document) -> list[RenderableType]:
    lines = [Text()]
    if "baseline" in document:
        saved, base = document["savings"], document["baseline"]
        share = saved / base if base else Decimal(0)
        lines.append(
            Text.assemble(
                "Your bill ",
                (dollars(base), "bold"),
                "   could be ",
                (dollars(document["total"]), "bold"),
                "   saves ",
                (f"{dollars(saved)} ({share:.1%})", "bold green"),
            )
        )
    else:
        lines.append(Text(f"The plan costs {dollars(document['total'])}."))
    unserved = left_unserved(document)
    if unserved is not None:
        lines.append(unserved)
    lines.append(Text(_proven(document)))
    return list(lines)


def _proven(document: Document) -> str:
    """How much better a plan could be, and whose doing that is."""
    solver, law = document["gap_solver"], document["gap_law"]
    told = {
        "optimal": "the solver left nothing",
        "within_gap": f"{solver:.2%} left by the solver, as close as was asked for",
        "stopped": f"{solver:.2%} left by the solver, which stopped early",
    }[document["status"]]
    if law >= SEEN:
        told += f"; {law:.2%} is the order in which providers apply discounts"
    return f"Proven: no plan is more than {document['gap']:.2%} better ({told})."


def _beyond(document: Document, total: str) -> Decimal:
    """What is paid beside the providers' bill: penalties and shortfalls."""
    bill = document["bill" if total == "total" else "baseline_bill"]
    return Decimal(document[total] - bill["total"])


def _figures(document: Document) -> Table:
    today, plan = document.get("baseline_bill"), document["bill"]
    kpis = document["kpis"]
    table = make_table("", ">today", ">plan")

    def row(label: str, now: str, then: str) -> None:
        table.add_row(label, now, then)

    row(
        "total",
        dollars(document["baseline"]) if today else "n/a",
        dollars(document["total"]),
    )
    for label, key in (
        ("on demand", "on_demand"),
        ("spot", "spot"),
        ("commitments (amortised)", "commitment_cost"),
    ):
        row(label, dollars(today[key]) if today else "n/a", dollars(plan[key]))
    now_beyond = _beyond(document, "baseline") if today else Decimal(0)
    if now_beyond or _beyond(document, "total"):
        row(
            "penalties and shortfalls",
            dollars(now_beyond) if today else "n/a",
            dollars(_beyond(document, "total")),
        )
    then, now = kpis["plan"], kpis.get("today", {})
    for label, key in (
        ("coverage", "coverage"),
        ("utilization", "utilization"),
        ("savings rate over contract", "effective_savings_rate_on_demand"),
        ("savings rate over list", "effective_savings_rate_list_price"),
    ):
        row(label, percent(now.get(key)), percent(then[key]))
    row("paid for and not used", dollars(now.get("unused_cost")), dollars(then["unused_cost"]))
    row("upfront cash", dollars(Decimal(0)), dollars(kpis["upfront_cash"]))
    return table


def _actions(document: Document) -> Table:
    table = make_table(
        "", "offer or commitment", ">amount", ">upfront", ">per month", "until", "why"
    )
    used = {
        row["commitment"]: row["used"] / (row["used"] + row["unused"])
        for row in document["bill"]["commitments"]
        if row["used"] + row["unused"]
    }
    for row in document["purchases"]:
        monthly = (row["hourly"] + row.get("premium", 0)) * _MONTH + row["monthly"]
        table.add_row(
            Text("+", style="green"),
            row["offer"],
            _amount(row),
            dollars(row["upfront"]),
            dollars(monthly),
            row["end"][:10],
            _why(row, used.get(f"plan {row['offer']}")),
        )
    for row in document["commitments"]:
        mark, style = _MARKS[row["action"]]
        table.add_row(
            Text(mark, style=style), row["commitment"], f"{row['quantity']:,g}", "", "",
            row["end"][:10], "held" if row["action"] == "keep" else "ends inside the horizon",
        )  # fmt: skip
    return table


def _why(row: Document, used: float | None) -> str:
    if not row["covers"] or row["break_even_hours"] is None:
        return "covers nothing in the horizon"
    share = row["break_even_hours"] / row["term_hours"]
    return f"breaks even at {share:.0%} use, is used {percent(used)}"


def _amount(row: Document) -> str:
    if row["measure"] == "money":
        return f"${row['quantity']:,.3f}/h"
    return f"{row['quantity']:,g}"


def _spot(document: Document) -> Table:
    table = make_table("meter", "account", ">unit-hours", ">share of usage", ">cost")
    for row in document["spot"]:
        table.add_row(
            row["meter"], row["account"] or "", f"{row['quantity']:,.0f}",
            percent(row["share"]), dollars(row["cost"]),
        )  # fmt: skip
    return table


def _considered(document: Document, *, detail: bool) -> RenderableType:
    rows: Sequence[Document] = document["considered"]
    table = make_table("offer", ">adding some costs", "reason")
    for row in rows if detail else rows[:_SHOWN]:
        table.add_row(row["offer"], dollars(row["cost"]), row["reason"])
    if detail or len(rows) <= _SHOWN:
        return table
    return Group(
        table, Text(f"  … and {len(rows) - _SHOWN} more: --detail, or --json", style="dim")
    )


def _bill_table(bill: Document) -> Table:
    table = make_table("", ">used", ">cost")
    table.add_row("on demand", "", dollars(bill["on_demand"]))
    table.add_row("spot", "", dollars(bill["spot"]))
    for row in bill["commitments"]:
        whole = row["used"] + row["unused"]
        used = percent(row["used"] / whole) if whole else "n/a"
        table.add_row(row["commitment"], used, dollars(row["cost"]))
    table.add_row(Text("total", style="bold"), "", Text(dollars(bill["total"]), style="bold"))
    return table


def _sensitivity(document: Document) -> Table:
    table = make_table(">demand", ">bill without the plan", ">with the plan", ">saves")
    for row in document["sensitivity"]:
        table.add_row(
            f"{row['demand'] - 1:+.0%}" if row["demand"] != 1 else "as planned",
            dollars(row["baseline"]), dollars(row["total"]), dollars(row["savings"]),
        )  # fmt: skip
    return table


def _certainty(document: Document) -> list[RenderableType]:
    bound = (
        f"Objective {dollars(document['objective'])} (whole terms), lower bound "
        f"{dollars(document['lower_bound'])}: gap {document['gap']:.3%} = "
        f"{document['gap_solver']:.3%} left by the solver + {document['gap_law']:.3%} that the "
        "providers' order of applying discounts costs over free choice."
    )
    checks = document["checks"]
    failed = [check["check"] for check in checks if not check["ok"]]
    proof = f"{len(checks) - len(failed)} of {len(checks)} independent checks hold."
    lines = [
        *stopped(document),
        Text(bound),
        Text(proof + (f" Failed: {', '.join(failed)}." if failed else "")),
        *gate_lines(document),
    ]
    shown = ("Demand:", "Terms", "Ranges: none")
    notes = [line for line in document["explanation"] if line.startswith(shown)]
    return [*lines, *(Text(note, style="dim") for note in notes)]


def _closing(document: Document) -> Text:
    actions = [row["action"] for row in document["commitments"]]
    text = (
        f"Plan: {len(document['purchases'])} to buy, {actions.count('let_expire')} to let expire, "
        f"{actions.count('resize')} to resize, {actions.count('keep')} to keep."
    )
    if "baseline" in document:
        saved, base = document["savings"], document["baseline"]
        monthly = saved * _MONTH / document["horizon_hours"]
        share = saved / base if base else Decimal(0)
        text += f" Saves {dollars(monthly)} a month ({share:.1%}) against today"
        text += f"; commits {dollars(document['kpis']['new_commitment'])} over the terms."
    return Text(text, style="bold")


def _waterfall(document: Document) -> Table:
    """One column per provider: each step from the list price down to the bill."""
    falls: Sequence[Document] = document["waterfall"]
    table = make_table("", *(f">{fall['provider']}" for fall in falls), ">all")

    def row(label: str, amounts: Sequence[Decimal], style: str = "") -> None:
        whole = sum(amounts, Decimal(0))
        if style or any(abs(amount) >= HALF_CENT for amount in amounts):
            table.add_row(label, *(dollars(amount) for amount in (*amounts, whole)), style=style)

    row("usage at list price", [fall["list_price"] for fall in falls], "bold")
    row("contract discount", [-fall["contract"] for fall in falls])
    for law in sorted({part["law"] for fall in falls for part in fall["saved"]}):
        saved = [
            sum((p["amount"] for p in fall["saved"] if p["law"] == law), Decimal(0))
            for fall in falls
        ]
        row(f"saved by {law}", [-amount for amount in saved])
    row("saved on spot", [-fall["spot"] for fall in falls])
    row("sustained use", [-fall["sustained_use"] for fall in falls])
    row("committed and not used", [fall["unused"] for fall in falls])
    row("total", [fall["total"] for fall in falls], "bold")
    return table


def _reconciliation(document: Document) -> RenderableType:
    found = document["reconciliation"]
    table = make_table("provider", "account", "paid by", ">billed - replayed", "reason")
    for row in found["by_law"]:
        table.add_row(
            row["provider"],
            row["account"] or "",
            row["law"],
            cents(row["difference"]),
            "; ".join(row["reasons"]),
        )
    closing = (
        f"Billed {cents(found['billed'])}, replayed {cents(found['replayed'])}: residual "
        f"{cents(found['residual'])}, of which {cents(found['unexplained'])} unexplained."
    )
    return Group(table, Text(closing, style="bold"))


def _lines(rows: Sequence[Document]) -> Table:
    table = make_table("meter", "account", "zone", ">units", ">covered", ">on demand", ">spot")
    for row in rows:
        table.add_row(
            row["meter"], row["account"] or "", row["zone"] or "", f"{row['quantity']:,.1f}",
            f"{row['covered']:,.1f}", dollars(row["on_demand"]), dollars(row["spot"]),
        )  # fmt: skip
    return table
