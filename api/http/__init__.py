# SPDX-License-Identifier: Apache-2.0
"""The HTTP face: ``app.create_app`` makes it, each resource has a module."""
