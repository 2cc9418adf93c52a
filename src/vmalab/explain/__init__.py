# SPDX-License-Identifier: GPL-2.0-or-later
"""Explain what a replay shows: why, blame, enomem, what-if, history."""
