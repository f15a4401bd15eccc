# SPDX-License-Identifier: Apache-2.0
"""The pages, a module for each; to add one, name it here (docs/pages.md)."""

from api.web.base import Pages
from api.web.pages import (
    anomalies,
    budgets,
    commitments,
    jobs,
    overview,
    plans,
    recommendations,
    reports,
    routes,
    sessions,
    usage,
    what_ifs,
)

MODULES: tuple[Pages, ...] = (
    overview.pages,
    plans.pages,
    recommendations.pages,
    what_ifs.pages,
    routes.pages,
    usage.pages,
    anomalies.pages,
    budgets.pages,
    commitments.pages,
    reports.pages,
    jobs.pages,
    sessions.pages,
)
