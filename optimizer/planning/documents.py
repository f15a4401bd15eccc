# SPDX-License-Identifier: Apache-2.0
"""Plan documents read back: ``diff`` and ``explain`` need nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from optimizer.errors import DataError, UsageError
from optimizer.planning.document import SCHEMA_VERSION
from optimizer.planning.whatif.difference import difference
from optimizer.tables import Case

MOST_BYTES = 1 << 28
MOST_AMOUNT = Decimal(10) ** 12
_NEEDED = ("plan", "status", "currency", "snapshot", "settings")
_OF_A_PLAN = ("total", "purchases", "commitments", "bill", "kpis", "objective", "lower_bound")
_MEND = "To mend it: name a file that gpuopt plan -o wrote"


def plan_of_file(path: Path) -> dict[str, Any]:
    """Read a plan's JSON.

    Raises
    ------
    UsageError
        If it cannot be read, or is no plan, or one of another version.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than {MOST_BYTES >> 20} MiB. {_MEND}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. {_MEND}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not a plan: it is no JSON. {_MEND}") from None
    return checked_plan(document, str(path))


def checked_plan(document: Any, name: str) -> dict[str, Any]:
    """The same document, if it is a plan's."""
    keys: set[str] = set(document) if isinstance(document, dict) else set()
    needed = set(_NEEDED)
    if isinstance(document, dict) and document.get("status") != "infeasible":
        needed |= set(_OF_A_PLAN)
    if not needed <= keys:
        lacks = f": it has no {min(needed - keys)}" if keys else ""
        raise UsageError(f"{name} is not a plan{lacks}. {_MEND}")
    version = str(document.get("schema_version"))
    if version.split(".", maxsplit=1)[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        msg = f"{name} is of schema version {version}, this gpuopt reads {SCHEMA_VERSION}"
        raise UsageError(f"{msg}. To mend it: make the plan again")
    return dict(document)


def refuse_other_case(document: Mapping[str, Any], case: Case, name: Path) -> None:
    """Raise if a plan was made from another snapshot than that of a case."""
    if document["snapshot"] != case.snapshot:
        msg = f"{name} was made from another snapshot than {case.path} holds now"
        raise UsageError(f"{msg}. To mend it: plan the case again, or name the plan's with --case")


def purchases_of(document: Mapping[str, Any]) -> dict[str, Decimal]:
    """Amounts by offer of a plan.

    Raises
    ------
    UsageError
        If an amount is none.
    """
    amounts = {}
    for number, row in enumerate(document["purchases"], start=1):
        try:
            offer, amount = str(row["offer"]), Decimal(str(row["quantity"]))
        except (KeyError, TypeError, ArithmeticError):
            raise UsageError(f"purchase {number} of the plan is none. {_MEND}") from None
        if not amount.is_finite() or not 0 <= amount < MOST_AMOUNT:
            raise UsageError(f"purchase {number} ({offer}): {amount} is no amount. {_MEND}")
        amounts[offer] = amount
    return amounts


def diff_document(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The document of ``gpuopt diff``."""
    found = difference(before, after)
    totals = [Decimal(str(document["total"])) for document in (before, after)]
    return {
        "schema_version": SCHEMA_VERSION,
        "currency": after["currency"],
        "before": _of_plan(before),
        "after": _of_plan(after),
        "same_snapshot": before["snapshot"] == after["snapshot"],
        "total": {"before": totals[0], "after": totals[1]},
        "change": totals[1] - totals[0],
        **found,
    }


def explanation_of(document: Mapping[str, Any], offer: str | None = None) -> dict[str, Any]:
    """How the numbers of a plan come about, or all that it says of one offer or commitment.

    Raises
    ------
    DataError
        If the plan knows no such offer or commitment; with the nearest ones.
    """
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "currency": document["currency"],
        **_of_plan(document),
        "assumptions": assumptions(document),
    }
    if document["status"] == "infeasible":
        return {**found, "explanation": document.get("explanation", [])}
    if offer is None:
        found["formulae"] = formulae(document)
        found["explanation"] = document.get("explanation", [])
        return found
    rows = {
        "purchase": [row for row in document["purchases"] if row["offer"] == offer],
        "considered": [row for row in document.get("considered", []) if row["offer"] == offer],
        "commitments": [
            row for row in document["commitments"] if offer in (row["offer"], row["commitment"])
        ],
        "bill": [
            row
            for row in document["bill"]["commitments"]
            if str(row["commitment"]).removeprefix("plan ") == offer
        ],
    }
    if not any(rows.values()):
        known = [row["offer"] for row in document["purchases"] + document.get("considered", [])]
        known += [row["commitment"] for row in document["commitments"]]
        close = get_close_matches(offer, known, n=3) or sorted(known)[:3]
        raise DataError(
            f"the plan knows no offer or commitment '{offer}'",
            mend=f"name one of its own, such as {', '.join(close)}",
        )
    found |= {"offer": offer, **{name: those for name, those in rows.items() if those}}
    found["explanation"] = _sentences(document, offer, rows)
    return found


def assumptions(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a number of a plan must not be read without."""
    settings = document["settings"]
    return {
        "as_of": document.get("as_of", settings.get("as_of")),
        "horizon_hours": settings.get("horizon_hours"),
        "discount_rate": settings.get("finance", {}).get("discount_rate"),
        "after_horizon": settings.get("finance", {}).get("after_horizon"),
        "risk": settings.get("risk", {}).get("measure"),
        "edits": document.get("edits", []),
        "gap": document.get("gap"),
    }


def formulae(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The plan's totals with how each is computed."""
    bill = document["bill"]
    rows = [
        ("total", "on_demand + spot + commitment_cost + unmet penalties + shortfalls", document),
        ("on_demand", "Σ uncovered units × on-demand price, hour by hour", bill),
        ("spot", "Σ units on spot × spot price", bill),
        ("commitment_cost", "amortised cost of what is held and bought, used or not", bill),
        ("baseline", "the same bill with what is held or queued, nothing new", document),
        ("savings", "baseline − total", document),
        ("objective", "whole terms, tail, discount and rework under the law", document),
        ("lower_bound", "the certificate: no plan's objective is lower", document),
        ("gap", "(objective − lower_bound) / objective", document),
    ]
    return [
        {"figure": name, "formula": formula, "value": of[name]}
        for name, formula, of in rows
        if of.get(name) is not None
    ]


def _sentences(
    document: Mapping[str, Any], offer: str, rows: Mapping[str, list[dict[str, Any]]]
) -> list[str]:
    lines = [text for text in document.get("explanation", []) if offer in text]
    for row in rows["purchase"]:
        cost, rest = (Decimal(str(row[k])) for k in ("cost", "remaining_at_horizon"))
        lines.append(
            f"{row['quantity']:g} are bought from {row['start'][:10]} to {row['end'][:10]}: "
            f"${cost:,.2f} of it amortised within the horizon, ${rest:,.2f} after it."
        )
        if row.get("break_even_hours") is not None:
            lines.append(
                f"It pays after {row['break_even_hours']:,.0f} of its {row['term_hours']:,} hours: "
                "whole-term cost ÷ what an hour of full use avoids on demand."
            )
        if row.get("marginal_value") is not None:
            lines.append(
                f"One more unit would avoid ${Decimal(str(row['marginal_value'])):,.2f} "
                "over its term, measured on the replayed objective."
            )
    for row in rows["bill"]:
        held = row["used"] + row["unused"]
        share = f"{row['used'] / held:.1%}" if held else "nothing"
        lines.append(f"The replay uses {share} of it, for ${Decimal(str(row['cost'])):,.2f}.")
    lines += [f"It is not bought: {row['reason']}{_adds(row)}." for row in rows["considered"]]
    lines += [
        f"{row['commitment']} is held: {row['quantity']:g} until {row['end'][:10]} "
        f"({row['action'].replace('_', ' ')})."
        for row in rows["commitments"]
    ]
    return lines


def _adds(row: Mapping[str, Any]) -> str:
    return "" if row["cost"] is None else f"; some of it adds ${Decimal(str(row['cost'])):,.2f}"


def _of_plan(document: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("plan", "snapshot", "status", "as_of", "total", "edits")
    return {key: document[key] for key in keys if key in document}
