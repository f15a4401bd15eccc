# SPDX-License-Identifier: Apache-2.0
"""A plan becomes a document: words, tables and charts."""
