# SPDX-License-Identifier: Apache-2.0
"""What the pages show of an answer: tables of its document, as a report has them."""
