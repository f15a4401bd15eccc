# SPDX-License-Identifier: Apache-2.0
"""All laws of billing once more, slowly: hour by hour, in fractions, from the providers' rules.

It shares no code with ``optimizer.billing`` and knows nothing of its orders of pairs: each
provider's rule is written as the loops that its documentation describes.  Facts are plain
dictionaries:

``meters``  name → provider, zone, on_demand, spot, size, idle
``offers``  name → law, term_hours, upfront, hourly, monthly, zone
``draws``   (offer, meter) → what a unit uses
``held``    a list of name, offer, quantity, start, end, account, scope
``usage``   (meter, account, zone) → a list of (all units, units on spot), hour by hour
``modes``   provider → a list of (first month, mode), in order
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

Facts = dict[str, Any]
Place = tuple[str, str, str]
Choice = dict[str, Any]
NONE = Fraction(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def replay(facts: Facts, first: int) -> dict[str, Any]:
    """Used and covered units and the dollars of all hours.

    ``used`` is by (commitment, hour), ``covered`` by (commitment, place, hour), ``uncovered``
    by (place, hour); hours count from 0.
    """
    hours = max(len(row) for row in facts["usage"].values())
    result: dict[str, Any] = {"used": {}, "covered": {}, "uncovered": {}}
    result |= {"on_demand": NONE, "spot": NONE, "commitments": NONE}
    for index in range(hours):
        state = one_hour(facts, index, first + index)
        for held in state["active"]:
            name = held["name"]
            result["used"][name, index] = Fraction(held["quantity"]) - state["free"][name]
            result["commitments"] += Fraction(held["quantity"]) * rate(facts, held, first + index)
        for (name, place), units in state["covered"].items():
            result["covered"][name, place, index] = units
        for place, units in state["need"].items():
            meter = facts["meters"][place[0]]
            result["uncovered"][place, index] = units
            result["on_demand"] += units * Fraction(meter["on_demand"])
            result["spot"] += facts["usage"][place][index][1] * Fraction(meter["spot"])
    return result


def one_hour(facts: Facts, index: int, hour: int) -> dict[str, Any]:
    """What remains of needs and commitments when all of them have been applied."""
    active = [row for row in facts["held"] if row["start"] <= hour < row["end"]]
    state: dict[str, Any] = {
        "active": active,
        "free": {row["name"]: Fraction(row["quantity"]) for row in active},
        "need": {place: row[index][0] - row[index][1] for place, row in facts["usage"].items()},
        "covered": {},
    }
    choices: dict[str, list[Choice]] = {}
    for held in active:
        if held["quantity"]:
            law = facts["offers"][held["offer"]]["law"]
            choices.setdefault(law, []).extend(choices_of(facts, held, hour))
    prepaid(state, choices)
    aws(state, choices)
    azure(state, choices)
    gcp(state, choices)
    return state


def prepaid(state: dict[str, Any], choices: dict[str, list[Choice]]) -> None:
    """What runs in capacity that is paid for is outside of every discount; own usage first."""
    both = choices.get("capacity.block", []) + choices.get("throughput.units", [])
    for near in split(both, "far"):
        give(state, near)


def aws(state: dict[str, Any], choices: dict[str, list[Choice]]) -> None:
    """Zonal before regional Reserved Instances, small sizes first; then Savings Plans."""
    for law in ("aws.reserved.zonal", "aws.reserved.regional"):
        found = choices.get(law, [])
        if law == "aws.reserved.zonal":  # one zone, and never the idle part of a reservation
            found = [row for row in found if row["same_zone"] and not row["idle"]]
        for near in split(found, "far"):
            for running in split(near, "idle"):
                for small in split(running, "size"):
                    give(state, small)
    for kind in ("instance", "compute", "sagemaker", "database"):
        for near in split(choices.get(f"aws.savings.{kind}", []), "far"):
            for running in split(near, "idle"):
                for best in split(running, "saving", descending=True):
                    for cheap in split(best, "draw"):
                        give(state, cheap)


def azure(state: dict[str, Any], choices: dict[str, list[Choice]]) -> None:
    """Reservations by scope (and size); then plans by scope, term and discount."""
    for narrow in split(choices.get("azure.reservation", []), "depth", descending=True):
        for small in split(narrow, "size"):
            give(state, small)
    for narrow in split(choices.get("azure.savings", []), "depth", descending=True):
        for long in split(narrow, "term_hours", descending=True):
            for best in split(long, "saving", descending=True):
                for cheap in split(best, "draw"):
                    give(state, cheap)


def gcp(state: dict[str, Any], choices: dict[str, list[Choice]]) -> None:
    """Resource-based commitments; then flexible ones of both data models together."""
    for narrow in split(choices.get("gcp.resource", []), "depth", descending=True):
        for near in split(narrow, "far"):
            give(state, near)
    flexible = choices.get("gcp.flexible", []) + choices.get("gcp.flexible.legacy", [])
    for narrow in split(flexible, "depth", descending=True):
        for best in split(narrow, "saving", descending=True):
            for cheap in split(best, "draw"):
                give(state, cheap)


def split(choices: list[Choice], key: str, *, descending: bool = False) -> Iterator[list[Choice]]:
    """Choices with the same value together, value by value."""
    groups: dict[Any, list[Choice]] = {}
    for choice in choices:
        groups.setdefault(choice[key], []).append(choice)
    for value in sorted(groups, reverse=descending):
        yield groups[value]


def give(state: dict[str, Any], equal: list[Choice]) -> None:
    """Apply choices that the law does not tell apart: by meter, earliest end, names."""
    for meter in split(equal, "meter"):
        for ending in split(meter, "end"):
            for named in split(ending, "name"):
                for choice in sorted(
                    named, key=lambda row: (row["place"][1], row["zone"], row["place"])
                ):
                    name, place, draw = choice["name"], choice["place"], choice["draw"]
                    units = state["need"][place]
                    if draw:
                        units = min(units, state["free"][name] / draw)
                    state["need"][place] -= units
                    state["free"][name] -= units * draw
                    key = name, place
                    state["covered"][key] = state["covered"].get(key, NONE) + units


def choices_of(facts: Facts, held: dict[str, Any], hour: int) -> Iterator[Choice]:
    """Every place that a commitment may be applied to, and what its law looks at."""
    offer = facts["offers"][held["offer"]]
    for place in facts["usage"]:
        meter = facts["meters"][place[0]]
        draw = facts["draws"].get((held["offer"], place[0]))
        if draw is None:
            continue
        far = distance(held, place[1], mode(facts, meter["provider"], hour))
        if far is None:
            continue
        price = Fraction(meter["on_demand"])
        draw = Fraction(draw)
        if offer["law"] == "azure.savings" and price < draw:
            draw = price  # the negotiated price is charged, and that amount is burnt
        if offer["law"] == "gcp.flexible.legacy":
            saving = 1 - rate_without_months(offer) - Fraction(offer["monthly"]) / 730
        else:
            saving = (price - draw) / price if price else NONE
        yield {
            "name": held["name"],
            "end": held["end"],
            "place": place,
            "meter": place[0],
            "far": far,
            "idle": meter["idle"],
            "size": meter["size"],
            "zone": place[2] or meter["zone"],
            "same_zone": (place[2] or meter["zone"]) == offer["zone"],
            "draw": draw,
            "saving": saving,
            "term_hours": offer["term_hours"],
            "depth": depth(held),
        }


def mode(facts: Facts, provider: str, hour: int) -> str:
    """The sharing that is set at the end of the month of the hour; open unless stated."""
    month = (EPOCH + timedelta(hours=hour)).strftime("%Y-%m")
    found = "organization"
    for since, name in facts["modes"].get(provider, []):
        if since <= month:
            found = name
    return found


def distance(held: dict[str, Any], account: str, sharing: str) -> int | None:
    """0 the owner's own usage (or nobody owns it), 1 its group's, 2 others'; ``None``: not."""
    owner, scope = held["account"], held["scope"]
    own = is_under(account, owner)
    if scope == "account":
        return 0 if own else None
    if scope != "shared" and not is_under(account, scope):
        return None
    if own or owner == "":
        return 0
    if sharing == "off":
        return None
    if sharing == "organization":
        return 2
    mates = group(owner) is not None and group(owner) == group(account)
    if mates:
        return 1
    return 2 if sharing == "prioritized" else None


def is_under(account: str, path: str) -> bool:
    """Whether an account is a path or lies below it."""
    parts = path.split("/")
    return account.split("/")[: len(parts)] == parts


def group(account: str) -> str | None:
    """The second of three or more parts of an account's path."""
    parts = account.split("/")
    return parts[1] if len(parts) >= 3 else None


def depth(held: dict[str, Any]) -> int:
    """How narrow a scope is: the parts of its path."""
    if held["scope"] == "shared":
        return 0
    path = held["account"] if held["scope"] == "account" else held["scope"]
    return len(path.split("/"))


def rate_without_months(offer: dict[str, Any]) -> Fraction:
    """Dollars of a unit in an hour: the upfront payment spread over the term, and hourly."""
    return Fraction(offer["upfront"]) / offer["term_hours"] + Fraction(offer["hourly"])


def rate(facts: Facts, held: dict[str, Any], hour: int) -> Fraction:
    """Dollars of a unit in this hour of the term, with the share of the month's payment."""
    offer = facts["offers"][held["offer"]]
    dollars = rate_without_months(offer)
    if offer["monthly"]:
        begin, until = payment_month(held["start"], held["end"], hour)
        dollars += Fraction(offer["monthly"]) / (until - begin)
    return dollars


def payment_month(start: int, end: int, hour: int) -> tuple[int, int]:
    """The month of a term in which an hour lies.

    A year has twelve payments and three years have 36: the last month ends with the term,
    also where the same day of the month would be a day earlier or later (leap years).
    """
    payments = max(1, round(Fraction(end - start, 730)))
    begin = EPOCH + timedelta(hours=start)
    for number in range(1, payments + 1):
        until = month_later(begin)
        last = EPOCH + timedelta(hours=end)
        if number == payments or until > last:
            until = last
        if hour < (until - EPOCH) // timedelta(hours=1):
            break
        begin = until
    return (begin - EPOCH) // timedelta(hours=1), (until - EPOCH) // timedelta(hours=1)


def month_later(moment: datetime) -> datetime:
    """The same day of the next month, or its last day, which then stays the day."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
