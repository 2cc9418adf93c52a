# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in, findings out: replay, comparison and explanation."""
