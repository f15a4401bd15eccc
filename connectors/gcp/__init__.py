# SPDX-License-Identifier: Apache-2.0
"""Google Cloud: billing export, price catalogue, committed use discounts, recommender."""

from __future__ import annotations

from connectors.pulled import Pulled, Report, Request


def pull(request: Request, report: Report) -> Pulled:
    """Pull the tables of Google Cloud; see ``connectors.gcp.source`` for the settings."""
    from connectors.gcp.source import pull_gcp

    return pull_gcp(request, report)
