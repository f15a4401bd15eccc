# SPDX-License-Identifier: Apache-2.0
"""Pull usage, prices, offers and commitments from clouds and exports into a case."""
