# SPDX-License-Identifier: GPL-2.0-or-later
"""Seams for tests: failing, observing and strict ones, and the laws that each must keep."""
