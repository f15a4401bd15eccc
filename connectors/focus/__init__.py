# SPDX-License-Identifier: Apache-2.0
"""Any FOCUS 1.0 to 1.2 export, as files: the way in without API access."""

from connectors.focus.source import pull, pull_files

__all__ = ["pull", "pull_files"]
