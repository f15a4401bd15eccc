# SPDX-License-Identifier: Apache-2.0
"""The settings of a case: ``case.toml``, every key typed and with its default."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from optimizer.errors import DataError
from optimizer.tables.hours import format_hour, parse_hour
from optimizer.tables.money import decimal_string, is_currency

FILE = "case.toml"
FORECASTERS = ("weeks", "seasonal", "statsforecast")
DEFAULT_SCENARIOS = 20
_LONGEST = 100  # characters of a name
SHARING_MODES = ("organization", "prioritized", "restricted", "off")


class SharingRule(NamedTuple):
    """From which day on a provider shares commitments between accounts, and how."""

    start: date
    mode: str


@dataclass(frozen=True)
class Risk:
    """``[risk]``: what is minimised, and how sure of quality and latency to be."""

    measure: str = "expected"
    cvar_alpha: float | None = None
    cvar_weight: float | None = None
    queueing: str = "off"
    quality_confidence: float = 0.95


@dataclass(frozen=True)
class Demand:
    """``[demand]``: how the hours without given usage are forecast, and in how many futures."""

    forecaster: str = "weeks"
    scenarios: int = 1
    ranges: int = DEFAULT_SCENARIOS
    planned: int = DEFAULT_SCENARIOS


@dataclass(frozen=True)
class Limits:
    """``[limits]``: what a plan must keep to; ``None`` is no limit. Money is in the currency."""

    upfront_cash: Decimal | None = None
    largest_purchase: Decimal | None = None
    spot_share: float | None = None
    quality_average: float | None = None
    max_unused_share: float | None = None
    survive_zone_loss: bool = False


@dataclass(frozen=True)
class Ladder:
    """``[ladder]``: when more may be bought, in months from now, and how finely futures part."""

    steps: tuple[int, ...] = (1, 3, 6, 9)
    nodes: int = 6


@dataclass(frozen=True)
class Solve:
    """``[solve]``: which way to solve, the relative gap to reach, and the safety stop."""

    method: str = "auto"
    gap: float = 0.001
    seconds: float = 60.0
    seed: int = 7


@dataclass(frozen=True)
class Settings:
    """The settings of a case.

    Parameters
    ----------
    currency
        ISO 4217.
    as_of
        The hour in which decisions are taken, in hours since 1970-01-01T00Z.
    horizon_hours
        The hours ``[as_of, as_of + horizon_hours)`` are planned.
    discount_rate
        Per year, of upfront against later cash.
    after_horizon
        ``tail`` or ``prorata``.
    sharing
        By provider, the rules in the order of their dates.
    name
        Whose case it is, as reports are titled by; ``""`` without one.
    """

    currency: str
    as_of: int
    horizon_hours: int = 8760
    discount_rate: Decimal = Decimal(0)
    after_horizon: str = "tail"
    risk: Risk = Risk()
    sharing: Mapping[str, tuple[SharingRule, ...]] = field(default_factory=dict)
    limits: Limits = Limits()
    demand: Demand = Demand()
    solve: Solve = Solve()
    ladder: Ladder = Ladder()
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return all settings in the shape of ``case.toml``, ready for JSON.

        Money and rates are decimal strings, the hour is text, absent limits are left out.
        """
        return {
            **({"name": self.name} if self.name else {}),
            "currency": self.currency,
            "as_of": format_hour(self.as_of),
            "horizon_hours": self.horizon_hours,
            "finance": {
                "discount_rate": decimal_string(self.discount_rate),
                "after_horizon": self.after_horizon,
            },
            "risk": _plain(self.risk),
            "sharing": {
                provider: [{"from": r.start.isoformat(), "mode": r.mode} for r in rules]
                for provider, rules in sorted(self.sharing.items())
            },
            "limits": _plain(self.limits),
            "demand": _plain(self.demand),
            "solve": _plain(self.solve),
            "ladder": _plain(self.ladder),
        }


def _plain(section: Risk | Limits | Demand | Ladder | Solve) -> dict[str, Any]:
    return {
        key: decimal_string(value)
        if isinstance(value, Decimal)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in vars(section).items()
        if value is not None
    }


def parse_settings(text: str) -> Settings:
    """Return the settings that the text of a ``case.toml`` states.

    Raises
    ------
    DataError
        If the text is not TOML, ``currency`` or ``as_of`` is missing, or a key is
        unknown or has a wrong value; the key is the error's column.
    """
    try:
        document = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"not valid TOML: {error}", mend="correct the line", file=FILE) from None
    top = _Section("", document)
    finance, risk = top.section("finance"), top.section("risk")
    limits, solve = top.section("limits"), top.section("solve")
    demand, ladder = top.section("demand"), top.section("ladder")
    forecaster = demand.choice("forecaster", FORECASTERS)
    settings = Settings(
        name=top.line("name"),
        currency=top.currency(),
        as_of=top.hour("as_of"),
        horizon_hours=top.integer("horizon_hours", 8760, least=1),
        discount_rate=finance.decimal("discount_rate") or Decimal(0),
        after_horizon=finance.choice("after_horizon", ("tail", "prorata")),
        risk=Risk(
            measure=risk.choice("measure", ("expected", "cvar")),
            cvar_alpha=risk.share("cvar_alpha"),
            cvar_weight=risk.share("cvar_weight"),
            queueing=risk.choice("queueing", ("off", "mgc")),
            quality_confidence=risk.number("quality_confidence", 0.95, most=1),
        ),
        sharing=_sharing(top.section("sharing")),
        limits=Limits(
            upfront_cash=limits.decimal("upfront_cash"),
            largest_purchase=limits.decimal("largest_purchase"),
            spot_share=limits.share("spot_share"),
            quality_average=limits.share("quality_average"),
            max_unused_share=limits.share("max_unused_share"),
            survive_zone_loss=limits.boolean("survive_zone_loss"),
        ),
        demand=Demand(
            forecaster=forecaster,
            scenarios=demand.integer(
                "scenarios", 1 if forecaster == "weeks" else DEFAULT_SCENARIOS, least=1
            ),
            ranges=demand.integer("ranges", DEFAULT_SCENARIOS, least=0),
            planned=demand.integer("planned", DEFAULT_SCENARIOS, least=1),
        ),
        solve=Solve(
            method=solve.choice("method", ("auto", "reference", "partition", "mathopt")),
            gap=solve.number("gap", 0.001),
            seconds=solve.number("seconds", 60.0),
            seed=solve.integer("seed", 7, least=0),
        ),
        ladder=Ladder(
            steps=ladder.months("steps", Ladder().steps),
            nodes=ladder.integer("nodes", Ladder().nodes, least=1),
        ),
    )
    for part in (top, finance, risk, limits, demand, solve, ladder):
        part.refuse_unknown()
    if settings.risk.measure == "cvar":
        for key in ("cvar_alpha", "cvar_weight"):
            if getattr(settings.risk, key) is None:
                raise risk.error(key, "is missing", "state it, or set measure to expected")
    return settings


def _sharing(section: _Section) -> dict[str, tuple[SharingRule, ...]]:
    result = {}
    for provider, entries in section.values.items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise section.error(
                provider, "is not a list of tables", f"write it as [[sharing.{provider}]]"
            )
        rules = []
        for values in entries:
            entry = _Section(f"sharing.{provider}.", values)
            rules.append(SharingRule(entry.day("from"), entry.choice("mode", SHARING_MODES, True)))
            entry.refuse_unknown()
        # A stable sort: of two entries of one day the later one in the file still decides.
        result[provider] = tuple(sorted(rules, key=lambda rule: rule.start))
    return result


class _Section:
    """One table of the document; remembers which keys were asked for."""

    def __init__(self, prefix: str, values: dict[str, Any]) -> None:
        self.prefix = prefix
        self.values = values
        self.known: set[str] = set()

    def error(self, key: str, problem: str, mend: str) -> DataError:
        return DataError(f"{key} {problem}", mend=mend, file=FILE, column=self.prefix + key)

    def refuse_unknown(self) -> None:
        for key in self.values:
            if key not in self.known:
                raise self.error(
                    key, "is unknown", f"remove it, or use one of {sorted(self.known)}"
                )

    def get(self, key: str) -> Any:
        self.known.add(key)
        return self.values.get(key)

    def section(self, key: str) -> _Section:
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, f"is {value!r}, not a table", f"write it as [{key}]")
        return _Section(f"{key}.", value or {})

    def text(self, key: str, mend: str) -> str:
        value = self.get(key)
        if value is None:
            raise self.error(key, "is missing", mend)
        if not isinstance(value, str):
            raise self.error(key, f"is {value!r}, not a text in quotes", mend)
        return value

    def line(self, key: str) -> str:
        if self.get(key) is None:
            return ""
        mend = f"write {key} as a text in quotes, of one line and at most {_LONGEST} characters"
        value = self.text(key, mend).strip()
        if not value.isprintable() or len(value) > _LONGEST:
            raise self.error(key, "is longer, or has a character that is not printed", mend)
        return value

    def currency(self) -> str:
        mend = 'write three capital letters in quotes, as in currency = "USD"'
        value = self.text("currency", mend)
        if not is_currency(value):
            raise self.error("currency", f"is '{value}', which is no currency", mend)
        return value

    def hour(self, key: str) -> int:
        value = self.text(key, f'write {key} = "2026-11-21T00:00:00Z"')
        try:
            return parse_hour(value)
        except DataError as error:
            raise self.error(key, f"is refused: {error.problem}", error.mend) from None

    def day(self, key: str) -> date:
        mend = f'write {key} = "2026-01-01"'
        value = self.text(key, mend)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        raise self.error(key, f"is '{value}', which is no day", mend)

    def choice(self, key: str, choices: tuple[str, ...], required: bool = False) -> str:
        value = self.get(key)
        if value is None and not required:
            return choices[0]
        if value not in choices:
            problem = "is missing" if value is None else f"is {value!r}"
            raise self.error(key, problem, f"use one of {', '.join(choices)}")
        return str(value)

    def integer(self, key: str, default: int, least: int) -> int:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.error(key, f"is {value!r}", f"write a whole number of at least {least}")
        return value

    def months(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.get(key)
        if value is None:
            return default
        numbers = isinstance(value, list) and all(
            isinstance(month, int) and not isinstance(month, bool) and month > 0 for month in value
        )
        if not numbers or sorted(set(value)) != value:
            mend = f"write whole months from now in ascending order, as in {key} = [1, 3, 6, 9]"
            raise self.error(key, f"is {value!r}", mend)
        return tuple(value)

    def number(self, key: str, default: float, most: float = math.inf) -> float:
        value = self.get(key)
        if value is None:
            return default
        fine = isinstance(value, int | float) and not isinstance(value, bool)
        if not fine or not 0 <= value <= most or not math.isfinite(value):
            top = "" if most == math.inf else f" and at most {most:g}"
            raise self.error(key, f"is {value!r}", f"write a number of at least 0{top}")
        return float(value)

    def share(self, key: str) -> float | None:
        return None if self.get(key) is None else self.number(key, 0.0, most=1)

    def boolean(self, key: str) -> bool:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, f"is {value!r}", "write true or false without quotes")
        return bool(value)

    def decimal(self, key: str) -> Decimal | None:
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            return Decimal(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return Decimal(value)
        if isinstance(value, str):
            mend = f'write plain digits without sign or exponent, as in {key} = "0.08"'
            raise self.error(key, f"is {value!r}, not a plain decimal", mend)
        if isinstance(value, int | float) and value < 0:
            raise self.error(key, f"is {value!r}, below 0", "write an amount of at least 0")
        # A float has lost the decimals that were written: 0.1 is not a tenth.
        raise self.error(
            key, f"is {value!r}, not an exact decimal", f'write it in quotes, as in {key} = "0.08"'
        )
