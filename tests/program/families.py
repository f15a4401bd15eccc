# SPDX-License-Identifier: Apache-2.0
"""Random small cases over everything that a plan knows: laws, steps, limits, moves, jobs.

A case has 1–3 meters of one provider, 2–6 hours and up to 4 offers.  The provider goes
round by ``seed % 8`` and what is planned by ``seed % 5``, so that all meet within 40 seeds;
:func:`families_of` says what is in a case from its tables alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from .folders import Row, at, cover, meter, money, units
from .memory import RowCase, memory_case

PROVIDERS = ("aws", "azure", "gcp", "openai", "aws", "gcp", "azure", "aws")
UNITS = {
    "aws": ("aws.reserved.zonal", "aws.reserved.regional", "capacity.block"),
    "azure": ("azure.reservation", "capacity.block"),
    "gcp": ("gcp.resource", "capacity.block"),
    "openai": ("throughput.units",),
}
MONEY = {
    "aws": tuple(f"aws.savings.{of}" for of in ("compute", "instance", "sagemaker", "database")),
    "azure": ("azure.savings",),
    "gcp": ("gcp.flexible", "gcp.flexible.legacy"),
    "openai": (),
}
PLANS = ("plain", "limits", "substitutes", "jobs", "all")
CENT = Decimal("0.01")


@dataclass
class Draw:
    """A case in the making."""

    rng: np.random.Generator
    seed: int
    provider: str
    plan: str
    horizon: int
    meters: list[Row]
    tables: dict[str, list[Row]]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def price(self, of: Row, low: int, high: int) -> Decimal:
        """A share of a meter's price, in cents."""
        share = Decimal(int(self.rng.integers(low, high))) / 100
        return (Decimal(of["on_demand"] or 4) * share).quantize(CENT)


def draw_case(seed: int) -> RowCase:
    """The case of a seed."""
    rng = np.random.default_rng(70_000 + seed)
    provider, plan = PROVIDERS[seed % len(PROVIDERS)], PLANS[seed % len(PLANS)]
    moving = plan in ("substitutes", "jobs", "all")
    count = int(rng.integers(2 if plan in ("substitutes", "all") else 1, 4 - moving))
    drawn = Draw(rng, seed, provider, plan, int(rng.integers(2, 7)), [], {})
    drawn.meters = _meters(drawn, max(count, 2 if plan in ("substitutes", "all") else 1))
    drawn.tables = {"meters": drawn.meters, "usage": _usage(drawn)}
    drawn.tables["offers"], drawn.tables["covers"] = _offers(drawn)
    drawn.tables["commitments"] = _commitments(drawn)
    keys = _limits(drawn) if plan == "limits" or (plan == "all" and seed % 2) else []
    if plan in ("substitutes", "all"):
        drawn.tables["substitutes"] = _substitutes(drawn)
    if plan in ("jobs", "all"):
        drawn.tables["jobs"] = _jobs(drawn)
    toml = "[solve]\ngap = 0.0001\n[finance]\n"
    toml += f'after_horizon = "{rng.choice(["tail", "prorata"])}"\n'
    if drawn.chance(0.2):
        toml += 'discount_rate = "0.08"\n'
    if drawn.chance(0.3):
        mode = rng.choice(["prioritized", "restricted", "off"])
        toml += f'[[sharing.{provider}]]\nfrom = "2026-01-01"\nmode = "{mode}"\n'
    toml += "[limits]\n" + "\n".join(keys) + "\n"
    return memory_case(drawn.horizon, toml, **drawn.tables)


def _meters(drawn: Draw, count: int) -> list[Row]:
    rows, rng = [], drawn.rng
    for number in range(count):
        price = Decimal(int(rng.integers(4, 41))) / 4
        row = meter(f"m{number}", price, size=int(rng.choice([1, 2, 4])))
        row |= {"provider": drawn.provider, "zone": "a" if drawn.chance(0.7) else "b"}
        if drawn.chance(0.4):
            row |= {"spot": (price * Decimal("0.4")).quantize(CENT)}
            row |= {"spot_interruption": 0.1 if drawn.chance(0.5) else 0}
        if drawn.provider == "gcp" and drawn.chance(0.2):
            row |= {"sustained_use": 0.3}
        rows.append(row)
    return rows


def _usage(drawn: Draw) -> list[Row]:
    rows, rng = [], drawn.rng
    accounts = ["org/a/1", "org/b/2"] if drawn.chance(0.3) else ["org/a/1"]
    for of in drawn.meters:
        for account in accounts:
            penalty = Decimal(of["on_demand"]) * int(rng.integers(1, 4))
            more: Row = {"spot_tolerant": float(rng.choice([0, 0.5, 1])) if "spot" in of else 0}
            more |= {"unmet_penalty": penalty if drawn.chance(0.15) else "", "account": account}
            amounts = rng.integers(0, 7, drawn.horizon) / 2
            rows += [
                {"hour": at(hour), "meter": of["meter"], "quantity": amount} | more
                for hour, amount in enumerate(amounts.tolist())
            ]
    return rows


def _offers(drawn: Draw) -> tuple[list[Row], list[Row]]:
    """One or two offers of units, up to two of money, each covering some of the meters."""
    offers: list[Row] = []
    covers: list[Row] = []
    rng, seed, names = drawn.rng, drawn.seed, [row["meter"] for row in drawn.meters]
    moving = drawn.plan in ("substitutes", "jobs", "all")
    small = UNITS[drawn.provider]
    for number in range(1 if moving else int(rng.integers(1, 3))):
        law = small[(seed // 8 + number) % len(small)]
        of = drawn.meters[int(rng.integers(len(names)))]
        offer, name = _units(drawn, f"u{number}", law, of), f"u{number}"
        offers.append(offer)
        covers.append(cover(name, of["meter"], str(rng.choice(["1", "1", "2", "0.5"]))))
        if len(names) > 1 and drawn.chance(0.4):
            other = next(row for row in names if row != of["meter"])
            covers.append(cover(name, other, str(rng.choice(["1", "2"]))))
    if len(offers) == 2 and drawn.chance(0.4):  # bought together, or not at all
        shared = {key: offers[0].get(key, "") for key in ("term_hours", "starts")}
        offers[1] |= shared | {"bundle": "b", "bundle_ratio": 2, "step": 2, "minimum": ""}
        offers[0] |= {"bundle": "b", "bundle_ratio": 1}
    plans = MONEY[drawn.provider]
    for number in range(int(rng.integers(0 if seed % 3 else 1, 3)) if plans else 0):
        law = plans[(seed // 8 + number) % len(plans)]
        name, legacy = f"p{number}", law == "gcp.flexible.legacy"
        fee = str(rng.choice(["0.6", "0.75"])) if legacy else "1"
        term = drawn.horizon * int(rng.choice([1, 1, 1, 3]))
        row = money(name, term, fee, law=law, account="org/a/1")
        if drawn.chance(0.2):
            row |= {"minimum": "0.5", "maximum": "6"}
        offers.append(row)
        for of in drawn.meters:
            if drawn.chance(0.7) or of is drawn.meters[-1]:
                draw = Decimal(of["on_demand"]) if legacy else drawn.price(of, 50, 96)
                covers.append(cover(name, of["meter"], draw))
    # Laws that order by saving need an on-demand price; other usage can do without.
    saved = {row["meter"] for row in covers if row["offer"].startswith("p")}
    bare = {row["meter"] for row in covers} - saved
    for of in drawn.meters:
        if of["meter"] in bare and drawn.chance(0.25) and drawn.plan != "substitutes":
            of |= {"on_demand": "", "list_price": of["on_demand"], "sustained_use": ""}
    return offers, covers


def _units(drawn: Draw, name: str, law: str, of: Row) -> Row:
    rng, horizon = drawn.rng, drawn.horizon
    term = int(rng.choice([horizon, horizon, max(1, horizon - 1), 3 * horizon]))
    rate = drawn.price(of, 35, 90)
    upfront = rate * term / 2 if drawn.chance(0.4) else Decimal(0)
    row = units(name, term, rate - upfront / term, law=law, upfront=upfront, account="org/a/1")
    row |= {"zone": of["zone"], "step": int(rng.choice([1, 1, 2])), "minimum": "", "maximum": ""}
    if law == "capacity.block":
        row |= {"starts": at(int(rng.integers(0, horizon)))}
    if drawn.chance(0.3):
        row |= {"minimum": 2}
    if drawn.chance(0.4) or drawn.plan in ("jobs", "all"):
        row |= {"maximum": int(rng.integers(2, 4))}
    if drawn.chance(0.2):
        row |= {"scope": str(rng.choice(["account", "org/b"]))}
    return row | {"guarantees_capacity": "true" if drawn.chance(0.3) else "false"}


def _commitments(drawn: Draw) -> list[Row]:
    """What is held until the horizon's end or not as long, and what waits for its start."""
    rows, rng = [], drawn.rng
    for number, offer in enumerate(drawn.tables["offers"]):
        if drawn.chance(0.25):
            queued = drawn.chance(0.4)
            start = int(rng.integers(1, drawn.horizon)) if queued else -3
            end = int(rng.integers(max(start, 0) + 1, drawn.horizon + 3))
            rows.append(
                {
                    "commitment": f"c{number}",
                    "offer": offer["offer"],
                    "quantity": 1 if offer["measure"] == "units" else "1.5",
                    "start": at(start),
                    "end": at(end),
                    "state": "queued" if queued else "active",
                }
            )
    return rows


def _limits(drawn: Draw) -> list[str]:
    """Quotas, availability, penalties, agreements; the keys of [limits]."""
    rng, usage = drawn.rng, drawn.tables["usage"]
    mean: dict[str, float] = {}
    for row in usage:
        mean[row["meter"]] = mean.get(row["meter"], 0.0) + row["quantity"] / drawn.horizon
    for of in drawn.meters:
        units_of = mean[of["meter"]]
        if drawn.chance(0.4):
            of |= {"on_demand_limit": round(units_of, 1)}
        if drawn.chance(0.4) and "spot" in of:
            of |= {"spot_limit": round(units_of * 0.3, 1)}
        if drawn.chance(0.3):
            of |= {"availability": 0.75}
    for row in usage:
        of = next(of for of in drawn.meters if of["meter"] == row["meter"])
        price = Decimal(of["on_demand"] or of["list_price"])
        if drawn.seed % 4:
            row |= {"unmet_penalty": price * 2}
    if drawn.chance(0.5):
        drawn.tables["limits"] = [
            {
                "limit": "q",
                "meter": name,
                "weight": 1 + n % 2,
                "maximum": round(sum(mean.values()), 1),
            }
            | ({"hour_from": at(1)} if drawn.chance(0.4) else {})
            for n, name in enumerate(mean)
        ]
    if drawn.chance(0.5):
        worth = sum(mean.values()) * drawn.horizon * 4
        span = {"start": at(int(rng.integers(0, 2))), "end": at(drawn.horizon + 1)}
        drawn.tables["agreements"] = [
            {"agreement": "ea", "provider": drawn.provider, "committed": round(worth, 2)}
            | span
            | {"counted_share": 0.9, "shortfall_share": float(rng.choice([0.3, 0.9]))}
        ]
    offered = {
        f'upfront_cash = "{int(rng.integers(0, 20))}"': 0.4,
        f'largest_purchase = "{int(rng.integers(10, 60))}"': 0.3,
        "spot_share = 0.1": 0.3,
        "max_unused_share = 0.2": 0.3,
    }
    return [key for key, share in offered.items() if drawn.chance(share)]


def _substitutes(drawn: Draw) -> list[Row]:
    rng = drawn.rng
    row: Row = {"from_meter": "m0", "to_meter": "m1", "ratio": str(rng.choice([0.5, 0.8, 1.5]))}
    row |= {"maximum_share": float(rng.choice([1, 1, 0.5]))}
    row |= {"switching_cost": str(rng.choice(["0", "0.5", "2"]))}
    row |= {"egress_per_unit": str(rng.choice(["0", "0.1"]))}
    return [row | ({"available_from": at(1)} if drawn.chance(0.3) else {})]


def _jobs(drawn: Draw) -> list[Row]:
    """One job, or two, over up to four hours."""
    rows, rng = [], drawn.rng
    for number in range(1 + (drawn.plan == "jobs" and drawn.chance(0.3))):
        first = int(rng.integers(0, max(1, drawn.horizon - 2)))
        last = int(rng.integers(first + 1, min(drawn.horizon, first + 4) + 1))
        most, pausing = int(rng.integers(1, 4)), drawn.chance(0.5)
        rows.append(
            {
                "job": f"j{number}",
                "meter": drawn.meters[int(rng.integers(len(drawn.meters)))]["meter"],
                "unit_hours": most * (last - first) * float(rng.choice([0.5, 0.6, 1.0])),
                "earliest": at(first),
                "deadline": at(last),
                "minimum_units": most if drawn.chance(0.5) else 1,
                "maximum_units": most,
                "preemptible": "true" if pausing else "false",
                "restart_hours": float(rng.choice([0.25, 1])) if pausing and number == 0 else "",
                "delay_cost_per_hour": str(rng.choice(["0", "0.2", "1"])),
            }
        )
    return rows


def families_of(case: RowCase) -> set[str]:
    """What is in a case, by its tables and settings."""
    settings = case.settings
    found = {settings.after_horizon} | {
        f"limits.{k}" for k, v in vars(settings.limits).items() if v
    }
    found |= {"discount_rate"} if settings.discount_rate else set()
    found |= {f"sharing.{rule.mode}" for rules in settings.sharing.values() for rule in rules}
    found |= {name for name in ("limits", "agreements", "substitutes", "jobs") if case.has(name)}
    flags = {
        "offers": ("minimum", "maximum", "upfront", "starts", "bundle", "guarantees_capacity"),
        "meters": ("spot", "on_demand_limit", "spot_limit", "sustained_use"),
        "jobs": ("preemptible", "restart_hours", "delay_cost_per_hour"),
        "substitutes": ("switching_cost", "egress_per_unit", "available_from"),
    }
    for name, columns in flags.items():
        for column in columns:
            values = case._frames[name][column] if case.has(name) else ()
            if any(value and value == value for value in values):  # noqa: PLR0124 (not nan)
                found.add(f"{name}.{column}")
    offers, meters = case._frames["offers"], case._frames["meters"]
    found |= set(offers["law"])
    found |= {"step"} if any(step == 2 for step in offers["step"]) else set()
    found |= {"no price"} if any(price is None for price in meters["on_demand"]) else set()
    found |= {"interruption"} if any(x > 0 for x in meters["spot_interruption"]) else set()
    found |= {"availability"} if any(x < 1 for x in meters["availability"]) else set()
    found |= {"unmet"} if any(p for p in case.usage_lines().unmet_penalty) else set()
    end = settings.as_of + settings.horizon_hours
    for row in case._frames["commitments"].to_dict("records"):
        found |= {row["state"]} | ({"expires"} if row["end"] < end else set())
    last = [settings.as_of + hours for hours in offers["term_hours"]]
    return found | ({"long term"} if any(hour > end for hour in last) else set())
