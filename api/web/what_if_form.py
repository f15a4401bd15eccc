# SPDX-License-Identifier: Apache-2.0
"""The form of a what-if: each field is one edit of the grammar, and finds its way back.

The fields are what is asked most; everything else of docs/what-if.md can be written as text,
one edit a line. What a field refuses stands beside it, in the words of the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.planning.whatif import EditError, parse_edits

TERMS = {"730": "a month", "8760": "a year", "26280": "three years"}
MORE = "more"

_PERCENT = re.compile(r"\s*([+-]?)(\d{1,6}(?:[.,]\d{1,6})?)\s*%?\s*")
_TIMES = re.compile(r"\s*[x×*]\d{1,4}(?:\.\d{1,6})?\s*")
_NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Field:
    """A field that makes one edit, ``WORD[of]OPERATOR VALUE``.

    Parameters
    ----------
    name
        In the URL and the form.
    head, sign
        What stands before the value; ``{of}`` in ``head`` takes the condition.
    of
        The field that narrows it down, as ``COLUMN=PATTERN``; or empty.
    percent
        Whether a plain number is a change in per cent.
    """

    name: str
    head: str
    of: str = ""
    percent: bool = False
    of_column: str = ""

    def edit(self, fields: Mapping[str, str]) -> str | None:
        """The edit that the field makes; ``None`` if it was left empty."""
        value = fields.get(self.name, "").strip()
        if not value:
            return None
        if self.percent:
            value = _percent(value)
            if not value:
                return None
        of = fields.get(self.of, "").strip() if self.of else ""
        if of and self.of_column:
            of = f"{self.of_column}={of}"
        return self.head.replace("{of}", f"[{of}]" if of else "") + value

    def fields(self, edit: str) -> dict[str, str] | None:
        """The fields that make an edit; ``None`` if this field does not make it."""
        start, marked, end = self.head.partition("{of}")
        value = _NUMBER if not self.percent else rf"[+-]{_NUMBER}%"
        if self.name in ("without_offers", "without_model"):
            value = r".+"
        of = r"(?:\[(?P<of>[^\]]*)\])?" if marked else ""
        pattern = f"{re.escape(start)}{of}{re.escape(end)}(?P<value>{value})"
        found = re.fullmatch(pattern, edit, re.DOTALL)
        if found is None:
            return None
        told = {self.name: found["value"].removesuffix("%") if self.percent else found["value"]}
        if marked and found["of"]:
            given = found["of"]
            if self.of_column:
                column, _, given = given.partition("=")
                if column != self.of_column:
                    return None
            told[self.of] = given
        return told


FIELDS = (
    Field("demand", "demand{of}=", of="demand_of", percent=True),
    Field("price", "price{of}=", of="price_of", percent=True),
    Field("without_offers", "offers-="),
    Field("longest", "terms<="),
    Field("upfront", "limits.upfront_cash="),
    Field("without_model", "deployments.model!="),
    Field("quality", "quality_floor{of}=", of="quality_of", of_column="workload"),
    Field("ttft", "ttft_ms{of}=", of="ttft_of", of_column="workload"),
)
NAMES = (*(name for each in FIELDS for name in (each.name, each.of) if name), MORE)


@dataclass
class Form:
    """What was filled in, the edits that it makes, and what is wrong with it by field."""

    values: dict[str, str]
    edits: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether there is something to ask, and nothing in the way."""
        return bool(self.edits) and not self.wrong

    def blame(self, message: str) -> bool:
        """Put what is wrong with an edit, by the edit that it begins with, beside its field."""
        for name, edit in self.made():
            if message.startswith(f"{edit!r}: "):
                self.wrong.setdefault(name, []).append(message)
                return True
        return False

    def made(self) -> list[tuple[str, str]]:
        """The edits, each with the field that it is of."""
        made = [(each.name, each.edit(self.values)) for each in FIELDS]
        return [
            *((name, edit) for name, edit in made if edit),
            *((MORE, edit) for edit in _lines(self.values.get(MORE, ""))),
        ]


def read(fields: Mapping[str, str]) -> Form:
    """Read the fields of a form or a URL; a field that is not known is left out."""
    form = Form({name: fields[name] for name in NAMES if fields.get(name, "").strip()})
    for each in FIELDS:
        value = form.values.get(each.name, "")
        if each.percent and value and not (_PERCENT.fullmatch(value) or _TIMES.fullmatch(value)):
            form.wrong[each.name] = [
                f"{value[:40]!r} is no change. To mend it: write per cent, as 20 or -10, or x2"
            ]
    for name, edit in form.made():
        if name != MORE and name in form.wrong:
            continue
        try:
            parse_edits([*form.edits, edit])
        except EditError as error:
            form.wrong.setdefault(name, []).append(str(error))
        else:
            form.edits.append(edit)
    for each in FIELDS:
        if each.of and each.of in form.values and each.name not in form.values:
            form.wrong.setdefault(each.name, []).append(
                "it says of what, but not by how much. To mend it: fill in both, or neither"
            )
    return form


def of_edits(edits: Iterable[str | Mapping[str, object]]) -> Form:
    """The form that makes some edits: those of a question that was asked before.

    An edit that no field makes, or whose field is taken, becomes a line of text.
    """
    values: dict[str, str] = {}
    rest = []
    for edit in edits:
        written = edit if isinstance(edit, str) else parse_edits([edit])[0].written
        told = next((f for each in FIELDS if (f := each.fields(written)) is not None), None)
        if told is None or set(told) & set(values):
            rest.append(written)
        else:
            values |= told
    if rest:
        values[MORE] = "\n".join(rest)
    return read(values)


def steps(edits: Sequence[str]) -> list[list[str]]:
    """The questions that lead to one: its first edit, its first two, and so on."""
    return [list(edits[: n + 1]) for n in range(len(edits))]


def _percent(value: str) -> str:
    """A share with its sign: ``20`` is +20%; what is no number is left to the grammar."""
    found = _PERCENT.fullmatch(value)
    if found is None:
        return value.strip()
    number = found[2].replace(",", ".")
    if not float(number):
        return ""  # a slider that was put back
    return f"{found[1] or '+'}{number}%"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
