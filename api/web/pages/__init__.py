# SPDX-License-Identifier: Apache-2.0
"""The pages, a module for each; to add one, name it here (docs/pages.md)."""

from api.web.base import Pages
from api.web.pages import commitments, jobs, overview, plans, reports

MODULES: tuple[Pages, ...] = (
    overview.pages,
    plans.pages,
    commitments.pages,
    reports.pages,
    jobs.pages,
)
