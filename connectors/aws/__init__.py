# SPDX-License-Identifier: Apache-2.0
"""Amazon Web Services: usage, prices, offers and commitments, read-only, through boto3."""

from connectors.aws.source import pull

__all__ = ["pull"]
