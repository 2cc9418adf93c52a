# SPDX-License-Identifier: GPL-2.0-or-later
"""An address space over time, as charts show it."""
