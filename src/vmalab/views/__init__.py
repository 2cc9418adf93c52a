# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings as text, JSON and KTAP; a view decides nothing."""
