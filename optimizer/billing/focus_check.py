# SPDX-License-Identifier: Apache-2.0
"""The rules that FOCUS rows obey, checked on the finished rows before they are written."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimizer.billing.bill import Bill
from optimizer.billing.catalogue import Holding
from optimizer.billing.focus_facts import NANO
from optimizer.billing.focus_words import focus_columns

Mask = NDArray[np.bool_]

_COMMITMENT = (
    "CommitmentDiscountCategory",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
)
_NO_VALUE = {"", "null", "none", "n/a", "na", "nan"}
_COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")


def check_focus(
    frame: pd.DataFrame, bill: Bill | None = None, holdings: Sequence[Holding] = ()
) -> list[str]:
    """Check rows against the rules of FOCUS 1.2 and, if given, against their bill.

    Parameters
    ----------
    frame
        As :func:`optimizer.billing.focus.focus_frame` makes it.
    bill, holdings
        What the rows are to add up to.

    Returns
    -------
    The violations, as sentences without a full stop; empty if there is none.
    """
    names = [column.name for column in focus_columns()]
    if list(frame.columns) != names:
        return [f"the columns are not those of focus_columns.csv: {', '.join(frame.columns)}"]
    found = [*_values(frame), *_categories(frame), *_commitments(frame), *_costs(frame)]
    if bill is not None:
        found += _sums(frame, bill)
        found += _payments(frame, bill, holdings)
    return found


class _Rules:
    """Collects violations: each rule is a mask of the rows that break it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def refuse(self, broken: Any, rule: str) -> None:
        """Note the rule if any row breaks it, with the first such row (from 1)."""
        rows = np.flatnonzero(np.asarray(broken, dtype=np.bool_))
        if len(rows):
            self.found.append(f"{rule} ({len(rows)} rows, the first is row {rows[0] + 1})")


def _is(frame: pd.DataFrame, column: str, value: str) -> Mask:
    return np.asarray(frame[column] == value, dtype=np.bool_)


def _null(frame: pd.DataFrame, column: str) -> Mask:
    return np.asarray(frame[column].isna(), dtype=np.bool_)


def _amount(frame: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """Billionths; null is 0."""
    return frame[column].to_numpy(dtype=np.int64, na_value=0)


def _values(frame: pd.DataFrame) -> list[str]:
    """Nulls, allowed values, empty texts, signs."""
    rules = _Rules()
    for column in focus_columns():
        name = column.name
        if not column.nullable:
            rules.refuse(_null(frame, name), f"{name} is null")
        if name in (*_COSTS, *(n for n in frame.columns if n.endswith("Quantity"))):
            rules.refuse(_amount(frame, name) < 0, f"{name} is negative")
        elif column.kind != "time":
            texts = {str(text) for text in frame[name].cat.categories}
            if any(text.strip().lower() in _NO_VALUE for text in texts):
                rules.found.append(f"{name} has a text that stands for no value")
            if column.choices and not texts <= set(column.choices):
                rules.found.append(f"{name} has values other than {', '.join(column.choices)}")
    return rules.found


def _categories(frame: pd.DataFrame) -> list[str]:
    """Charge and pricing categories, periods, quantities, resources."""
    rules = _Rules()
    usage, purchase = (_is(frame, "ChargeCategory", name) for name in ("Usage", "Purchase"))
    committed = _is(frame, "PricingCategory", "Committed")
    unused = _is(frame, "CommitmentDiscountStatus", "Unused")
    metered = _is(frame, "ChargeFrequency", "Usage-Based")
    rules.refuse(usage != metered, "ChargeFrequency is Usage-Based on usage, and only there")
    rules.refuse(
        purchase & ~_is(frame, "PricingCategory", "Standard"), "a purchase is priced Standard"
    )
    rules.refuse(
        usage & (committed == _null(frame, "CommitmentDiscountId")),
        "usage is priced Committed if a commitment applies, and only then",
    )
    for one, other in (
        ("ConsumedQuantity", "ConsumedUnit"),
        ("ResourceId", "ResourceType"),
        ("SubAccountId", "SubAccountName"),
        ("SubAccountId", "SubAccountType"),
        ("RegionId", "RegionName"),
    ):
        rules.refuse(_null(frame, one) != _null(frame, other), f"{one} without {other}")
    rules.refuse(
        _null(frame, "ConsumedQuantity") != (purchase | unused),
        "ConsumedQuantity is null on purchases and unused commitments, and only there",
    )
    reserved = ~_null(frame, "CapacityReservationId")
    rules.refuse(
        (usage & reserved) == _null(frame, "CapacityReservationStatus"),
        "CapacityReservationStatus goes with a reservation on usage",
    )
    start, end = (frame[f"ChargePeriod{side}"].to_numpy() for side in ("Start", "End"))
    rules.refuse(end <= start, "a charge period is empty")
    rules.refuse(usage & (end - start != np.timedelta64(1, "h")), "usage is hourly")
    rules.refuse(
        (start < frame["BillingPeriodStart"].to_numpy())
        | (start >= frame["BillingPeriodEnd"].to_numpy()),
        "a charge begins outside its billing period",
    )
    return rules.found


def _commitments(frame: pd.DataFrame) -> list[str]:
    """Commitment columns, together and alone."""
    rules = _Rules()
    usage, purchase = (_is(frame, "ChargeCategory", name) for name in ("Usage", "Purchase"))
    without = _null(frame, "CommitmentDiscountId")
    for name in _COMMITMENT:
        rules.refuse(_null(frame, name) != without, f"{name} goes with CommitmentDiscountId")
    rules.refuse(
        (usage & ~without) == _null(frame, "CommitmentDiscountStatus"),
        "CommitmentDiscountStatus is set on usage under a commitment, and only there",
    )
    rules.refuse(purchase & without, "a purchase names no commitment")
    alone = purchase | _is(frame, "CommitmentDiscountStatus", "Unused")
    same = frame["ResourceId"].astype(object) == frame["CommitmentDiscountId"].astype(object)
    rules.refuse(
        alone & ~np.asarray(same, dtype=np.bool_),
        "ResourceId is the commitment on purchases and unused commitments",
    )
    pairs = frame[["CommitmentDiscountId", "CommitmentDiscountUnit"]][~without]
    units = pairs.astype(object).drop_duplicates()
    if units["CommitmentDiscountId"].duplicated().any():
        rules.found.append("a commitment has two units")
    return rules.found


def _costs(frame: pd.DataFrame) -> list[str]:
    """Which costs are zero, which agree, and price × quantity."""
    rules = _Rules()
    purchase = _is(frame, "ChargeCategory", "Purchase")
    committed = _is(frame, "PricingCategory", "Committed")
    billed, effective = (_amount(frame, name) for name in ("BilledCost", "EffectiveCost"))
    rules.refuse(purchase & (effective != 0), "a purchase has an EffectiveCost")
    rules.refuse(committed & (billed != 0), "usage under a commitment has a BilledCost")
    rules.refuse(
        ~purchase & ~committed & (billed != effective),
        "EffectiveCost of usage without a commitment is not its BilledCost",
    )
    quantity = _amount(frame, "PricingQuantity").astype(np.float64)
    for kind in ("List", "Contracted"):
        cost = _amount(frame, f"{kind}Cost").astype(np.float64)
        texts = frame[f"{kind}UnitPrice"].cat
        known = np.append(np.array([float(text) for text in texts.categories]), np.nan)
        price = known[texts.codes.to_numpy()]  # the code of null is −1: the last one
        # Quantities are rounded to a billionth, a line's costs add up to the billionth.
        slack = 2.0 + 2.0 * price + 1e-6 * cost
        rules.refuse(
            np.abs(price * quantity - cost) > slack,  # no price: compares as false
            f"{kind}Cost is not {kind}UnitPrice × PricingQuantity",
        )
        rules.refuse(
            np.isnan(price) & (cost != billed),
            f"{kind}Cost without {kind}UnitPrice is not BilledCost",
        )
    return rules.found


def _total(amounts: NDArray[np.int64]) -> int:
    """An exact sum, which may be larger than 64 bits."""
    return int((amounts // NANO).sum()) * NANO + int((amounts % NANO).sum())


def _by_commitment(frame: pd.DataFrame, column: str, rows: Mask) -> dict[str, int]:
    ids = frame["CommitmentDiscountId"].cat
    codes = ids.codes.to_numpy()
    amounts = _amount(frame, column)
    return {
        str(name): _total(amounts[rows & (codes == code)])
        for code, name in enumerate(ids.categories)
    }


def _differs(nanos: int, amount: Decimal) -> bool:
    """Whether the sum is more than a billionth away."""
    return abs(nanos - Fraction(amount) * NANO) > 1


def _sums(frame: pd.DataFrame, bill: Bill) -> list[str]:
    """EffectiveCost adds up to the bill: by commitment, for the rest, and in total."""
    effective = _amount(frame, "EffectiveCost")
    usage = _is(frame, "ChargeCategory", "Usage")
    by_commitment = _by_commitment(frame, "EffectiveCost", usage)
    found = [
        f"EffectiveCost of {holding.commitment} is not its cost {holding.cost}"
        for holding in bill.holdings
        if _differs(by_commitment.get(holding.commitment, 0), holding.cost)
    ]
    rest = _total(effective[_null(frame, "CommitmentDiscountId")])
    if _differs(rest, bill.on_demand + bill.spot):
        found.append("EffectiveCost outside commitments is not what on demand and spot cost")
    total = _total(effective)
    if total != round(Fraction(bill.total) * NANO):
        found.append(f"EffectiveCost of all rows is {Decimal(total) / NANO}, not {bill.total}")
    return found


def _payments(frame: pd.DataFrame, bill: Bill, holdings: Sequence[Holding]) -> list[str]:
    """What a commitment costs is what is paid for it, if its whole term is in the window."""
    purchase = _is(frame, "ChargeCategory", "Purchase")
    paid = _by_commitment(frame, "BilledCost", purchase)
    cost = _by_commitment(frame, "EffectiveCost", ~purchase)
    found = []
    for holding in holdings:
        inside = bill.first_hour <= holding.start and holding.end <= bill.first_hour + bill.hours
        full = not holding.offer.upfront or holding.end - holding.start == holding.offer.term_hours
        if inside and full and paid.get(holding.name, 0) != cost.get(holding.name, 0):
            found.append(f"BilledCost of the payments of {holding.name} is not its EffectiveCost")
    return found
