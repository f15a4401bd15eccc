# SPDX-License-Identifier: Apache-2.0
"""Edits of ``case.toml``: the edited settings are read as a file's would be."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

from optimizer.errors import DataError
from optimizer.planning.whatif.edits import EditError, Setting
from optimizer.tables import Settings, decimal_string, parse_settings

MOST_HORIZON = 10 * 8760


def edited_settings(settings: Settings, edit: Setting) -> Settings:
    """Return the settings with one key changed; refused as in a file."""
    document = settings.as_dict()
    section = document[edit.section] if edit.section else document
    section[edit.key] = _value(settings, edit, section.get(edit.key))
    if section[edit.key] is None:
        del section[edit.key]
    try:
        made = parse_settings(to_toml(document))
    except DataError as error:
        raise EditError(edit.written, error.problem, mend=error.mend) from error
    if made.horizon_hours > MOST_HORIZON:
        raise EditError(
            edit.written,
            f"{made.horizon_hours} hours are more than ten years",
            mend="write the hours of the horizon; a year has 8760",
        )
    return made


def to_toml(document: dict[str, Any]) -> str:
    """Write settings as ``case.toml`` has them; absent keys are left out."""
    plain = {k: v for k, v in document.items() if not isinstance(v, dict)}
    lines = [f"{key} = {_literal(value)}" for key, value in plain.items()]
    for name, section in document.items():
        if not isinstance(section, dict):
            continue
        lists = {k: v for k, v in section.items() if _is_tables(v)}
        lines.append(f"[{name}]")
        lines += [f"{k} = {_literal(v)}" for k, v in section.items() if k not in lists]
        for key, entries in lists.items():
            for entry in entries:
                lines.append(f"[[{name}.{key}]]")
                lines += [f"{k} = {_literal(v)}" for k, v in entry.items()]
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    """Whether a list is one of tables, which TOML writes apart, and not of plain values."""
    return isinstance(value, list) and bool(value) and all(isinstance(e, dict) for e in value)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and booleans are alike in TOML


def _value(settings: Settings, edit: Setting, now: Any) -> Any:
    """The key's new value in the type that the file has it in."""
    owner = getattr(settings, edit.section) if edit.section in vars(settings) else settings
    kinds = {f.name: str(f.type) for f in fields(owner)}
    kind = kinds.get(edit.key, "str")
    if edit.change.relative:
        try:
            after = edit.change.of(Decimal(str(now)))
        except ArithmeticError:
            raise EditError(
                edit.written, f"{edit.key} has no number to change", mend="write its new value"
            ) from None
        text = decimal_string(after)
    else:
        text = edit.change.text
    if text == "none":
        return None
    if "Decimal" in kind or "str" in kind:
        return text
    if text in ("true", "false"):
        return text == "true"
    try:
        number = Decimal(text)
    except ArithmeticError:
        return text  # refused by the reader, in its words
    whole = number == number.to_integral_value() and abs(number) < Decimal(10) ** 15
    return int(number) if whole else float(number)
