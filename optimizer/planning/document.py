# SPDX-License-Identifier: Apache-2.0
"""The documents of the contract: what ``--json`` prints, and what a plan file holds."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optimizer.billing import Bill
from optimizer.billing.bill import exact
from optimizer.billing.cost import amortised_cost
from optimizer.billing.kpis import key_figures, waterfalls
from optimizer.billing.reconcile import reconcile, reconciliation
from optimizer.billing.release import hours_in_force
from optimizer.planning.curve import commitment_curve
from optimizer.planning.explain import break_even_hours, explain, marginal_values, weigh
from optimizer.planning.futures_document import (
    futures_document,
    futures_lines,
    one_future_document,
)
from optimizer.planning.limits import agreements_of, limits_of, shadow_prices
from optimizer.planning.moves_document import moves_of_plan
from optimizer.planning.part import Part
from optimizer.planning.plan import Plan
from optimizer.planning.relax import InfeasibleCase
from optimizer.planning.released import release_of
from optimizer.planning.renewed import renewal_rows
from optimizer.planning.routes_document import routes_of_plan, routing_prices
from optimizer.planning.sampled import sampled
from optimizer.planning.sensitivity import sensitivity
from optimizer.planning.uncertain_plan import UncertainPlan
from optimizer.program.purchases import planned
from optimizer.tables import Case, decimal_string, format_hour

SCHEMA_VERSION = "1.0"
_PLACES = Decimal("1e-12")


def to_json(document: dict[str, Any], *, indent: int | None = 2) -> str:
    """Write a document: money as plain decimal strings, no NaN, keys in their order."""
    return json.dumps(_plain(document), indent=indent, allow_nan=False, ensure_ascii=False)


def head(case: Case) -> dict[str, Any]:
    """What every document carries: schema, currency, snapshot, settings, seed."""
    return {
        "schema_version": SCHEMA_VERSION,
        "currency": case.settings.currency,
        "snapshot": case.snapshot,
        "settings": case.settings.as_dict(),
        "seed": case.settings.solve.seed,
    }


def bill_document(
    case: Case, bill: Bill, *, detail: bool = False, reconciled: bool = False
) -> dict[str, Any]:
    """The document of ``gpuopt bill``, with the comparison to ``billed_cost`` if asked for."""
    window = {
        "start": format_hour(bill.first_hour),
        "end": format_hour(bill.first_hour + bill.hours),
    }
    document = {**head(case), **window, **bill.as_dict(detail=detail)}
    document["kpis"] = key_figures(bill)
    document["waterfall"] = [waterfall.as_dict() for waterfall in waterfalls(bill)]
    if reconciled:
        document["reconciliation"] = reconciliation(reconcile(case, bill))
    return document


def plan_id(case: Case) -> str:
    """The same snapshot, settings and seed have the same plan, and so the same id."""
    settings = json.dumps(case.settings.as_dict(), sort_keys=True)
    digest = hashlib.sha256(f"{case.snapshot}\n{settings}\n{SCHEMA_VERSION}".encode())
    return f"pln_{digest.hexdigest()[:20]}"


def plan_document(plan: Plan, *, detail: bool = False, weighed: bool = True) -> dict[str, Any]:
    """The document of ``gpuopt plan``; keys of what the case does not ask for are absent.

    Unless it is ``weighed`` it has nothing that asks what another purchase would be worth or
    what other demand would cost: those take longer than a small change takes to plan.
    """
    case = plan.case
    document: dict[str, Any] = {**head(case), "plan": plan_id(case), "status": str(plan.status)}
    document |= {
        "as_of": format_hour(case.settings.as_of),
        "horizon_hours": case.settings.horizon_hours,
    }
    if plan.baseline is not None:
        document |= {
            "baseline": plan.baseline_total,
            "total": plan.total,
            "savings": plan.baseline_total - plan.total,
        }
    else:
        document["total"] = plan.total
    document |= {
        "objective": plan.objective,
        "lower_bound": plan.lower_bound,
        "gap": plan.gap,
        "gap_solver": plan.gap_solver,
        "gap_law": plan.gap_law,
        "parts": [_part(part) for part in plan.parts],
        "purchases": _purchases(plan, marginal_values(sampled(plan)) if weighed else {}),
        **({"considered": weigh(sampled(plan))} if weighed else {}),
        "commitments": _commitments(plan),
    }
    renewed = renewal_rows(plan)
    if renewed:
        document["renewals"] = renewed
    spot = _spot(plan)
    if spot:
        document["spot"] = spot
    document |= moves_of_plan(plan) | routes_of_plan(plan, detail=detail)
    if plan.unmet:
        document["unmet_penalties"] = plan.unmet
        document["unmet"] = _unmet(plan)
    limits = limits_of(plan)
    if limits:
        document["limits"] = limits
    if plan.agreements:
        document["agreements"] = agreements_of(plan)
    prices = [*shadow_prices(plan), *routing_prices(plan)] if weighed else []
    if prices:
        document["shadow_prices"] = prices
    document["kpis"] = _kpis(plan)
    if plan.baseline is not None:
        document["baseline_bill"] = plan.baseline.as_dict(detail=detail)
    document["bill"] = plan.bill.as_dict(detail=detail)
    if isinstance(plan, UncertainPlan):
        document |= futures_document(plan, document["purchases"])
    elif weighed and (plan.baseline is not None or not document.get("routes")):
        # Beside routing without routes_today there is no bill of today to hold it against.
        document["sensitivity"] = [row.as_dict() for row in sensitivity(plan)]
    if weighed and not isinstance(plan, UncertainPlan):
        document |= one_future_document(plan, document["purchases"])
        curve = commitment_curve(plan)
        document |= {} if curve is None else {"commitment_curve": curve}
    document["checks"] = [
        {"check": check.name, "part": number, "ok": check.ok, "detail": check.detail}
        for number, part in enumerate(plan.parts)
        for check in part.answer.checks
    ]
    if weighed and plan.bought:
        from optimizer.planning.backtest.gate import gate  # it is planning too: no cycle

        document["gate"] = gate(case).as_dict()
    if weighed:
        document["explanation"] = [*explain(plan, document), *futures_lines(document)]
    return document


def infeasible_document(error: InfeasibleCase) -> dict[str, Any]:
    """The document of a case that has no plan: what to relax, and what each costs."""
    return {
        **head(error.case),
        "plan": plan_id(error.case),
        "status": "infeasible",
        "relaxations": [relaxation.as_dict() for relaxation in error.relaxations],
        **({"unserved": [each.as_dict() for each in error.unserved]} if error.unserved else {}),
        "explanation": [str(error)],
    }


def _part(part: Part) -> dict[str, Any]:
    """How a part was solved: how large it is, which way, and how much work it took."""
    return {
        "meters": sorted(set(part.component.demand.usage.meter)),
        "status": str(part.answer.status),
        "method": part.answer.method,
        "why": part.answer.why,
        **({"stopped": part.answer.stopped} if part.answer.stopped else {}),
        "distinct_hours": part.problem.hours,
        **part.answer.work,
    }


def _purchases(plan: Plan, values: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    as_of = plan.case.settings.as_of
    end = as_of + plan.case.settings.horizon_hours
    rows = []
    for name, quantity in sorted(plan.bought.items()):
        offer = plan.catalogue.offers[name]
        holding = planned(offer, quantity, as_of)
        rows.append(
            {
                "offer": name,
                "provider_offer_id": offer.provider_offer_id or None,
                "law": offer.law,
                "measure": offer.measure,
                "quantity": float(quantity),
                "upfront": quantity * offer.upfront,
                "hourly": quantity * offer.hourly,
                "monthly": quantity * offer.monthly,
                **({"premium": quantity * offer.premium} if offer.premium else {}),
                "term_hours": hours_in_force(offer),
                **release_of(holding),
                "start": format_hour(holding.start),
                "end": format_hour(holding.end),
                "cost": amortised_cost(holding, as_of, end).quantize(_PLACES),
                "remaining_at_horizon": amortised_cost(
                    holding, max(end, holding.start), holding.end
                ).quantize(_PLACES),
                "break_even_hours": break_even_hours(plan, name),
                **({"marginal_value": values[name]} if values else {}),
                "covers": [
                    {"meter": meter, "quantity": float(units)}
                    for meter, units in plan.covers[name].items()
                ],
            }
        )
    return rows


def _commitments(plan: Plan) -> list[dict[str, Any]]:
    end = plan.case.settings.as_of + plan.case.settings.horizon_hours
    return [
        {
            "commitment": holding.name,
            "offer": holding.offer.name,
            "action": "keep" if holding.end >= end else "let_expire",
            "quantity": float(holding.quantity),
            "end": format_hour(holding.end),
        }
        for holding in plan.holdings
        if holding.end > plan.case.settings.as_of
    ]


def _spot(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "meter": line.meter,
            "account": line.account or None,
            "zone": line.zone or None,
            "quantity": float(line.spot_quantity),
            "share": float(line.spot_quantity / line.quantity),
            "cost": line.spot,
        }
        for line in plan.bill.lines
        if line.spot_quantity
    ]


def _unmet(plan: Plan) -> list[dict[str, Any]]:
    """What the plan leaves unserved, and its penalties, by line."""
    usage, rows = plan.demand.usage, []
    for index, meter in enumerate(usage.meter):
        units, penalty = exact(plan.unserved[index].sum()), usage.unmet_penalty[index]
        if units and penalty is not None:
            rows.append(
                {
                    "meter": meter,
                    "account": usage.account[index] or None,
                    "zone": usage.zone[index] or None,
                    "quantity": float(units),
                    "penalties": units * penalty,
                }
            )
    return rows


def _kpis(plan: Plan) -> dict[str, Any]:
    as_of = plan.case.settings.as_of
    whole = [
        *plan.holdings,
        *(planned(plan.catalogue.offers[n], q, as_of) for n, q in plan.bought.items()),
    ]
    remaining = sum((amortised_cost(h, max(as_of, h.start), h.end) for h in whole), Decimal(0))
    upfront = sum(
        (q * plan.catalogue.offers[n].upfront for n, q in plan.bought.items()), Decimal(0)
    )
    kpis: dict[str, Any] = {"plan": _figures(plan.bill)}
    if plan.baseline is not None:
        kpis["today"] = _figures(plan.baseline)
    kpis["upfront_cash"] = upfront
    kpis["new_commitment"] = sum(
        (amortised_cost(h, h.start, h.end) for h in whole if h.state == "planned"), Decimal(0)
    ).quantize(_PLACES)
    kpis["remaining_commitment"] = remaining.quantize(_PLACES)
    return kpis


def _figures(bill: Bill) -> dict[str, Any]:
    return {
        "coverage": bill.coverage,
        "utilization": bill.utilization,
        "effective_savings_rate_on_demand": bill.savings_rate("on_demand"),
        "effective_savings_rate_list_price": bill.savings_rate("list_price"),
        "unused_cost": bill.unused_cost.quantize(_PLACES),
        "net_savings": (bill.covered_at_on_demand - bill.commitment_cost).quantize(_PLACES),
    }


def _plain(value: Any) -> Any:
    """Decimals become strings of at least nine places; floats must be finite."""
    if isinstance(value, Decimal):
        text = decimal_string(value.quantize(_PLACES))
        whole, _, part = text.partition(".")
        return f"{whole}.{part:0<12}"
    if isinstance(value, float) and not math.isfinite(value):
        msg = "a document holds a number that is not finite"
        raise ValueError(msg)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
