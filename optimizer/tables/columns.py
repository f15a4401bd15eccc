# SPDX-License-Identifier: Apache-2.0
"""The SQL that judges the values of a column and turns them into what is kept."""

from __future__ import annotations

import re
from typing import NamedTuple

from optimizer.tables.hours import HOUR_PATTERN, hour_problem
from optimizer.tables.schema import NUMERIC, Column

PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"
# Programs write small shares as 1e-05; a decimal of money has to be plain.
PATTERNS = {
    "decimal": PLAIN,
    "number": PLAIN + "([eE][+-]?[0-9]+)?",
    "share": PLAIN + "([eE][+-]?[0-9]+)?",
    "integer": r"[+-]?[0-9]{1,15}(\.0*)?",
}


class Sql(NamedTuple):
    """SQL of one column: as it was read, whether it is refused, as it is kept."""

    raw: str
    refused: str
    value: str


def expressions(column: Column, raw: str, kind: str) -> Sql:
    """Return the SQL of a column that is read as a type of DuckDB which its kind accepts."""
    family = family_of(kind)
    fine, value = _judge(column, raw, kind)
    absent = f"{_present(raw, family)} IS NULL"
    if column.required:
        return Sql(raw, f"({absent} OR NOT coalesce({fine}, false))", value)
    return Sql(raw, f"NOT ({absent} OR coalesce({fine}, false))", value)


def explain(column: Column, text: str) -> tuple[str, str]:
    """Say what is wrong with a refused value of a column, and how to mend it."""
    if not text:
        return f"{column.name} is empty", f"fill it in: {column.description}"
    if column.kind == "hour":
        return hour_problem(text)
    if column.kind == "enum":
        return f"'{text}' is not allowed", f"use one of {', '.join(column.choices)}"
    if column.kind == "boolean":
        return f"'{text}' is neither true nor false", "write true or false, or leave it empty"
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    mend = "write a plain number such as 12.5, without signs of currency or thousands"
    if number in (float("inf"), float("-inf")) or text.lower() in ("nan", "-nan", "+nan"):
        return f"'{text}' is not a finite number", "write a number, or leave it empty if absent"
    if re.fullmatch(PATTERNS.get(column.kind, ".*"), text) is None:
        if column.kind == "integer":
            mend = "write a whole number such as 8760, without thousands separators"
        kind = {"integer": "a whole number", "decimal": "a plain decimal"}
        return f"'{text}' is not {kind.get(column.kind, 'a number')}", mend
    if column.kind == "share":
        return f"the share {text} is not in 0 to 1", "write a share, so 0.25 for 25 percent"
    return (
        f"{text} is not {column.bound} {column.limit}",
        f"write a value {column.bound} {column.limit}",
    )


def _judge(column: Column, raw: str, kind: str) -> tuple[str, str]:
    """Return the SQL of (this value is fine, this value as it is kept)."""
    family = family_of(kind)
    value = _present(raw, family)
    if column.kind in ("id", "text", "list"):
        return "true", value
    if column.kind == "enum":
        return f"{value} IN ({', '.join(repr(choice) for choice in column.choices)})", value
    if column.kind == "boolean":
        if family == "boolean":
            return "true", raw
        return f"lower({value}) IN ('true', 'false')", f"(lower({value}) = 'true')"
    if column.kind == "hour":
        if family == "timestamp":
            # epoch_us needs no time zone tables, a cast from TIMESTAMPTZ would.
            return f"(isfinite({raw}) AND epoch_us({raw}) % 3600000000 = 0)", (
                f"(epoch_us({raw}) // 3600000000)"
            )
        moment = f"TRY_CAST(rtrim({value}, 'Z') AS TIMESTAMP)"
        return (
            f"(regexp_full_match({value}, '{HOUR_PATTERN}') AND {moment} IS NOT NULL)",
            f"(epoch_us({moment}) // 3600000000)",
        )
    # Other numbers go through their text, which is what rounds them right; a double is itself.
    number = raw if kind == "DOUBLE" else f"TRY_CAST({value} AS DOUBLE)"
    tests = [f"isfinite({number})"]
    if family == "text":
        tests.append(f"regexp_full_match({value}, '{PATTERNS[column.kind]}')")
    if column.kind == "share":
        tests.append(f"{number} BETWEEN 0 AND 1")
    if column.bound:
        tests.append(f"{number} {column.bound} {column.limit}")
    if column.kind == "integer":
        tests.append(f"{number} = floor({number}) AND abs({number}) < 1e15")
        number = f"TRY_CAST({number} AS BIGINT)"  # of a refused value, too
    fine = f"({' AND '.join(tests)})"
    return fine, value if column.kind == "decimal" else number


def _present(raw: str, family: str) -> str:
    """Return the SQL of the value, NULL if it is absent; a number as its shortest exact text."""
    if family == "text":
        return f"NULLIF(trim({raw}), '')"
    if family in ("number", "integer"):
        return f"CAST({raw} AS VARCHAR)"
    return raw


def family_of(kind: str) -> str:
    """Return which kind of value a type of DuckDB holds."""
    if kind == "VARCHAR":
        return "text"
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return "number"
    if re.fullmatch("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?", kind):
        return "integer"
    if kind.startswith("TIMESTAMP"):
        return "timestamp"
    return kind.lower()


def accepted(kind: str) -> tuple[str, ...]:
    """Return the families that a column of a kind can be read from."""
    if kind in NUMERIC:
        return ("text", "number", "integer")
    return {"hour": ("text", "timestamp"), "boolean": ("text", "boolean")}.get(kind, ("text",))


def sql_type(column: Column) -> str:
    """Return the type in which a column is kept."""
    types = {"number": "DOUBLE", "share": "DOUBLE", "integer": "BIGINT", "hour": "BIGINT"}
    return {**types, "boolean": "BOOLEAN"}.get(column.kind, "VARCHAR")


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
