# SPDX-License-Identifier: Apache-2.0
"""Where to ask: the regions of the account, and the accounts' paths in the organization."""

from __future__ import annotations

from connectors.asking import Question
from connectors.aws.ask import ask_all, attempt, pages
from connectors.aws.session import Cloud
from connectors.pulled import Outcome, Remark, Report

CURRENT = {"opt-in-not-required", "opted-in"}


def regions_of(cloud: Cloud, wanted: tuple[str, ...], report: Report) -> list[str]:
    """Return the regions that were asked for; none: all that the account may use.

    Where that cannot be told, there are none, and those of the usage are asked.
    """
    if wanted:
        return list(wanted)
    client = cloud.client("ec2")
    job = Question(
        "ec2",
        "describe_regions",
        cloud.home.id,
        lambda: list(attempt(client.describe_regions, cloud.options.patience)["Regions"]),
        "ec2:DescribeRegions",
    )
    (found,) = ask_all([job], report, 1)
    return sorted(
        region["RegionName"]
        for region in found
        if region.get("OptInStatus", "opt-in-not-required") in CURRENT
    )


def account_paths(cloud: Cloud, report: Report) -> dict[str, str]:
    """Return the path of each account, such as ``company/research/111122223333``.

    The organizational units above the account, without the root. Where the organization
    may not be read, there are no paths and accounts are named by their ids.
    """
    client = cloud.client("organizations")
    patience = cloud.options.patience

    def walk() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        roots = pages(client.list_roots, "Roots", patience)
        open_: list[tuple[str, tuple[str, ...]]] = [(root["Id"], ()) for root in roots]
        while open_:
            parent, path = open_.pop()
            accounts = pages(client.list_accounts_for_parent, "Accounts", patience, ParentId=parent)
            found += [(a["Id"], "/".join([*path, a["Id"]])) for a in accounts]
            open_ += [
                (unit["Id"], (*path, unit["Name"]))
                for unit in pages(
                    client.list_organizational_units_for_parent,
                    "OrganizationalUnits",
                    patience,
                    ParentId=parent,
                )
            ]
        return found

    permission = "organizations:ListRoots, ListAccountsForParent, ListOrganizationalUnitsForParent"
    own = Report(progress=report.progress)
    (found,) = ask_all([Question("organizations", "list", cloud.home.id, walk, permission)], own, 1)
    (asked,) = own.asked
    if asked.outcome is not Outcome.ANSWERED:
        report.remarks.append(
            Remark("accounts", f"the organization cannot be read ({asked.detail}): accounts are"
                   " named by their ids, without their units")
        )  # fmt: skip
        return {}
    report.asked.append(asked)
    return dict(found)
