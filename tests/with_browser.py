# SPDX-License-Identifier: Apache-2.0
"""Run the tests of the pages in a real Chromium.

    python tests/with_browser.py [pytest arguments]

Chromium is that of GPUOPT_CHROMIUM or of the system; on Debian and Ubuntu its package is
installed where it is missing and may be. Nothing is downloaded from anywhere else. Exit code
77: there is no Chromium here, and none can be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SKIPPED = 77
TESTS = ["tests/web"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return the program of Chromium: the one that is named, else the system's.

    One that is named and not there is none: the tests then say so, rather than use another.
    """
    named = os.environ.get("GPUOPT_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def install() -> None:
    """Install Chromium, where this may be done; Ubuntu's package of it is a snap and no use."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", "--quiet", *command], check=False, env=environment)


def runs(program: str) -> bool:
    """Whether the program starts: a package that only points at a snap does not."""
    try:
        told = subprocess.run([program, "--version"], check=False, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0


def main() -> int:
    """Find or install Chromium, and run the tests in it."""
    program = find()
    if program is None and not os.environ.get("GPUOPT_CHROMIUM"):
        install()
        program = find()
    if program is None or not runs(program):
        print(
            "skipped: there is no Chromium here that starts, and it could not be installed with "
            "apt-get; GPUOPT_CHROMIUM names one"
        )
        return SKIPPED
    environment = {**os.environ, "GPUOPT_CHROMIUM": program, "GPUOPT_BROWSER_TESTS": "1"}
    tests = [sys.executable, "-m", "pytest", *(sys.argv[1:] or TESTS)]
    return subprocess.run(tests, check=False, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
