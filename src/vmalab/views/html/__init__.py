# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings as one HTML page that needs no network: charts, tables, every number with its call."""
