# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call made each VMA and each boundary."""
