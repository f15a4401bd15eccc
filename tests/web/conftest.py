# SPDX-License-Identifier: Apache-2.0
"""The pages in a real browser, over a real service (make test-browser).

Without GPUOPT_BROWSER_TESTS, which tests/with_browser.py sets, they are skipped: a browser is
not something that ``make test`` may ask for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

WHY = "a browser is asked for by make test-browser (GPUOPT_BROWSER_TESTS is not set)"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    if not os.environ.get("GPUOPT_BROWSER_TESTS"):
        pytest.skip(WHY)
    from playwright.sync_api import sync_playwright

    from .browsing import launch_options

    with sync_playwright() as driver:
        started = driver.chromium.launch(**launch_options())
        yield started
        started.close()


@pytest.fixture(scope="session")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with the small company, its plan, and the plan's advice."""
    from .company import files
    from .serving import serving

    with serving(tmp_path_factory.mktemp("served")) as running:
        running.snapshot = running.upload(files())
        running.plan = running.planned(running.snapshot)
        running.report = running.reported(running.plan)
        yield running


@pytest.fixture
def open_page(browser: Any, served: Any) -> Callable[..., AbstractContextManager[Any]]:
    """Open a watched page: ``with open_page("phone", "dark") as seen``."""
    from .browsing import watched

    def opened(shape: str = "desktop", theme: str = "light", **more: Any) -> Any:
        return watched(browser, served.origin, shape, theme, **more)

    return opened
