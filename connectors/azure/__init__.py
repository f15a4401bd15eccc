# SPDX-License-Identifier: Apache-2.0
"""Azure: usage details, retail prices and price sheet, reservations and savings plans."""

from __future__ import annotations

from connectors.pulled import Pulled, Report, Request


def pull(request: Request, report: Report) -> Pulled:
    """Pull the tables of Azure; see ``connectors.azure.source`` for the settings."""
    from connectors.azure.source import pull_azure

    return pull_azure(request, report)
