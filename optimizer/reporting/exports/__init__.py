# SPDX-License-Identifier: Apache-2.0
"""Ways out of a plan: its routes and replicas as the configuration of what runs them."""

from optimizer.reporting.exports.autoscaler import autoscaler
from optimizer.reporting.exports.gateway import gateway
from optimizer.reporting.exports.litellm import litellm

__all__ = ["autoscaler", "gateway", "litellm"]
