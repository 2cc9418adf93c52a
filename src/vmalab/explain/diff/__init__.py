# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares two recordings of one workload: which causes have more VMAs in the second."""
