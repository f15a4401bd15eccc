# SPDX-License-Identifier: Apache-2.0
"""What the accounts hold, or have queued: reservations, Savings Plans, capacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.asking import Question
from connectors.aws.ask import ask_all, attempt, pages
from connectors.aws.session import Account, Cloud
from connectors.aws.words import Row, hour
from connectors.pulled import Remark, Report

LIVE = ("active", "queued", "payment-pending")


@dataclass
class Holdings:
    """What is held, as the services state it: (account id, region, item)."""

    reserved: list[tuple[str, str, Row]] = field(default_factory=list)
    plans: list[tuple[str, Row]] = field(default_factory=list)
    machines: dict[str, set[str]] = field(default_factory=dict)


def find_holdings(cloud: Cloud, regions: list[str], report: Report) -> Holdings:
    """Ask every account, and every region of it, for what it holds.

    Capacity reservations and Bedrock's provisioned throughput are reported: what they
    cost is in the usage, not in a term.
    """
    found = Holdings()
    parts: list[tuple[Question[Any], Callable[[Account, str, list[Any]], None], Account, str]] = []
    for account in cloud.accounts:
        parts.append((_plans_job(cloud, account), _keep_plans(found), account, ""))
        for region in regions:
            place = f"{account.id}/{region}"
            ec2 = cloud.client("ec2", region, account)
            bedrock = cloud.client("bedrock", region, account)
            parts += [
                (_reserved_job(cloud, ec2, place), _keep_reserved(found), account, region),
                (_capacity_job(cloud, ec2, place), _tell_capacity(report), account, region),
                (_bedrock_job(cloud, bedrock, place), _tell_bedrock(report), account, region),
            ]
    answers = ask_all([part[0] for part in parts], report, cloud.options.parallel)
    for (_, keep, account, region), rows in zip(parts, answers, strict=True):
        keep(account, region, rows)
    return found


def _plans_job(cloud: Cloud, account: Account) -> Question[Any]:
    client = cloud.client("savingsplans", account=account)

    def call() -> list[Any]:
        return pages(
            client.describe_savings_plans,
            "savingsPlans",
            cloud.options.patience,
            "nextToken",
            states=list(LIVE),
            maxResults=1000,
        )

    permission = "savingsplans:DescribeSavingsPlans"
    return Question("savingsplans", "describe_savings_plans", account.id, call, permission)


def _reserved_job(cloud: Cloud, client: Any, place: str) -> Question[Any]:
    def call() -> list[Any]:
        # This one operation has no pages.
        answer = attempt(client.describe_reserved_instances, cloud.options.patience)
        return list(answer["ReservedInstances"])

    permission = "ec2:DescribeReservedInstances"
    return Question("ec2", "describe_reserved_instances", place, call, permission)


def _capacity_job(cloud: Cloud, client: Any, place: str) -> Question[Any]:
    def call() -> list[Any]:
        return pages(
            client.describe_capacity_reservations,
            "CapacityReservations",
            cloud.options.patience,
        )

    permission = "ec2:DescribeCapacityReservations"
    return Question("ec2", "describe_capacity_reservations", place, call, permission)


def _bedrock_job(cloud: Cloud, client: Any, place: str) -> Question[Any]:
    def call() -> list[Any]:
        return pages(
            client.list_provisioned_model_throughputs,
            "provisionedModelSummaries",
            cloud.options.patience,
            "nextToken",
        )

    permission = "bedrock:ListProvisionedModelThroughputs"
    return Question("bedrock", "list_provisioned_model_throughputs", place, call, permission)


def _keep_plans(found: Holdings) -> Callable[[Account, str, list[Any]], None]:
    def keep(account: Account, _: str, rows: list[Any]) -> None:
        found.plans += [(account.id, row) for row in rows if row["state"] in LIVE]

    return keep


def _keep_reserved(found: Holdings) -> Callable[[Account, str, list[Any]], None]:
    def keep(account: Account, region: str, rows: list[Any]) -> None:
        for row in rows:
            if row["State"] in LIVE:
                found.reserved.append((account.id, region, row))
                found.machines.setdefault(region, set()).add(row["InstanceType"])

    return keep


def _tell_capacity(report: Report) -> Callable[[Account, str, list[Any]], None]:
    def tell(account: Account, region: str, rows: list[Any]) -> None:
        for row in rows:
            if row.get("State") in ("cancelled", "expired", "failed"):
                continue
            count = row.get("TotalInstanceCount", 0)
            name = f"{row['CapacityReservationId']}: {count} {row.get('InstanceType', '')}"
            if row.get("ReservationType") == "capacity-block":
                text = (
                    f"{name} is a capacity block, prepaid: its hours are in the usage at no price"
                )
            else:
                text = f"{name} is reserved on demand: idle hours are in the usage as unused"
            report.remarks.append(Remark(f"capacity {account.id}/{region}", text, int(count)))

    return tell


def _tell_bedrock(report: Report) -> Callable[[Account, str, list[Any]], None]:
    def tell(account: Account, region: str, rows: list[Any]) -> None:
        for row in rows:
            until = row.get("commitmentExpirationTime")
            text = (
                f"{row['provisionedModelName']}: {row['modelUnits']} model units,"
                f" {row.get('commitmentDuration', 'no commitment')}"
                f"{f' until {hour(until):%Y-%m-%d}' if until else ''}; not in the case, because"
                " no API states its price"
            )
            report.remarks.append(Remark(f"bedrock {account.id}/{region}", text))

    return tell
