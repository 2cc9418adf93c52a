# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the model against real kernels: random streams, findings, shrinking."""
