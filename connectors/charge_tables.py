# SPDX-License-Identifier: Apache-2.0
"""The tables of a case that billing rows state: usage, meters, and what is held."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from connectors.charges import ROLES, Charges
from connectors.gpus import gpu_of, looks_like_gpu
from connectors.pulled import Remark, Report
from connectors.values import plain_or_none

_WEEK = "INTERVAL 7 DAY"


def usage_table(charges: Charges, report: Report) -> pd.DataFrame:
    """Return ``usage``: one row per hour, meter, place, purpose and tags.

    Charges that are no usage (taxes, credits, adjustments) keep their category and have
    no quantity; what is paid for commitments is in ``commitments``, not here.
    """
    tags = [name for name in charges.tags.columns if name not in ROLES]
    roles = {
        "workload": '"workload"',
        "spot_tolerant": 'TRY_CAST("spot_tolerant" AS DOUBLE)',
        "lost_hours": 'TRY_CAST("lost_hours" AS DOUBLE)',
        "restart_cost": '"restart_cost"',
        "unmet_penalty": '"unmet_penalty"',
    }
    chosen = ", ".join(
        [*(f"{sql} AS {name}" for name, sql in roles.items()), *(f'"{tag}"' for tag in tags)]
    )
    kept = [*roles, *(f'"{tag}"' for tag in tags)]
    # A correction may take back more than there was in its month: then it is an adjustment.
    kind = "CASE WHEN is_usage AND quantity >= 0 THEN NULL WHEN is_usage THEN 'Adjustment'"
    frame = charges.connection.execute(
        "SELECT hour, meter, CASE WHEN is_usage THEN greatest(quantity, 0) ELSE 0 END::DOUBLE"
        " AS quantity, account, zone,"
        f" {', '.join(kept)},"
        " CASE WHEN is_usage AND quantity > 0 AND spot > 0 THEN (spot / quantity)::DOUBLE END"
        " AS spot_share, nullif(grain, 'hour') AS grain,"
        " rtrim(rtrim(billed::VARCHAR, '0'), '.') AS billed_cost,"
        " rtrim(rtrim(effective::VARCHAR, '0'), '.') AS effective_cost,"
        f" {kind} ELSE category END AS charge_category, invoice_month"
        f" FROM (SELECT hour, grain, meter, account, zone, {chosen}, is_usage,"
        "   CASE WHEN is_usage THEN '' ELSE category END AS category,"
        "   CASE WHEN billed_month <> strftime(hour, '%Y-%m') THEN nullif(billed_month, '') END"
        "   AS invoice_month,"
        "   coalesce(sum(quantity), 0) AS quantity,"
        "   coalesce(sum(quantity) FILTER (WHERE pricing = 'Dynamic'), 0) AS spot,"
        "   sum(billed) AS billed, sum(effective) AS effective"
        "   FROM charges WHERE scoped AND (is_usage OR (category <> 'Usage' AND held = ''))"
        "   GROUP BY ALL) ORDER BY ALL"
    ).df()
    found = charges.rows("SELECT count(*) FROM charges WHERE is_usage AND scoped AND quantity < 0")[
        0
    ][0]
    if found:
        report.remarks.append(
            Remark("usage", "negative usage rows (corrections) lower the same hours' usage; where "
                   "they exceed it, only their amount is kept, as an adjustment", found)
        )  # fmt: skip
    return _without_empty(frame)


def _without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop optional columns without any value; ``""`` is no value."""
    needed = ("hour", "meter", "quantity")
    keep = [
        c
        for c in frame.columns
        if c in needed or (frame[c].notna() & (frame[c].astype(object) != "")).any()
    ]
    return frame[keep]


def meter_table(charges: Charges, report: Report, source: str, as_of: str) -> pd.DataFrame:
    """Return ``meters`` of all usage, with the unit prices of the newest rows that state one.

    A machine that ``gpu.csv`` does not know is kept, and named in a remark if it belongs
    to a family with GPUs. A meter without any price has none: it is never zero.
    """
    prices = _newest_prices(charges, report)
    spot = _spot_prices(charges)
    rows = []
    unknown = []
    for meter, provider, region, machine, unit, reserved in charges.rows(
        "SELECT meter, min(provider), min(region), min(machine), min(unit), bool_or(reserved ="
        " 'Unused' AND held = '') FROM charges WHERE scoped AND (is_usage OR held = '')"
        " GROUP BY meter ORDER BY meter"
    ):
        gpu = gpu_of(provider, machine) if machine else None
        if machine and gpu is None and looks_like_gpu(provider, machine):
            unknown.append(meter)
        contracted, listed = prices.get(meter, (None, None))
        rows.append(
            {
                "meter": meter,
                "provider": provider,
                "region": region or None,
                "family": machine.split(".")[0] if machine else None,
                "product": product_of(machine, unit),
                "unit": unit_of(machine, unit),
                "on_demand": contracted,
                "list_price": listed,
                "spot": spot.get(meter),
                "gpu": gpu.model if gpu else None,
                "gpus": float(gpu.count) if gpu else None,
                "capacity_reservation_status": "unused" if reserved else None,
                "source": source,
                "as_of": as_of,
            }
        )
    if unknown:
        report.remarks.append(
            Remark("gpu", f"machines whose GPUs are not known are kept: {', '.join(unknown)}",
                   len(unknown))
        )  # fmt: skip
    return pd.DataFrame(rows, dtype=object) if rows else pd.DataFrame({"meter": []})


def product_of(machine: str, unit: str) -> str:
    """Return what kind of thing a meter is, from its unit."""
    low = unit.lower()
    if machine:
        return "instance"
    for word, product in (
        ("token", "tokens"),
        ("ptu", "throughput"),
        ("model unit", "throughput"),
        ("gpu", "gpu"),
        ("vcpu", "vcpu"),
    ):
        if word in low:
            return product
    return "other"


def unit_of(machine: str, unit: str) -> str:
    """Return the unit of a meter; hours of a machine have one spelling."""
    return "Instance-Hours" if machine else (unit or "Units")


def _newest_prices(charges: Charges, report: Report) -> dict[str, tuple[str | None, str | None]]:
    """The unit prices by meter in the newest hour that states one; of several, the commonest."""
    found: dict[str, tuple[str | None, str | None]] = {}
    several = 0
    for meter, contracted, listed, count in charges.rows(
        "SELECT meter, first(contracted ORDER BY quantity DESC, contracted),"
        " first(listed ORDER BY quantity DESC, contracted), count(DISTINCT contracted) FROM ("
        "  SELECT meter, hour, contracted, max(listed) AS listed, sum(quantity) AS quantity"
        "  FROM charges WHERE is_usage AND scoped AND pricing <> 'Dynamic'"
        "  AND contracted IS NOT NULL GROUP BY meter, hour, contracted"
        "  QUALIFY hour = max(hour) OVER (PARTITION BY meter)"
        ") GROUP BY meter ORDER BY meter"
    ):
        found[meter] = (plain_or_none(contracted), plain_or_none(listed))
        several += count > 1
    if several:
        report.remarks.append(
            Remark("prices", "meters are billed at several contract prices in one hour; that of "
                   "most usage is taken", several)
        )  # fmt: skip
    for meter, listed in charges.rows(
        "SELECT meter, arg_max(listed, hour) FROM charges WHERE is_usage AND scoped"
        " AND listed IS NOT NULL GROUP BY meter ORDER BY meter"
    ):
        if meter not in found:
            found[meter] = (None, plain_or_none(listed))
    return found


def _spot_prices(charges: Charges) -> dict[str, str | None]:
    """What a unit on spot cost in the last week in which there was any."""
    return {
        row[0]: plain_or_none(Decimal(row[1]).quantize(Decimal("0.000000001")))
        for row in charges.rows(
            "SELECT meter, sum(billed) / sum(quantity) FROM charges JOIN ("
            "  SELECT meter AS m, max(hour) AS last FROM charges WHERE pricing = 'Dynamic'"
            "  GROUP BY 1) ON meter = m"
            f" WHERE is_usage AND scoped AND pricing = 'Dynamic' AND hour > last - {_WEEK}"
            " GROUP BY meter HAVING sum(quantity) > 0 ORDER BY meter"
        )
    }
