# SPDX-License-Identifier: Apache-2.0
"""What is different between two plans, from their documents alone (``gpuopt diff``).

Every dollar of the change of the total has a row in ``why``: the rows add up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from optimizer.errors import DataError

Document = Mapping[str, Any]

_ZERO = Decimal(0)
# Money of the document, and shares; what is absent in both is left out.
_MONEY = (
    *("total", "baseline", "savings", "objective", "lower_bound", "unmet_penalties"),
    *("expected", "p10", "p50", "p90", "cvar"),
)
_BILL = ("on_demand", "spot", "commitment_cost")
_KPI_MONEY = ("upfront_cash", "new_commitment", "remaining_commitment")
_SHARES = ("gap", "gap_solver", "gap_law")
_KPI_SHARES = ("coverage", "utilization", "effective_savings_rate_on_demand")
_PLANNED = "plan "  # before the offer's name: a commitment that the plan buys


def difference(before: Document, after: Document) -> dict[str, Any]:
    """The rows of two plan documents side by side, where they differ.

    Raises
    ------
    DataError
        If the two are in different currencies.
    """
    if before["currency"] != after["currency"]:
        raise DataError(
            f"one plan is in {before['currency']}, the other in {after['currency']}",
            mend="compare plans of one currency",
        )
    for document in (before, after):
        if document["status"] == "infeasible":
            raise DataError(
                "one of the two is not a plan: its case has none",
                mend="compare plans; what to relax is in that document",
            )
    found: dict[str, Any] = {
        "status": {"before": before["status"], "after": after["status"]},
        "figures": _figures(before, after),
        "purchases": _purchases(before, after),
        "commitments": _commitments(before, after),
    }
    for name, key, amount in (
        ("spot", ("meter", "account", "zone"), "quantity"),
        ("routes", ("workload", "deployment"), "share"),
        ("replicas", ("deployment",), "replicas"),
        ("substitutions", ("from_meter", "to_meter"), "quantity"),
        ("unmet", ("meter", "account", "zone"), "quantity"),
    ):
        rows = _amounts(before.get(name, []), after.get(name, []), key, amount)
        if rows:
            found[name] = rows
    found["why"] = _why(before, after)
    return found


def _figures(before: Document, after: Document) -> list[dict[str, Any]]:
    rows = []

    def row(name: str, was: Any, now: Any, kind: Callable[[Any], Any]) -> None:
        if was is None and now is None:
            return
        was, now = (None if value is None else kind(value) for value in (was, now))
        change = None if was is None or now is None else now - was
        rows.append({"figure": name, "before": was, "after": now, "change": change})

    for name in _MONEY:
        row(name, before.get(name), after.get(name), _money)
    for name in _BILL:
        row(name, before["bill"].get(name), after["bill"].get(name), _money)
    for name in _KPI_MONEY:
        row(name, before["kpis"].get(name), after["kpis"].get(name), _money)
    both = [document["kpis"]["plan"].get("unused_cost") for document in (before, after)]
    row("unused_cost", both[0], both[1], _money)
    for name in _SHARES:
        row(name, before.get(name), after.get(name), float)
    for name in _KPI_SHARES:
        was, now = (document["kpis"]["plan"].get(name) for document in (before, after))
        row(name, was, now, float)
    return rows


def _purchases(before: Document, after: Document) -> list[dict[str, Any]]:
    """Offers whose amount is another one: + buy, - do not buy, ~ another amount."""
    was = {row["offer"]: row for row in before["purchases"]}
    now = {row["offer"]: row for row in after["purchases"]}
    rows = []
    for offer in sorted(was.keys() | now.keys()):
        old, new = was.get(offer), now.get(offer)
        amounts = [0.0 if one is None else float(one["quantity"]) for one in (old, new)]
        if amounts[0] == amounts[1]:
            continue
        action = "buy" if old is None else "do_not_buy" if new is None else "resize"
        rows.append(
            {
                "offer": offer,
                "action": action,
                "measure": (new or old or {})["measure"],
                "before": amounts[0],
                "after": amounts[1],
                "cost": _change_of(old, new, "cost"),
                "upfront": _change_of(old, new, "upfront"),
            }
        )
    return rows


def _change_of(old: Document | None, new: Document | None, key: str) -> Decimal:
    return (_ZERO if new is None else _money(new[key])) - (
        _ZERO if old is None else _money(old[key])
    )


def _commitments(before: Document, after: Document) -> list[dict[str, Any]]:
    was = {row["commitment"]: row for row in before["commitments"]}
    now = {row["commitment"]: row for row in after["commitments"]}
    rows = []
    for name in sorted(was.keys() | now.keys()):
        old, new = was.get(name), now.get(name)
        if old == new:
            continue
        row: dict[str, Any] = {"commitment": name, "offer": (new or old or {})["offer"]}
        for word, one in (("before", old), ("after", new)):
            row[word] = None if one is None else {k: one[k] for k in ("action", "quantity", "end")}
        rows.append(row)
    return rows


def _amounts(
    before: Iterable[Document], after: Iterable[Document], key: tuple[str, ...], amount: str
) -> list[dict[str, Any]]:
    """Amounts by key, where they differ; rows of one key are added up."""
    sums: dict[tuple[Any, ...], list[float]] = {}
    for position, rows in enumerate((before, after)):
        for row in rows:
            known = sums.setdefault(tuple(row.get(name) for name in key), [0.0, 0.0])
            known[position] += float(row.get(amount) or 0.0)
    return [
        {**dict(zip(key, names, strict=True)), "before": was, "after": now, "change": now - was}
        for names, (was, now) in sorted(sums.items(), key=lambda item: str(item[0]))
        if abs(now - was) > 1e-9 * max(abs(was), abs(now))
    ]


def _why(before: Document, after: Document) -> list[dict[str, Any]]:
    """The change of the total, cause by cause; the largest first."""
    by_line = all("lines" in document["bill"] for document in (before, after))
    was, now = (_costs(document, by_line=by_line) for document in (before, after))
    changes = [
        (now.get(cause, _ZERO) - was.get(cause, _ZERO), *cause) for cause in was.keys() | now.keys()
    ]
    return [
        {"kind": kind, "name": name, "change": change}
        for change, kind, name in sorted(changes, key=lambda row: (-abs(row[0]), *row[1:]))
        if change
    ]


def _costs(document: Document, *, by_line: bool) -> dict[tuple[str, str], Decimal]:
    """What the total is made of: (kind, name) → dollars."""
    bill = document["bill"]
    costs: dict[tuple[str, str], Decimal] = {}

    def add(kind: str, name: str, amount: Any) -> None:
        costs[kind, name] = costs.get((kind, name), _ZERO) + _money(amount)

    if by_line:
        for line in bill["lines"]:
            add("on demand", line["meter"], line["on_demand"])
            add("spot", line["meter"], line["spot"])
    else:
        add("on demand", "all meters", bill["on_demand"])
        for line in document.get("spot", []):
            add("spot", line["meter"], line["cost"])
    for row in bill["commitments"]:
        name = str(row["commitment"])
        bought = name.startswith(_PLANNED)
        add("purchase" if bought else "commitment", name.removeprefix(_PLANNED), row["cost"])
    if document.get("unmet_penalties"):
        add("left unserved", "penalties", document["unmet_penalties"])
    for row in document.get("agreements", []):
        add("shortfall", row["agreement"], row["cost"])
    known = sum(costs.values(), _ZERO)
    rest = _money(document["total"]) - known
    if abs(rest) > Decimal("1e-6"):
        add("other", "what the documents do not itemise", rest)
    return costs


def _money(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
