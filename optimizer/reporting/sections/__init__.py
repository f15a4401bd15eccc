# SPDX-License-Identifier: Apache-2.0
"""Sections of reports: numbers of the floors below, set in order."""
