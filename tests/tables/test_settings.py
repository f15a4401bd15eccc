# SPDX-License-Identifier: Apache-2.0
"""``case.toml``: defaults, every key, and what is refused by name."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from optimizer.errors import DataError
from optimizer.tables import format_hour, parse_settings

from .conftest import TOML

FULL = """
currency = "EUR"
as_of = "2026-11-21T00:00:00Z"
horizon_hours = 100
[finance]
discount_rate = "0.08"
after_horizon = "prorata"
[risk]
measure = "cvar"
cvar_alpha = 0.95
cvar_weight = 0.3
queueing = "mgc"
quality_confidence = 0
[[sharing.aws]]
from = "2026-06-01"
mode = "restricted"
[[sharing.aws]]
from = "2026-01-01"
mode = "organization"
[limits]
upfront_cash = "250000.50"
largest_purchase = 100000
spot_share = 0.5
quality_average = 0.80
max_unused_share = 0.10
survive_zone_loss = true
[demand]
forecaster = "seasonal"
scenarios = 50
[solve]
method = "mathopt"
gap = 0
seconds = 5
seed = 1
"""


def test_defaults() -> None:
    s = parse_settings(TOML)
    assert (s.currency, format_hour(s.as_of), s.horizon_hours) == (
        "USD",
        "2026-11-21T00:00:00Z",
        8760,
    )
    assert (s.discount_rate, s.after_horizon) == (Decimal(0), "tail")
    assert (s.risk.measure, s.risk.queueing, s.risk.quality_confidence) == ("expected", "off", 0.95)
    assert (s.solve.method, s.solve.gap, s.solve.seconds, s.solve.seed) == ("auto", 0.001, 60, 7)
    assert s.limits.upfront_cash is None
    assert not s.limits.survive_zone_loss
    assert s.sharing == {}
    assert (s.demand.forecaster, s.demand.scenarios) == ("weeks", 1)


def test_every_key() -> None:
    s = parse_settings(FULL)
    assert s.discount_rate == Decimal("0.08")
    assert s.limits.upfront_cash == Decimal("250000.50")
    assert s.limits.largest_purchase == Decimal(100000)
    assert [rule.start for rule in s.sharing["aws"]] == [date(2026, 1, 1), date(2026, 6, 1)]
    assert s.risk.cvar_weight == 0.3
    assert (s.demand.forecaster, s.demand.scenarios) == ("seasonal", 50)
    assert s.as_dict()["finance"] == {"discount_rate": "0.08", "after_horizon": "prorata"}
    assert json.loads(json.dumps(s.as_dict())) == s.as_dict()


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('as_of = "2026-11-21T00:00:00Z"', "currency"),
        ('currency = "USD"', "as_of"),
        (TOML.replace("USD", "usd"), "currency"),
        (TOML.replace("USD", "US Dollar"), "currency"),
        (TOML.replace('"USD"', "1"), "currency"),
        (TOML.replace("T00:00", "T00:30"), "as_of"),
        (TOML.replace("00Z", "00+01:00"), "as_of"),
        (TOML.replace('"2026-11-21T00:00:00Z"', "2026-11-21T00:00:00Z"), "as_of"),
        (TOML + 'colour = "red"', "colour"),
        (TOML + "horizon_hours = 0", "horizon_hours"),
        (TOML + "horizon_hours = 1.5", "horizon_hours"),
        (TOML + "horizon_hours = true", "horizon_hours"),
        (TOML + "finance = 1", "finance"),
        (TOML + "[finance]\ndiscount_rate = 0.08", "finance.discount_rate"),
        (TOML + '[finance]\ndiscount_rate = "8%"', "finance.discount_rate"),
        (TOML + '[finance]\nafter_horizon = "never"', "finance.after_horizon"),
        (TOML + "[finance]\nrate = 1", "finance.rate"),
        (TOML + '[risk]\nmeasure = "fear"', "risk.measure"),
        (TOML + '[risk]\nmeasure = "cvar"', "risk.cvar_alpha"),
        (TOML + "[risk]\nquality_confidence = 1.5", "risk.quality_confidence"),
        (TOML + "[limits]\nupfront_cash = 2.5", "limits.upfront_cash"),
        (TOML + '[limits]\nupfront_cash = "-1"', "limits.upfront_cash"),
        (TOML + "[limits]\nspot_share = 2", "limits.spot_share"),
        (TOML + "[limits]\nspot_share = nan", "limits.spot_share"),
        (TOML + '[limits]\nsurvive_zone_loss = "no"', "limits.survive_zone_loss"),
        (TOML + '[demand]\nforecaster = "crystal ball"', "demand.forecaster"),
        (TOML + "[demand]\nscenarios = 0", "demand.scenarios"),
        (TOML + "[demand]\nscenarios = 2.5", "demand.scenarios"),
        (TOML + "[demand]\npaths = 3", "demand.paths"),
        (TOML + "[solve]\ngap = -1", "solve.gap"),
        (TOML + '[solve]\nseconds = "60"', "solve.seconds"),
        (TOML + "[solve]\nseed = -1", "solve.seed"),
        (TOML + '[solve]\nmethod = "magic"', "solve.method"),
        (TOML + '[sharing]\naws = "off"', "sharing.aws"),
        (TOML + '[[sharing.aws]]\nmode = "off"', "sharing.aws.from"),
        (TOML + '[[sharing.aws]]\nfrom = "2026-01-32"\nmode = "off"', "sharing.aws.from"),
        (TOML + '[[sharing.aws]]\nfrom = "2026-01-01"', "sharing.aws.mode"),
        (TOML + '[[sharing.aws]]\nfrom = "2026-01-01"\nmode = "all"', "sharing.aws.mode"),
        (TOML + '[[sharing.aws]]\nfrom = "2026-01-01"\nmode = "off"\nto = 1', "sharing.aws.to"),
        ("currency =", None),
    ],
)
def test_refused(text: str, column: str | None) -> None:
    with pytest.raises(DataError) as caught:
        parse_settings(text)
    assert caught.value.file == "case.toml"
    assert caught.value.column == column
    assert caught.value.mend


def test_a_case_may_have_a_name():
    stated = 'currency = "USD"\nas_of = "2026-01-01T00:00:00Z"\n'
    assert parse_settings(stated).name == ""
    assert "name" not in parse_settings(stated).as_dict()
    named = parse_settings(f'{stated}name = " Über & Söhne 🚀 "\n')
    assert named.name == "Über & Söhne 🚀"
    assert named.as_dict()["name"] == "Über & Söhne 🚀"
    for bad in ("7", '"a\\nb"', f'"{"x" * 101}"', '"\\u202e"'):
        with pytest.raises(DataError) as error:
            parse_settings(f"{stated}name = {bad}\n")
        assert error.value.column == "name"
