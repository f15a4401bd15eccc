# SPDX-License-Identifier: Apache-2.0
"""Who a commitment reaches: sharing modes by month, owners, groups, scopes."""

from __future__ import annotations

import pytest

from optimizer.tables import parse_hour

from .conftest import Small, line

OWNER, MATE, OTHER = "org/g1/own", "org/g1/mate", "org/a0/other"
REACHED = {
    "organization": {OWNER, MATE, OTHER},
    "prioritized": {OWNER, MATE, OTHER},
    "restricted": {OWNER, MATE},
    "off": {OWNER},
}


def mode(*entries: tuple[str, str], provider: str = "aws") -> str:
    return "".join(
        f'[[sharing.{provider}]]\nfrom = "{day}"\nmode = "{name}"\n' for day, name in entries
    )


def three(small: Small, provider: str = "aws") -> None:
    """One machine in each account; the name of the one outside the group sorts first."""
    small.meter("m", 1, provider=provider, spot=1)
    for account in (OWNER, MATE, OTHER):
        small.use("m", 1, account=account)
    law = {"aws": "aws.reserved.regional", "azure": "azure.reservation"}[provider]
    small.offer("ri", law, {"m": 1})


def covered(small: Small) -> dict[str, float]:
    bill = small.bill()
    return {row.account: float(row.covered) for row in bill.lines}


@pytest.mark.parametrize("name", REACHED)
def test_what_a_mode_reaches(small: Small, name: str) -> None:
    three(small)
    small.toml = mode(("2026-01-01", name))
    small.hold("ri", 3, account=OWNER)
    assert {account for account, units in covered(small).items() if units} == REACHED[name]


@pytest.mark.parametrize(
    ("name", "second"), [("organization", OTHER), ("prioritized", MATE), ("restricted", MATE)]
)
def test_owner_first_then_group_then_the_rest(small: Small, name: str, second: str) -> None:
    """Open sharing knows no groups; prioritized sharing serves the owner's group second."""
    three(small)
    small.toml = mode(("2026-01-01", name))
    small.hold("ri", 1, account=OWNER)
    assert covered(small) == {OWNER: 1, MATE: 0, OTHER: 0}
    small.tables["commitments"][0]["quantity"] = 2
    assert covered(small) == {OWNER: 1, MATE: 0, OTHER: 0} | {second: 1}


@pytest.mark.parametrize("law", ["aws.savings.instance", "aws.savings.compute"])
def test_plans_serve_their_owner_before_a_larger_saving(small: Small, law: str) -> None:
    """Owner first; the order by saving holds within the owner's usage, then elsewhere."""
    small.meter("low", "1.00")
    small.meter("high", "2.00")
    small.use("low", 1, account=OWNER)
    small.use("high", 1, account=OTHER)
    small.offer("plan", law, {"low": 1, "high": 1})
    small.hold("plan", 1, account=OWNER)
    bill = small.bill()
    assert line(bill, "low", OWNER).covered == 1
    assert line(bill, "high", OTHER).covered == 0


def test_without_settings_all_is_shared(small: Small) -> None:
    three(small)
    small.hold("ri", 3, account=OWNER)
    assert small.bill().on_demand == 0


def test_modes_are_a_provider_s_own(small: Small) -> None:
    """What AWS is told does not bind a commitment on Azure's meters."""
    three(small, provider="azure")
    small.toml = mode(("2026-01-01", "off"))
    small.hold("ri", 3, account=OWNER)
    assert small.bill().on_demand == 0


def test_the_last_entry_of_a_month_decides_the_month(tmp_path) -> None:
    """A window over two months: November by its 30th, from its first hour; December anew.

    The 10 December entry decides even the hours before it.
    """
    small = Small(tmp_path / "case", start=parse_hour("2026-11-30T22:00:00Z"))
    small.meter("m", 1)
    for account in (OWNER, MATE, OTHER):
        small.use("m", [1] * 4, account=account)
    small.offer("ri", "aws.reserved.regional", {"m": 1})
    small.hold("ri", 3, account=OWNER)
    small.toml = mode(
        ("2026-12-10", "off"), ("2026-10-01", "organization"), ("2026-11-30", "restricted")
    )
    bill = small.bill()
    assert bill.on_demand_by_hour.tolist() == [1, 1, 2, 2]
    assert covered(small) == {OWNER: 4, MATE: 2, OTHER: 0}


def test_an_entry_of_a_later_month_does_not_decide(small: Small) -> None:
    three(small)
    small.toml = mode(("2026-12-01", "off"))
    small.hold("ri", 3, account=OWNER)
    assert small.bill().on_demand == 0


def test_the_later_of_two_entries_of_a_month(small: Small) -> None:
    three(small)
    small.toml = mode(("2026-11-20", "off"), ("2026-11-05", "organization"))
    small.hold("ri", 3, account=OWNER)
    assert small.bill().on_demand == 2


def test_scope_account_reaches_the_owner_only(small: Small) -> None:
    three(small)
    small.hold("ri", 3, account=OWNER, scope="account")
    assert covered(small) == {OWNER: 1, MATE: 0, OTHER: 0}


def test_scope_account_without_any_accounts(small: Small) -> None:
    """A case of one account need not name it: absent is the same as absent."""
    small.meter("m", 1)
    small.use("m", 2)
    small.offer("ri", "aws.reserved.regional", {"m": 1}, scope="account")
    small.hold("ri", 2)
    assert small.bill().on_demand == 0


def test_scope_path_prefix(small: Small) -> None:
    """A prefix ends at a part of the path: ``org/g1`` does not reach ``org/g10``."""
    three(small)
    small.use("m", 1, account="org/g10/x")
    small.hold("ri", 4, scope="org/g1")
    assert covered(small) == {OWNER: 1, MATE: 1, OTHER: 0, "org/g10/x": 0}


def test_scope_of_the_offer_unless_the_commitment_has_one(small: Small) -> None:
    three(small)
    small.tables["offers"][0] |= {"scope": "org/a0", "account": OTHER}
    small.hold("ri", 3)
    assert covered(small) == {OWNER: 0, MATE: 0, OTHER: 1}
    small.tables["commitments"][0] |= {"scope": "account", "account": OWNER}
    assert covered(small) == {OWNER: 1, MATE: 0, OTHER: 0}
    small.tables["offers"][0]["account"] = MATE
    small.tables["commitments"][0]["account"] = ""
    assert covered(small) == {OWNER: 0, MATE: 1, OTHER: 0}


def test_a_group_of_accounts_as_owner(small: Small) -> None:
    """A path above accounts owns all of them: even with sharing off."""
    three(small)
    small.toml = mode(("2026-01-01", "off"))
    small.hold("ri", 3, account="org/g1")
    assert covered(small) == {OWNER: 1, MATE: 1, OTHER: 0}


def test_accounts_without_a_group(small: Small) -> None:
    """An account right under the organization, as the payer, is in no group."""
    small.meter("m", 1)
    small.use("m", 1, account="org/payer")
    small.use("m", 1, account="org/second")
    small.toml = mode(("2026-01-01", "restricted"))
    small.offer("ri", "aws.reserved.regional", {"m": 1})
    small.hold("ri", 2, account="org/payer")
    assert covered(small) == {"org/payer": 1, "org/second": 0}
    small.tables["usage"][1]["account"] = "org/g1"
    small.tables["commitments"][0]["account"] = OWNER
    assert covered(small) == {"org/payer": 0, "org/g1": 0}
