# SPDX-License-Identifier: Apache-2.0
"""The one grammar of what-ifs: the words of ``--set``, of JSON and of the page.

    TARGET [ "[" COLUMN = PATTERN , … "]" ] [ . COLUMN ] OPERATOR VALUE

``docs/what-if.md`` has every word.  In JSON an edit is the same text, or an object with the
keys ``target``, ``where``, ``column``, ``op`` and ``value``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from optimizer.planning.whatif.edits import (
    COMPARISONS,
    Add,
    Cells,
    Change,
    Demand,
    Drop,
    Edit,
    EditError,
    Keep,
    Setting,
    Where,
)
from optimizer.tables import TABLES, Limits, Risk, Solve, table

MOST_EDITS = 50
MOST_LENGTH = 2_000
MOST_FACTOR = Decimal(1_000)
DOCS = "docs/what-if.md lists the words"

# Short words for what is asked most, and what they stand for: (table, column).
SHORT = {
    "price": ("meters", "on_demand"),
    "spot_price": ("meters", "spot"),
    "terms": ("offers", "term_hours"),
    "availability": ("meters", "availability"),
    "odds": ("initiatives", "odds"),
    "quality_floor": ("workloads", "quality_floor"),
    "ttft_ms": ("workloads", "ttft_ms"),
    "tpot_ms": ("workloads", "tpot_ms"),
}
SECTIONS: dict[str, tuple[str, ...]] = {
    "": ("horizon_hours",),
    "finance": ("discount_rate", "after_horizon"),
    "risk": tuple(f.name for f in fields(Risk)),
    "limits": tuple(f.name for f in fields(Limits)),
    "solve": tuple(f.name for f in fields(Solve)),
}
_FIXED = ("currency", "as_of", "sharing")
_EDIT = re.compile(
    r"\s*(?P<target>[a-z_]+)\s*(?:\[(?P<where>[^\]]*)\])?\s*(?:\.\s*(?P<column>[A-Za-z_]\w*))?\s*"
    r"(?P<op>\+=|-=|<=|>=|!=|==|=|<|>)\s*(?P<value>.*)",
    re.DOTALL,
)
_PERCENT = re.compile(r"([+-]?)(\d+(?:\.\d+)?)%")
_TIMES = re.compile(r"[x×*](\d+(?:\.\d+)?)")
_PLUS = re.compile(r"[+-]\d+(?:\.\d+)?")


def parse_edits(edits: Sequence[str | Mapping[str, Any]]) -> tuple[Edit, ...]:
    """Read edits as ``--set`` or JSON has them.

    Raises
    ------
    EditError
        For a word, table, column or key that there is none of, with the nearest; a value that
        makes no sense; two edits of the same thing; too many edits.
    """
    if len(edits) > MOST_EDITS:
        raise EditError(
            f"{len(edits)} edits", f"a what-if has at most {MOST_EDITS}", mend="ask for less"
        )
    found: list[Edit] = []
    for edit in edits:
        parsed = parse_edit(edit if isinstance(edit, str) else _written(edit))
        same = [known for known in found if _target(known) == _target(parsed)]
        if same:
            raise EditError(
                parsed.written,
                f"it contradicts {same[0].written!r}: both change the same",
                mend="keep one of the two",
            )
        found.append(parsed)
    return tuple(found)


def parse_edit(written: str) -> Edit:
    """Read one edit."""
    if len(written) > MOST_LENGTH:
        raise EditError(
            written[:40] + "…", f"it is longer than {MOST_LENGTH} characters", mend="write less"
        )
    match = _EDIT.fullmatch(written)
    if match is None:
        raise EditError(
            written,
            "it is no edit: TARGET=VALUE, TARGET[COLUMN=PATTERN].COLUMN=VALUE, TABLE+=…, TABLE-=…",
            mend=f"write it as demand=+20%; {DOCS}",
        )
    target, column, op = match["target"], match["column"], match["op"]
    value = match["value"].strip()
    where = _where(written, match["where"])
    if not value:
        raise EditError(written, "it has no value", mend="write one behind the sign")
    if target == "demand":
        return _demand(written, where, column, op, value)
    if target in SHORT and column is None:
        target, column = SHORT[target]
    if op in ("+=", "-="):
        return _rows(written, target, where, column, op, value)
    setting = _setting(written, target, where, column, op, value)
    if setting is not None:
        return setting
    if target in SECTIONS and target in TABLES:
        names = [c.name for c in table(target).columns]
        if column not in names:
            both = (*names, *SECTIONS[target])
            raise EditError(
                written,
                f"neither the table {target} nor [{target}] has '{column}'",
                mend=f"use one of {', '.join(both)}",
                near=near(column or "", both),
            )
    known = _column(written, target, column)
    if op in COMPARISONS:
        return Keep(written, target, where, known, op, value)
    return Cells(written, target, where, known, _change(written, value))


def _written(edit: Mapping[str, Any]) -> str:
    """An edit of JSON as its text."""
    allowed = {"target", "where", "column", "op", "value"}
    unknown = sorted(set(edit) - allowed)
    if unknown or not {"target", "value"} <= set(edit):
        raise EditError(
            str(dict(edit))[:80],
            f"the keys of an edit are {', '.join(sorted(allowed))}; target and value must be there",
            mend="correct the keys, or write the edit as a text",
        )
    value, where = edit["value"], edit.get("where") or {}
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, Mapping):
        value = ",".join(f"{key}:{cell}" for key, cell in value.items())
    if not isinstance(where, Mapping) or not isinstance(value, str | int | float):
        raise EditError(
            str(dict(edit))[:80], "where is an object, value a text or number", mend="correct it"
        )
    inside = ",".join(f"{key}={pattern}" for key, pattern in where.items())
    column = f".{edit['column']}" if edit.get("column") else ""
    return f"{edit['target']}{f'[{inside}]' if inside else ''}{column}{edit.get('op', '=')}{value}"


def _where(written: str, text: str | None) -> Where:
    pairs = []
    for part in (text or "").split(",") if text is not None else ():
        column, sign, pattern = (piece.strip() for piece in part.partition("="))
        if not sign or not column or not pattern:
            raise EditError(
                written,
                f"'{part.strip()}' in brackets is not COLUMN=PATTERN",
                mend="write it as demand[meter=aws/*]=+20%",
            )
        pairs.append((column, pattern))
    return Where(tuple(sorted(pairs)))


def _demand(written: str, where: Where, column: str | None, op: str, value: str) -> Demand:
    change = _change(written, value)
    if column is not None or op != "=" or change.kind != "times":
        raise EditError(
            written,
            "demand changes by a share or a factor",
            mend="write it as demand=+20%, demand=-50% or demand=x2; "
            "new usage is usage+=meter:NAME,quantity:AMOUNT",
        )
    return Demand(written, where, change.amount)


def _rows(
    written: str, target: str, where: Where, column: str | None, op: str, value: str
) -> Add | Drop:
    _table(written, target)
    if where.columns or column is not None:
        raise EditError(
            written,
            f"{op} takes a table alone",
            mend=f"write it as {target}{op}…, without brackets and column",
        )
    if op == "-=":
        if target == "usage":
            raise EditError(written, "usage has no names", mend="write demand[meter=NAME]=-100%")
        return Drop(written, target, value)
    values = []
    for part in re.split(r",(?=\s*[A-Za-z_]\w*:)", value):
        name, sign, cell = (piece.strip() for piece in part.partition(":"))
        if not sign:
            raise EditError(
                written,
                f"'{part}' is not COLUMN:VALUE",
                mend=f"write it as {target}+=COLUMN:VALUE,COLUMN:VALUE",
            )
        values.append((_column(written, target, name), cell))
    twice = {name for name, _ in values if [n for n, _ in values].count(name) > 1}
    if twice:
        raise EditError(written, f"{min(twice)} is given twice", mend="keep one of the two")
    return Add(written, target, tuple(values))


def _setting(
    written: str, target: str, where: Where, column: str | None, op: str, value: str
) -> Setting | None:
    """An edit of a key of case.toml; ``None`` if it is of a table."""
    if column is None and (target in SECTIONS[""] or target in _FIXED):
        section, key = "", target
    elif target in SECTIONS and (target not in TABLES or column in SECTIONS[target]):
        section, key = target, column or ""
    else:
        return None
    if key in _FIXED:
        raise EditError(
            written, f"{key} is what the snapshot was taken with", mend="pull another snapshot"
        )
    if key not in SECTIONS[section]:
        raise EditError(
            written,
            f"[{section}] has no key '{key}'",
            mend=f"its keys are {', '.join(SECTIONS[section])}",
            near=near(key, SECTIONS[section]),
        )
    if op != "=" or where.columns:
        raise EditError(written, "a setting takes = alone", mend=f"write {section}.{key}=VALUE")
    return Setting(written, section, key, _change(written, value))


def _table(written: str, name: str) -> None:
    if name not in TABLES:
        words = (*TABLES, "demand", *SHORT, *SECTIONS, *SECTIONS[""])
        raise EditError(
            written, f"there is no word or table '{name}'", mend=DOCS, near=near(name, words)
        )


def _column(written: str, target: str, column: str | None) -> str:
    _table(written, target)
    names = [known.name for known in table(target).columns]
    if column is None:
        raise EditError(
            written, f"it names no column of {target}", mend=f"write {target}.COLUMN=VALUE"
        )
    if target == "usage" and column == "quantity" and "+=" not in written:
        raise EditError(written, "usage changes by demand", mend="write demand[…]=+20%")
    if column not in names and not column.startswith("tag_"):
        raise EditError(
            written,
            f"{target} has no column '{column}'",
            mend=f"its columns are {', '.join(names)}",
            near=near(column, names),
        )
    return column


def _change(written: str, value: str) -> Change:
    """+20% and -20% are shares of what is there, x2 a factor, +5 and -5 added; else a value."""
    percent, times = _PERCENT.fullmatch(value), _TIMES.fullmatch(value)
    try:
        if percent and percent[1]:
            change = Change("times", 1 + Decimal(percent[1] + percent[2]) / 100)
        elif times:
            change = Change("times", Decimal(times[1]))
        elif _PLUS.fullmatch(value):
            change = Change("plus", Decimal(value))
        else:
            change = Change("set", text=value)
    except InvalidOperation:
        raise EditError(written, f"'{value}' is no number", mend="write fewer digits") from None
    if change.kind == "times" and not 0 <= change.amount <= MOST_FACTOR:
        raise EditError(
            written,
            f"'{value}' makes it {change.amount} times what it is",
            mend=f"stay between -100% and x{MOST_FACTOR}",
        )
    if percent and not percent[1]:
        raise EditError(
            written, f"'{value}' has no sign", mend=f"write +{value}, -{value} or a plain number"
        )
    if change.kind == "set" and value.lower() in ("nan", "inf", "-inf", "+inf", "infinity"):
        raise EditError(written, f"'{value}' is no number", mend="write a plain number")
    return change


def _target(edit: Edit) -> tuple[object, ...]:
    """What an edit is of: two edits of the same contradict each other."""
    if isinstance(edit, Demand):
        return ("demand", edit.where)
    if isinstance(edit, Cells):
        return ("cells", edit.table, edit.where, edit.column)
    if isinstance(edit, Keep):
        return ("keep", edit.table, edit.where, edit.column, edit.comparison)
    if isinstance(edit, Setting):
        return ("setting", edit.section, edit.key)
    if isinstance(edit, Drop):
        return ("drop", edit.table, edit.pattern)
    return ("add", edit)


def near(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names that may have been meant: alike, or with the same end."""
    alike = get_close_matches(name, list(known), n=3, cutoff=0.6)
    ends = [one for one in known if name and one.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]]
    return tuple(dict.fromkeys([*ends[:3], *alike]))[:3]
