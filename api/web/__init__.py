# SPDX-License-Identifier: Apache-2.0
"""The pages: server-rendered, beside the API, for people who read a plan on Monday morning."""
