# SPDX-License-Identifier: Apache-2.0
"""Language models behind APIs: tokens used, by the hour, and what they cost."""

from __future__ import annotations

from connectors.pulled import Pulled, Report, Request


def pull(request: Request, report: Report) -> Pulled:
    """Pull the tables of LLM providers; see ``connectors.llm.source`` for the settings."""
    from connectors.llm.source import pull_llm

    return pull_llm(request, report)
