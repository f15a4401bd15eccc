# SPDX-License-Identifier: Apache-2.0
"""The law of AWS: Reserved Instances, then Savings Plans.

Order within an hour (AWS Savings Plans user guide, "How Savings Plans apply to your
usage"; EC2 user guide, "How Reserved Instance discounts are applied"):

1. zonal Reserved Instances of every account, before any regional one;
2. regional Reserved Instances, the smallest instance size first;
3. EC2 Instance Savings Plans, then Compute Savings Plans (SageMaker and Database plans
   cover their own services): the highest saving percentage first, then the lowest rate.

Within each of these the owner's own usage comes first, then what sharing allows, and
running instances before the unused part of on-demand capacity reservations, to which
zonal Reserved Instances do not apply at all (EC2 user guide, "Capacity Reservation pricing
and billing").
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.billing.laws import Law, Pair, Rank, register


def _reserved(stage: int) -> Callable[[Pair], Rank]:
    """Owner first, then from the smallest to the largest size."""

    def rank(pair: Pair) -> Rank:
        return (stage, pair.reach, pair.idle, pair.size)

    return rank


def _savings(stage: int) -> Callable[[Pair], Rank]:
    """Owner first, then the highest saving percentage, then the lowest rate."""

    def rank(pair: Pair) -> Rank:
        return (stage, pair.reach, pair.idle, -pair.saving, pair.draw)

    return rank


register(
    Law("aws.reserved.zonal", _reserved(0), "units", "aws", needs_zone=True),
    Law("aws.reserved.regional", _reserved(1), "units", "aws"),
    Law("aws.savings.instance", _savings(2), "money", "aws", by_saving=True),
    Law("aws.savings.compute", _savings(3), "money", "aws", by_saving=True),
    Law("aws.savings.sagemaker", _savings(4), "money", "aws", by_saving=True),
    Law("aws.savings.database", _savings(5), "money", "aws", by_saving=True),
)
