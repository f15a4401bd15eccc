# SPDX-License-Identifier: Apache-2.0
"""The faces of gpuopt: command line, HTTP, web page, jobs."""
